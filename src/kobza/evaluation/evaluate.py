"""A model on a data set: every recording embedded once, every figure with its interval, all of it in one receipt.

"gtzan:DIR" --loader--> recordings --embedder--> vectors --retrieval or zero-shot--> figures --> receipt (JSON)
"""

import hashlib
import json
import math
import os
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from kobza.atomic import atomic_write
from kobza.audio import printable
from kobza.data.class_folders import load_classes
from kobza.data.gtzan import load_gtzan
from kobza.data.magnatagatune import load_magnatagatune
from kobza.data.musiccaps import load_musiccaps
from kobza.data.pairs import load_pairs
from kobza.data.recordings import DataSet, DataSetError
from kobza.evaluation.intervals import RESAMPLES
from kobza.evaluation.metrics import areas_under_curves
from kobza.evaluation.retrieval import Progress, embed_recordings, retrieval_figures
from kobza.evaluation.zero_shot import (
    GENRE_PROMPTS,
    TAG_PROMPTS,
    class_figures,
    label_vectors,
    read_prompts,
    tag_figures,
)
from kobza.folders import expanded

PROMPTS = {"gtzan": GENRE_PROMPTS, "magnatagatune": TAG_PROMPTS, "classes": GENRE_PROMPTS}
DIGITS = 6
FATAL = {"weights", "unit length"}  # findings of the self-test after which a figure means nothing at all


def _pairs(folder: str, part: str | None) -> DataSet:
    if part:
        raise DataSetError(f"A folder of pairs has no part {part!r}: leave '@{part}' out.")
    return load_pairs(folder)


LOADERS: dict[str, Callable[[str, str | None], DataSet]] = {
    "musiccaps": load_musiccaps,
    "gtzan": load_gtzan,
    "magnatagatune": load_magnatagatune,
    "pairs": _pairs,
    "classes": load_classes,
}


def load_data_set(spec: str) -> DataSet:
    """What SET:DIR or SET:DIR@PART names: a split of MusicCaps, a list of GTZAN's files, a tag set of MagnaTagATune.

    Raises:
        DataSetError: it is not of this form, or the data set cannot be used.
    """
    name, _, folder = spec.partition(":")
    if name not in LOADERS or not folder:
        raise DataSetError(f"{spec!r} is not a data set: write one of {', '.join(f'{name}:DIR' for name in LOADERS)}.")
    part = None
    if "@" in folder and not expanded(folder).is_dir():
        folder, _, part = folder.rpartition("@")
    return LOADERS[name](folder, part)


def evaluate(
    embedder,
    spec: str,
    prompts: Sequence[str] | None = None,
    ensemble: bool = False,
    progress: Progress | None = None,
    say: Callable[[str], None] = lambda _: None,
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> dict:
    """Measure an embedder (see `kobza.embedding.embedder`) on a data set, after a self-test of the embedder.

    Args:
        spec: see `load_data_set`.
        prompts: with a gap for the label; by default the thesis's. ensemble: also the mean of their embeddings.
        progress: is called with (recordings done, of how many, the last path). say: is told what is odd.

    Returns:
        The receipt: figures and all that they depend on. The same run gives the same receipt.

    Raises:
        ValueError: the data set, the prompts or the model cannot be used; a sentence says which and why.
    """
    data = load_data_set(spec)
    prompts = _prompts_for(data, prompts, ensemble)
    if data.name == "magnatagatune":
        areas_under_curves()  # should it be missing, that is better known before hours of embedding
    odd = self_test(embedder, say)
    paths = list(dict.fromkeys(recording.path for recording in data.recordings))
    vectors, reasons = embed_recordings(embedder, paths, progress)
    unusable = {paths[i]: reason for i, reason in reasons.items()}
    bad = [(r.id, unusable[r.path].replace(printable(r.path), r.id)) for r in data.recordings if r.path in unusable]
    good = tuple(recording for recording in data.recordings if recording.path not in unusable)
    data = replace(data, recordings=good, skipped=(*data.skipped, *bad))
    keep = [i for i in range(len(paths)) if i not in reasons]
    if len(keep) < 2:
        raise DataSetError(f"{len(keep)} of {data.of} recordings of {spec} can be used{_first(data)}: two are needed.")
    audio, place = vectors[keep], {paths[i]: k for k, i in enumerate(keep)}
    where = np.array([place[recording.path] for recording in good])
    figures, details = _measure(embedder, data, audio, where, prompts, ensemble, resamples, seed)
    return _rounded(
        {
            "dataset": data.name,
            "split": data.split,
            "folder": os.path.basename(os.path.abspath(data.folder)),
            "data_hash": data_hash(data),
            "used": len(good),
            "of": data.of,
            "skipped": [{"file": printable(file), "reason": reason} for file, reason in data.skipped],
            "model": base_name(embedder.name),
            "fingerprint": embedder.fingerprint,
            "self_test": odd,
            "windows": {"seconds": embedder.window_seconds, "min_seconds": embedder.min_window_seconds},
            "prompts": prompts,
            "seed": seed,
            "bootstrap": resamples,
            "versions": versions(),
            "figures": figures,
            "details": details,
        }
    )


def self_test(embedder, say: Callable[[str], None] = lambda _: None) -> list[str]:
    """`kobza doctor`'s checks: the sentences of those that went wrong, which are said and stand in the receipt.

    A model that is merely bad, such as one with random weights, is measured; one whose vectors are none is refused.
    """
    from kobza.evaluation.sanity_checks import check

    odd = [finding for finding in check(embedder) if not finding.ok]
    fatal = [finding.sentence for finding in odd if finding.name in FATAL]
    if fatal:
        raise ValueError(f"{embedder.name} fails the self-test, so figures of it would mean nothing. {' '.join(fatal)}")
    for finding in odd:
        say(f"self-test: {finding.sentence}")
    return [finding.sentence for finding in odd]


def _prompts_for(data: DataSet, prompts: Sequence[str] | None, ensemble: bool) -> list[str]:
    if data.name not in PROMPTS:
        if prompts or ensemble:
            raise ValueError(f"Prompts are for sets with labels or tags; {data.name} has captions: leave them out.")
        return []
    prompts = read_prompts(prompts or PROMPTS[data.name])
    if ensemble and len(prompts) < 2:
        raise ValueError("An ensemble takes two prompts or more: give --prompt again.")
    return prompts


def _measure(embedder, data: DataSet, audio, where, prompts, ensemble, resamples, seed) -> tuple[list[dict], dict]:
    """audio: (different recordings, dim); where: (rows,), the place of each row's recording in it."""
    if data.name not in PROMPTS:
        text = embedder.embed_text([recording.caption for recording in data.recordings])
        figures, ranks = retrieval_figures(text, audio, where, resamples, seed)
        return [_figure("retrieval", figure) for figure in figures], {"ranks": ranks}
    text, labels = label_vectors(embedder, prompts, data.vocabulary, ensemble), list(data.vocabulary)
    audio = audio[where]
    if data.name == "magnatagatune":
        right = np.array([[tag in recording.tags for tag in labels] for recording in data.recordings])
        left_out = [tag for tag, n in zip(labels, right.sum(axis=0), strict=True) if n in (0, len(right))]
        if len(left_out) == len(labels):
            raise DataSetError(
                "No tag parts the recordings that can be used: there must be some with it, some without."
            )
        figures, areas = tag_figures(audio, text, right, resamples, seed)
        details = {"tags": labels, "left_out": left_out, "auc": areas}
    else:
        true = np.array([labels.index(recording.label) for recording in data.recordings])
        figures, tables = class_figures(audio, text, true, resamples, seed)
        details = {"labels": labels, "confusion": tables}
    return [_figure("zero-shot", figure) for figure in figures], details


def _figure(task: str, figure: dict) -> dict:
    return {"task": task, "direction": None, "prompt": None, "gallery": None, "classes": None, **figure}


def _first(data: DataSet) -> str:
    return f" (first of the others: {data.skipped[0][0]}, {data.skipped[0][1]})" if data.skipped else ""


def data_hash(data: DataSet) -> str:
    """SHA-256 of what was measured: each recording's place and bytes and what is said of it, and the labels or tags."""
    digest, of_file = hashlib.sha256(json.dumps(data.vocabulary).encode()), {}
    for recording in data.recordings:
        if recording.path not in of_file:
            with recording.path.open("rb") as file:
                of_file[recording.path] = hashlib.file_digest(file, "sha256").hexdigest()
        said = [recording.id, of_file[recording.path], recording.caption, recording.label, recording.tags]
        digest.update(json.dumps(said).encode())
    return digest.hexdigest()


def base_name(model: str) -> str:
    """A folder's or a file's last name; an id on the Hub as it is."""
    path = expanded(model)
    return os.path.basename(os.path.abspath(path)) if path.exists() or path.is_absolute() else model


def versions() -> dict[str, str]:
    """Of what decides the figures."""
    import av
    import torch
    import transformers

    from kobza import __version__

    return {"kobza": __version__} | {m.__name__: str(m.__version__) for m in (torch, transformers, av, np)}


def _rounded(value):
    """Floats to six digits, so that the last bits of a machine's arithmetic are not in a receipt; NaN to null."""
    if isinstance(value, float):
        return round(value, DIGITS) if math.isfinite(value) else None
    if isinstance(value, dict):
        return {key: _rounded(inner) for key, inner in value.items()}
    return [_rounded(inner) for inner in value] if isinstance(value, (list, tuple)) else value


def write_receipt(receipt: dict, path: str | Path) -> None:
    """The whole file or none of it: UTF-8 JSON, the same bytes for the same receipt."""
    atomic_write(path, json.dumps(receipt, indent=1, ensure_ascii=False) + "\n")
