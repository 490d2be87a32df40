"""Sanity checks of an embedder (`kobza doctor`): a few seconds of sentences and synthetic sounds.

Each check looks for a fault that published checkpoints have had: a tower that maps everything to one vector; results
that change in a batch, in half precision or at another sampling rate; weights that are not finite. The checks do not
say how good a checkpoint is: one that passes may still know nothing about music.
"""

import copy
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from kobza.embedding.embedder import Embedder
from kobza.embedding.loader import load_embedder
from kobza.evaluation.probe_inputs import SENTENCES, melody, synthetic_sounds

# A tower whose mean cosine between very different inputs is above this is called collapsed. Trained towers are far
# below (sentences: kobza-mini 0.1, clap-htsat-unfused 0.2, larger_clap_general 0.3; sounds: kobza-mini 0.5); the broken
# laion/larger_clap_music is at 0.999 (github.com/embeddings-benchmark/mteb/issues/5069).
MAX_MEAN_COSINE = 0.95
MAX_BATCH_DIFFERENCE = 1e-4  # of a coordinate, batched against single: float32 sums in another order
MIN_RESAMPLED_COSINE = 0.95  # between a sound and the same sound given at another rate
MIN_HALF_PRECISION_COSINE = 0.99  # between full and half precision; 0.999 is usual
MAX_LENGTH_ERROR = 1e-3  # of a unit vector


@dataclass(frozen=True)
class CheckResult:
    """The outcome of one check.

    Attributes:
        value: the number that decided; None where there is nothing to measure.
        message: a sentence for the user.
    """

    name: str
    passed: bool
    value: float | None
    message: str


def run_checks(embedder: Embedder) -> list[CheckResult]:
    """Check any embedder.

    Checks that need its model or feature extractor are left out where it has none. If weights are not finite, that
    check is the only one: the others would mean nothing.
    """
    model = getattr(embedder, "model", None)
    results = []
    if isinstance(model, torch.nn.Module):
        results.append(_check_weights(model))
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
    if isinstance(model, torch.nn.Module):
        results.append(_check_half_precision(embedder, model, sounds, text, audio))
        extractor = getattr(getattr(embedder, "processor", None), "feature_extractor", None)
        if extractor is not None:
            results.append(_check_sampling_rate(embedder, model, extractor))
    return results


def check_checkpoint(
    name_or_path: str | Path | None = None, device: str | None = None
) -> tuple[str, list[CheckResult]]:
    """Run the checks on a model at a path or on the Hub; arguments and errors are those of `load_embedder`.

    Returns:
        (the model's name, the results)
    """
    embedder = load_embedder(name_or_path, device)
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


def _unit(vectors: np.ndarray) -> np.ndarray:
    return vectors / np.maximum(np.linalg.norm(vectors, axis=-1, keepdims=True), 1e-12)


def _check_weights(model: torch.nn.Module) -> CheckResult:
    weights = model.state_dict().items()
    bad = [name for name, value in weights if value.is_floating_point() and not torch.isfinite(value).all()]
    if bad:
        message = f"{len(bad)} weights contain NaN or infinity, such as {bad[0]}: fetch or train the model again."
    else:
        message = "All weights are finite."
    return CheckResult("weights", not bad, float(len(bad)), message)


def _check_unit_length(vectors: np.ndarray) -> CheckResult:
    error = float(np.abs(np.linalg.norm(vectors, axis=1) - 1.0).max())
    passed = error < MAX_LENGTH_ERROR
    if passed:
        message = "All vectors have length 1."
    else:
        message = "Vectors do not have length 1, so their dot products are not cosines."
    return CheckResult("unit length", passed, error, message)


def _check_collapse(name: str, inputs: str, vectors: np.ndarray) -> CheckResult:
    cosines = _unit(vectors) @ _unit(vectors).T
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


def _check_half_precision(
    embedder: Embedder, model: torch.nn.Module, sounds: list[np.ndarray], text: np.ndarray, audio: np.ndarray
) -> CheckResult:
    """Compare float32 with weights rounded to fp16, as checkpoints are stored, and with all computation in bf16."""
    sentence_indices = [0, 1, 20, 39]
    sound_indices = [4, 5, 6]
    lowest: dict[str, float] = {}
    for kind, dtype in (("weights in fp16", torch.float16), ("computing in bf16", torch.bfloat16)):
        half: Any = copy.copy(embedder)  # with the attribute `model`, which not every Embedder has
        half.model = copy.deepcopy(model).to(dtype)
        if dtype == torch.float16:
            half.model = half.model.float()
        half_text = half.embed_text([SENTENCES[i] for i in sentence_indices])
        half_audio = half.embed_windows([sounds[i] for i in sound_indices])
        pairs = [
            *zip(half_text, text[sentence_indices], strict=True),
            *zip(half_audio, audio[sound_indices], strict=True),
        ]
        lowest[kind] = min(float(_unit(a) @ _unit(b)) if np.isfinite(a).all() else -1.0 for a, b in pairs)
    worst = min(lowest, key=lambda kind: lowest[kind])
    passed = lowest[worst] > MIN_HALF_PRECISION_COSINE
    verdict = (
        "the same." if passed else "not the same: use the model in float32, and do not publish it in fp16 or bf16."
    )
    message = (
        f"In half precision ({worst}) the worst vector has a cosine of {lowest[worst]:.4f} with float32's: {verdict}"
    )
    return CheckResult("half precision", passed, lowest[worst], message)


@torch.inference_mode()
def _check_sampling_rate(embedder: Embedder, model: Any, extractor: Any) -> CheckResult:
    """Give the melody at 1.5 times the rate: it must be refused or resampled, not taken for a slower, deeper one."""
    rate = embedder.sampling_rate
    other_rate = rate * 3 // 2
    # The second as it would sound if its rate were ignored.
    expected, slowed = embedder.embed_windows([melody(rate), melody(other_rate)])
    try:
        features = extractor(melody(other_rate), sampling_rate=other_rate, return_tensors="pt")
    except ValueError:
        message = f"Audio at {other_rate} Hz is refused: it must be resampled to {rate} Hz."
        return CheckResult("sampling rate", True, None, message)
    output = model.get_audio_features(**features.to(model.device)).pooler_output
    found = _unit(output[0].float().cpu().numpy())
    cosine = float(found @ _unit(expected))
    passed = cosine > MIN_RESAMPLED_COSINE and float(found @ _unit(slowed)) < cosine + MAX_BATCH_DIFFERENCE
    verdict = "it is resampled." if passed else "its rate is ignored, so its vector is wrong."
    message = f"Audio at {other_rate} Hz has a cosine of {cosine:.3f} with the same audio at {rate} Hz: {verdict}"
    return CheckResult("sampling rate", passed, cosine, message)
