"""What is measured of each kind of data set: retrieval by captions or grades, zero-shot labels and tags, probes.

Each function returns the entries of a result's "figures" and its "details", the outcome of each query or recording, so
that two results can be compared query by query.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from kobza.data.recordings import DataSet, DataSetError
from kobza.embedding.embedder import Embedder, embed_recordings
from kobza.evaluation.intervals import mean_interval
from kobza.evaluation.metrics import NDCG_AT, confusion_matrix, ndcg_at
from kobza.evaluation.probes import Examples, evaluate_probes
from kobza.evaluation.retrieval import DIRECTIONS, evaluate_retrieval
from kobza.evaluation.zero_shot import embed_labels, evaluate_classification, evaluate_tagging

Measured = tuple[list[dict], dict]


def compute_metrics(
    embedder: Embedder,
    data: DataSet,
    vectors: np.ndarray,
    owner: np.ndarray,
    prompts: Sequence[str],
    ensemble: bool,
    seed: int,
) -> Measured:
    """The entries and details of a data set, by what its annotations allow to measure.

    Args:
        vectors: (different recordings, dim).
        owner: (rows of the data set,), the index of each row's recording in `vectors`.
    """
    if data.task == "retrieval":
        return _retrieval(embedder, data, vectors, owner, seed)
    if data.task == "ranking":
        return _ranking(embedder, data, vectors)
    label_vectors = embed_labels(embedder, prompts, data.vocabulary, ensemble)
    measure = _tagging if data.task == "tagging" else _classification
    return measure(data, vectors[owner], label_vectors)


def _retrieval(embedder: Embedder, data: DataSet, vectors: np.ndarray, owner: np.ndarray, seed: int) -> Measured:
    """The details name the recording that each query wants (one query for each caption, one for each recording)."""
    text = embedder.embed_text([recording.caption or "" for recording in data.recordings])
    entries, ranks = evaluate_retrieval(text, vectors, owner, seed)
    first = np.unique(owner, return_index=True)[1]
    of_captions = [recording.id for recording in data.recordings]
    queries = {"text -> music": of_captions, "music -> text": [of_captions[i] for i in first]}
    return [complete_entry("retrieval", entry) for entry in entries], {"queries": queries, "ranks": ranks}


def _ranking(embedder: Embedder, data: DataSet, vectors: np.ndarray) -> Measured:
    """nDCG by graded relevance; the details give that at 10 of each query."""
    column = {recording.id: i for i, recording in enumerate(data.recordings)}
    judged = [judgment for judgment in data.judgments if judgment.recording in column]
    queries = list(dict.fromkeys(judgment.query for judgment in judged if judgment.grade > 0))
    if not queries:
        raise DataSetError("No usable recording has a grade above 0, so nDCG is undefined: add recordings.")
    row = {query: i for i, query in enumerate(queries)}
    grades = np.zeros((len(queries), len(vectors)))
    for query, recording, grade in judged:
        if query in row:
            grades[row[query], column[recording]] = grade
    similarity = embedder.embed_text(queries) @ vectors.T
    entries = []
    for k in NDCG_AT:
        values = ndcg_at(similarity, grades, k)
        low, high = mean_interval(values)
        found = {"metric": f"nDCG@{k}", "value": float(values.mean()), "low": low, "high": high}
        entries.append({"direction": DIRECTIONS[0], "gallery": len(vectors), **found})
    details = {"graded_queries": queries, "nDCG@10": ndcg_at(similarity, grades, 10).tolist()}
    return [complete_entry("retrieval", entry) for entry in entries], details


def _tagging(data: DataSet, audio: np.ndarray, label_vectors: dict[str, np.ndarray]) -> Measured:
    has_tag, judged = tag_tables(data)
    left_out = undefined_tags(data.vocabulary, has_tag, judged)
    entries, roc_aucs = evaluate_tagging(audio, label_vectors, has_tag, judged)
    details = {"tags": list(data.vocabulary), "left_out": left_out, "auc": roc_aucs}
    return [complete_entry("zero-shot", entry) for entry in entries], details


def tag_tables(data: DataSet) -> tuple[np.ndarray, np.ndarray]:
    """(recordings, tags) booleans each: whether a recording has a tag, and whether that is known."""
    has_tag = [[tag in (recording.tags or ()) for tag in data.vocabulary] for recording in data.recordings]
    judged = [[r.judged is None or tag in r.judged for tag in data.vocabulary] for r in data.recordings]
    return np.array(has_tag, bool), np.array(judged, bool)


def undefined_tags(tags: Sequence[str], has_tag: np.ndarray, judged: np.ndarray) -> list[str]:
    """The tags whose AUC is undefined: on all recordings of which it is known, or on none.

    Raises:
        DataSetError: that is every tag.
    """
    positives = (has_tag & judged).sum(axis=0)
    known = judged.sum(axis=0)
    undefined = [tag for tag, p, n in zip(tags, positives, known, strict=True) if p in (0, n)]
    if len(undefined) == len(tags):
        raise DataSetError(
            "Every tag is on all usable recordings or on none, so AUC is undefined: choose another tag set, or add "
            "recordings."
        )
    return undefined


def _classification(data: DataSet, audio: np.ndarray, label_vectors: dict[str, np.ndarray]) -> Measured:
    """The details name the label of each recording and the one that each prompt gave it."""
    true = true_labels(data)
    entries, predicted = evaluate_classification(audio, label_vectors, true)
    labels = list(data.vocabulary)
    details = {
        "labels": labels,
        "confusion": {prompt: confusion_matrix(true, p, len(labels)).tolist() for prompt, p in predicted.items()},
        "recordings": [recording.id for recording in data.recordings],
        "true": true.tolist(),
        "predicted": {prompt: indices.tolist() for prompt, indices in predicted.items()},
    }
    return [complete_entry("zero-shot", entry) for entry in entries], details


def true_labels(data: DataSet) -> np.ndarray:
    """(recordings,), the index of each recording's label in the vocabulary."""
    label_index = {label: i for i, label in enumerate(data.vocabulary)}
    return np.array([label_index[recording.label or ""] for recording in data.recordings])


def measure_probes(
    embedder: Embedder,
    splits: Mapping[str, DataSet],
    test_vectors: np.ndarray,
    shots: Sequence[int],
    progress: Callable[[int, int, Path], None] | None,
    seed: int,
) -> Measured:
    """The entries and details of probes (see `probes.py`), trained on two splits and measured on "test".

    Args:
        splits: "train", "validation", and "test" without the recordings that cannot be used.
        test_vectors: (recordings of the test, dim).
    """
    test = splits["test"]
    examples = {"test": _examples(test, test_vectors)}
    counts = {}
    for name in ("validation", "train"):
        data = splits[name]
        vectors, reasons = embed_recordings(embedder, [recording.path for recording in data.recordings], progress)
        kept = [i for i in range(len(data.recordings)) if i not in reasons]
        if len(kept) < 2:
            raise DataSetError(f"{len(kept)} recordings of the split {name!r} can be used: a probe needs two or more.")
        usable = replace(data, recordings=tuple(data.recordings[i] for i in kept), vocabulary=test.vocabulary)
        examples[name] = _examples(usable, vectors[kept])
        counts[name] = {"used": len(kept), "of": data.total}
    entries, choices, answers = evaluate_probes(
        examples["train"], examples["validation"], examples["test"], shots, seed
    )
    details = {"probes": choices, "splits": counts, "labels": list(test.vocabulary)}
    if test.task == "tagging":
        details |= {"tags": list(test.vocabulary), "auc": answers}
    else:
        details |= {"recordings": [recording.id for recording in test.recordings]}
        details |= {"true": examples["test"].true.tolist(), "predicted": answers}
    return [complete_entry("probe", entry) for entry in entries], details


def _examples(data: DataSet, vectors: np.ndarray) -> Examples:
    if data.task == "tagging":
        has_tag, judged = tag_tables(data)
        return Examples(vectors, has_tag, len(data.vocabulary), judged)
    return Examples(vectors, true_labels(data), len(data.vocabulary))


def complete_entry(task: str, entry: dict) -> dict:
    """The entry with every condition as a key, None where it does not apply."""
    return {"task": task, "direction": None, "prompt": None, "gallery": None, "classes": None, **entry}
