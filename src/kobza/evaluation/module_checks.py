"""The sanity checks that look into a model in PyTorch: its weights, half precision, its feature extractor."""

import copy
from typing import Any

import numpy as np
import torch

from kobza.embedding.embedder import Embedder
from kobza.evaluation.check_result import MAX_BATCH_DIFFERENCE, CheckResult, unit
from kobza.evaluation.probe_inputs import SENTENCES, melody

MIN_RESAMPLED_COSINE = 0.95  # between a sound and the same sound given at another rate
MIN_HALF_PRECISION_COSINE = 0.99  # between full and half precision; 0.999 is usual


def check_weights(model: torch.nn.Module) -> CheckResult:
    weights = model.state_dict().items()
    bad = [name for name, value in weights if value.is_floating_point() and not torch.isfinite(value).all()]
    if bad:
        message = f"{len(bad)} weights contain NaN or infinity, such as {bad[0]}: fetch or train the model again."
    else:
        message = "All weights are finite."
    return CheckResult("weights", not bad, float(len(bad)), message)


def check_half_precision(
    embedder: Embedder, model: torch.nn.Module, sounds: list[np.ndarray], text: np.ndarray, audio: np.ndarray
) -> CheckResult:
    """Compare float32 with weights rounded to fp16, as checkpoints are stored, and with all computation in bf16."""
    sentence_indices = [0, 1, 20, 39]
    sound_indices = [4, 5, 6]
    lowest: dict[str, float] = {}
    not_run = ""
    for kind, dtype in (("weights in fp16", torch.float16), ("computing in bf16", torch.bfloat16)):
        half: Any = copy.copy(embedder)  # with the attribute `model`, which not every Embedder has
        half.model = copy.deepcopy(model).to(dtype)
        if dtype == torch.float16:
            half.model = half.model.float()
        try:
            half_text = half.embed_text([SENTENCES[i] for i in sentence_indices])
            half_audio = half.embed_windows([sounds[i] for i in sound_indices])
        except (RuntimeError, TypeError):  # an embedder that gives its model float32, or makes NumPy's arrays of bf16
            if dtype == torch.float16:  # whose weights are float32 again
                raise
            not_run = f" {kind.capitalize()} is not possible."
            continue
        pairs = [
            *zip(half_text, text[sentence_indices], strict=True),
            *zip(half_audio, audio[sound_indices], strict=True),
        ]
        lowest[kind] = min(float(unit(a) @ unit(b)) if np.isfinite(a).all() else -1.0 for a, b in pairs)
    worst = min(lowest, key=lambda kind: lowest[kind])
    passed = lowest[worst] > MIN_HALF_PRECISION_COSINE
    verdict = (
        "the same." if passed else "not the same: use the model in float32, and do not publish it in fp16 or bf16."
    )
    message = (
        f"In half precision ({worst}) the worst vector has a cosine of {lowest[worst]:.4f} with float32's: {verdict}"
        + not_run
    )
    return CheckResult("half precision", passed, lowest[worst], message)


@torch.inference_mode()
def check_sampling_rate(embedder: Embedder, model: Any, extractor: Any) -> CheckResult:
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
    found = unit(output[0].float().cpu().numpy())
    cosine = float(found @ unit(expected))
    passed = cosine > MIN_RESAMPLED_COSINE and float(found @ unit(slowed)) < cosine + MAX_BATCH_DIFFERENCE
    verdict = "it is resampled." if passed else "its rate is ignored, so its vector is wrong."
    message = f"Audio at {other_rate} Hz has a cosine of {cosine:.3f} with the same audio at {rate} Hz: {verdict}"
    return CheckResult("sampling rate", passed, cosine, message)
