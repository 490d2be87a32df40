"""Evaluate an embedder on a data set: embed every recording once, then compute every metric with its interval.

"gtzan:DIR" --loader--> recordings --embedder--> vectors --retrieval or zero-shot--> metrics --> result (JSON)

The result is a dictionary that also names everything the metrics depend on: model, data, prompts, versions.
"""

import math
import os
import sys
from collections.abc import Callable, Sequence
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path

import numpy as np

from kobza.audio import printable
from kobza.data.recordings import DataSet, DataSetError
from kobza.data.sets import divide_labelled
from kobza.embedding.embedder import Embedder, embed_recordings
from kobza.embedding.training_record import identity_of
from kobza.evaluation.data_sets import data_hash, load_data_set
from kobza.evaluation.intervals import METHOD
from kobza.evaluation.metrics import auc_functions
from kobza.evaluation.overlap import check_overlap, copies_in_splits, find_overlap, recordings_trained_on
from kobza.evaluation.tasks import compute_metrics, measure_probes
from kobza.evaluation.zero_shot import GENRE_PROMPTS, TAG_PROMPTS, parse_prompts
from kobza.folders import expanded

# The thesis's prompts, for data sets with labels or tags; the others have captions.
DEFAULT_PROMPTS = {"classification": GENRE_PROMPTS, "tagging": TAG_PROMPTS}
LIBRARIES = ("torch", "transformers", "muq", "onnxruntime", "av", "numpy")  # of models, decoding and the metrics
DECIMALS = 6  # of floats in a result
FATAL_CHECKS = {"weights", "unit length"}  # where these sanity checks fail, no metric means anything


def evaluate(
    embedder: Embedder,
    spec: str,
    prompts: Sequence[str] | None = None,
    ensemble: bool = False,
    progress: Callable[[int, int, Path], None] | None = None,
    say: Callable[[str], None] = lambda _: None,
    seed: int = 0,
    checkpoint: str | Path | None = None,
    probe: bool = False,
    shots: Sequence[int] = (),
    allow_overlap: bool = False,
) -> dict:
    """Evaluate an embedder on a data set, after checking the embedder.

    Args:
        spec: see `load_data_set`.
        prompts: templates with a placeholder for the label; the thesis's by default.
        ensemble: also evaluate the mean of the prompts' embeddings.
        progress: called with (recordings done, recordings in all, the last path).
        say: called with the message of each failed sanity check.
        checkpoint: the folder or Hub id that the embedder was loaded from, by default its name.
        probe: train classifiers on the embeddings of a set's training split instead (see `probes.py`).
        shots: with `probe`: also with only so many recordings of each class.
        allow_overlap: also evaluate on recordings that it was trained on; the result carries their number either way.

    Returns:
        The result: the metrics and all that they depend on. The same call gives the same result.

    Raises:
        ValueError: the data set, the prompts or the model cannot be used, or the model was trained on some of the
            recordings; the message says which and why.
    """
    if probe and (prompts or ensemble):
        raise ValueError("A probe takes no prompts: leave --prompt and --ensemble out, or --probe.")
    splits = divide_labelled(spec) if probe else {}
    data = splits["test"] if probe else load_data_set(spec)
    prompts = [] if probe else _prompts_for(data, prompts, ensemble)
    if data.task == "tagging" or probe:
        auc_functions()  # if scikit-learn is missing, fail before hours of embedding
    checkpoint = checkpoint or embedder.name
    overlap = find_overlap(recordings_trained_on(checkpoint, embedder.fingerprint), data)
    check_overlap(base_name(embedder.name), spec, overlap, allow_overlap, say)
    copies = copies_in_splits(splits) if probe else {}
    for name, count in copies.items():
        if count:
            what = "recording of the test is" if count == 1 else "recordings of the test are"
            say(f"{count:,} {what} also in {name}, which the probe is trained on: the result says so")
    failures = check_embedder(embedder, say)
    paths = list(dict.fromkeys(recording.path for recording in data.recordings))
    vectors, reasons = embed_recordings(embedder, paths, progress)
    data = _without_unusable(data, {paths[i]: reason for i, reason in reasons.items()})
    kept = [i for i in range(len(paths)) if i not in reasons]
    if len(kept) < 2:
        raise DataSetError(
            f"{len(kept)} of {data.total} recordings of {spec} can be used{_first_skipped(data)}: two are needed."
        )
    vector_index = {paths[i]: k for k, i in enumerate(kept)}
    owner = np.array([vector_index[recording.path] for recording in data.recordings])
    if probe:
        splits["test"] = data
        entries, details = measure_probes(embedder, splits, vectors[kept][owner], shots, progress, seed)
        details["copies"] = copies
    else:
        entries, details = compute_metrics(embedder, data, vectors[kept], owner, prompts, ensemble, seed)
    return _rounded(
        {
            "dataset": data.name,
            "split": data.split,
            "folder": os.path.basename(os.path.abspath(data.folder)),
            "data_hash": data_hash(data),
            "used": len(data.recordings),
            "of": data.total,
            "skipped": [{"file": printable(file), "reason": reason} for file, reason in data.skipped],
            "model": base_name(embedder.name),
            "fingerprint": embedder.fingerprint,
            **identity_of(embedder, checkpoint),
            "overlap": overlap,
            "self_test": failures,
            "dim": embedder.dim,
            "windows": {
                "seconds": embedder.window_seconds,
                "min_seconds": embedder.min_window_seconds,
                "sampling_rate": embedder.sampling_rate,
            },
            "prompts": prompts,
            "seed": seed,
            "intervals": METHOD,
            "versions": versions(),
            "figures": entries,
            "details": details,
        }
    )


def check_embedder(embedder: Embedder, say: Callable[[str], None] = lambda _: None) -> list[str]:
    """Run the checks of `kobza doctor`; the messages of those that failed, each also given to `say`.

    A model that is merely bad, such as one with random weights, is evaluated all the same.

    Raises:
        ValueError: one of `FATAL_CHECKS` failed.
    """
    from kobza.evaluation.sanity_checks import run_checks

    failures = [result for result in run_checks(embedder) if not result.passed]
    fatal = [result.message for result in failures if result.name in FATAL_CHECKS]
    if fatal:
        raise ValueError(f"{embedder.name} fails the self-test, so its metrics would mean nothing. {' '.join(fatal)}")
    for result in failures:
        say(f"self-test: {result.message}")
    return [result.message for result in failures]


def _prompts_for(data: DataSet, prompts: Sequence[str] | None, ensemble: bool) -> list[str]:
    if data.task not in DEFAULT_PROMPTS:
        if prompts or ensemble:
            raise ValueError(f"Prompts are for sets with labels or tags; {data.name} has captions: leave them out.")
        return []
    parsed = parse_prompts(prompts or DEFAULT_PROMPTS[data.task])
    if ensemble and len(parsed) < 2:
        raise ValueError("An ensemble takes two prompts or more: give --prompt again.")
    return parsed


def _without_unusable(data: DataSet, reasons: dict[Path, str]) -> DataSet:
    """Move the recordings that have a reason to `skipped`, where files are named relative to the data set."""
    usable = tuple(recording for recording in data.recordings if recording.path not in reasons)
    unusable = [recording for recording in data.recordings if recording.path in reasons]
    skipped = [(r.id, reasons[r.path].replace(printable(r.path), r.id)) for r in unusable]
    return replace(data, recordings=usable, skipped=(*data.skipped, *skipped))


def _first_skipped(data: DataSet) -> str:
    if not data.skipped:
        return ""
    file, reason = data.skipped[0]
    return f" (first of the others: {file}, {reason})"


def base_name(model: str) -> str:
    """The last part of a local path; a Hub id stays as it is."""
    path = expanded(model)
    return os.path.basename(os.path.abspath(path)) if path.exists() or path.is_absolute() else model


def versions() -> dict[str, str]:
    """Versions of Kobza and of the libraries that the metrics depend on: those that are in use."""
    from kobza import __version__

    libraries = {name: sys.modules[name] for name in LIBRARIES if name in sys.modules}
    found = {name: getattr(library, "__version__", None) or version(name) for name, library in libraries.items()}
    return {"kobza": __version__} | {name: str(number) for name, number in found.items()}


def _rounded(value):
    """Round floats to `DECIMALS`, so that results do not show the last bits of a machine's arithmetic; NaN to None."""
    if isinstance(value, float):
        return round(value, DECIMALS) if math.isfinite(value) else None
    if isinstance(value, dict):
        return {key: _rounded(inner) for key, inner in value.items()}
    return [_rounded(inner) for inner in value] if isinstance(value, (list, tuple)) else value
