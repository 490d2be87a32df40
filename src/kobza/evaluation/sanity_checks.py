"""Sanity checks of an embedder (`kobza doctor`): a few seconds of sentences and synthetic sounds.

Each check looks for a fault that published checkpoints have had: a tower that maps everything to one vector; results
that change in a batch, in half precision or at another sampling rate; weights that are not finite. The checks do not
say how good a checkpoint is: one that passes may still know nothing about music.
"""

from pathlib import Path
from typing import Any

import numpy as np

from kobza.embedding.embedder import Embedder
from kobza.embedding.loader import load_torch_embedder
from kobza.evaluation.check_result import MAX_BATCH_DIFFERENCE, CheckResult, unit
from kobza.evaluation.probe_inputs import SENTENCES, synthetic_sounds
from kobza.extras import require

# A tower whose mean cosine between very different inputs is above this is called collapsed. Trained towers are far
# below (sentences: kobza-mini 0.1, clap-htsat-unfused 0.2, larger_clap_general 0.3; sounds: kobza-mini 0.5); the broken
# laion/larger_clap_music is at 0.999 (github.com/embeddings-benchmark/mteb/issues/5069).
MAX_MEAN_COSINE = 0.95
MAX_LENGTH_ERROR = 1e-3  # of a unit vector


def run_checks(embedder: Embedder) -> list[CheckResult]:
    """Check any embedder.

    Checks that need its model or feature extractor are left out where it has none. If weights are not finite, that
    check is the only one: the others would mean nothing.
    """
    model: Any = getattr(embedder, "model", None)
    has_module = hasattr(model, "state_dict")  # a torch.nn.Module, known without importing torch
    results = []
    if has_module:
        from kobza.evaluation.module_checks import check_weights

        results.append(check_weights(model))
        if not results[0].passed:
            return results
    sounds = synthetic_sounds(embedder.sampling_rate)
    text = embedder.embed_text(list(SENTENCES))
    audio = embedder.embed_windows(sounds)
    results += [
        _check_unit_length(np.concatenate([text, audio])),
        _check_collapse("text tower", "sentences about music", text),
        _check_collapse("audio tower", "sounds", audio),
        _check_batch(embedder, sounds, text, audio),
    ]
    if has_module:
        from kobza.evaluation.module_checks import check_half_precision, check_sampling_rate

        results.append(check_half_precision(embedder, model, sounds, text, audio))
        extractor = getattr(getattr(embedder, "processor", None), "feature_extractor", None)
        if extractor is not None:
            results.append(check_sampling_rate(embedder, model, extractor))
    return results


def check_checkpoint(
    name_or_path: str | Path | None = None, device: str | None = None
) -> tuple[str, list[CheckResult]]:
    """Run the checks on a model at a path or on the Hub; arguments and errors are those of `load_torch_embedder`.

    Returns:
        (the model's name, the results)
    """
    require("torch", "kobza doctor", "torch")
    embedder = load_torch_embedder(name_or_path, device)  # whose weights can be looked at
    return embedder.name, run_checks(embedder)


def as_table(results: list[CheckResult]):
    """A `rich.table.Table` with one row per check."""
    from rich.table import Table

    table = Table(box=None, pad_edge=False)
    table.add_column("check", overflow="fold")
    table.add_column("", overflow="fold")
    table.add_column("value", justify="right", overflow="fold")
    table.add_column("", overflow="fold")
    for result in results:
        value = "" if result.value is None else f"{result.value:.3g}"
        table.add_row(result.name, "ok" if result.passed else "FAILED", value, result.message)
    return table


def _check_unit_length(vectors: np.ndarray) -> CheckResult:
    error = float(np.abs(np.linalg.norm(vectors, axis=1) - 1.0).max())
    passed = error < MAX_LENGTH_ERROR
    if passed:
        message = "All vectors have length 1."
    else:
        message = "Vectors do not have length 1, so their dot products are not cosines."
    return CheckResult("unit length", passed, error, message)


def _check_collapse(name: str, inputs: str, vectors: np.ndarray) -> CheckResult:
    cosines = unit(vectors) @ unit(vectors).T
    mean = float(cosines[~np.eye(len(vectors), dtype=bool)].mean())
    passed = mean < MAX_MEAN_COSINE
    verdict = "it tells them apart." if passed else "it is collapsed, so search results would be random."
    message = f"{len(vectors)} very different {inputs} have a mean cosine of {mean:.3f}: {verdict}"
    return CheckResult(name, passed, mean, message)


def _check_batch(embedder: Embedder, sounds: list[np.ndarray], text: np.ndarray, audio: np.ndarray) -> CheckResult:
    differences = [embedder.embed_text([SENTENCES[i]])[0] - text[i] for i in (0, 1, 20, 39)]
    differences += [embedder.embed_windows([sounds[i]])[0] - audio[i] for i in (1, 4, 5)]
    largest = float(np.abs(differences).max())
    passed = largest < MAX_BATCH_DIFFERENCE
    verdict = "the same." if passed else "not the same, so a vector depends on what else is in its batch."
    message = f"Embedded alone and in a batch, the same input gives vectors {largest:.1e} apart: {verdict}"
    return CheckResult("batch", passed, largest, message)
