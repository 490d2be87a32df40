"""Degraded and mixed versions of training audio, so that the student hears more than clean recordings.

Windows are float32 and keep their shape; all randomness comes from the generator that is passed in.
"""

import math

import torch
import torchaudio.functional as AF
from torch import Tensor


def _uniform(rng: torch.Generator, low: float, high: float) -> float:
    return low + (high - low) * torch.rand((), generator=rng).item()


def _decibels(value: float) -> float:
    return 10 ** (value / 20)


def change_speed(window: Tensor, factor: float) -> Tensor:
    """Pitch and tempo by `factor`, as a turntable does, repeated or cut to the old length. (samples,) -> same."""
    changed = AF.resample(window[None], round(100 * factor), 100)[0]  # faster leaves fewer samples
    repeats = math.ceil(len(window) / len(changed))
    return changed.repeat(repeats)[: len(window)]


def _filter(window: Tensor, rate: int, rng: torch.Generator) -> Tensor:
    kind = int(_uniform(rng, 0, 4))
    if kind == 0:  # a telephone, an old radio
        return AF.lowpass_biquad(AF.highpass_biquad(window, rate, 300.0), rate, _uniform(rng, 2500, 5000))
    if kind == 1:
        return AF.lowpass_biquad(window, rate, _uniform(rng, 3000, 9000))
    if kind == 2:
        return AF.highpass_biquad(window, rate, _uniform(rng, 80, 300))
    return AF.equalizer_biquad(window, rate, _uniform(rng, 200, 6000), _uniform(rng, -12, 12), 0.7)


def _room(window: Tensor, rate: int, rng: torch.Generator) -> Tensor:
    """Exponentially decaying noise as the impulse response of a room."""
    length = int(rate * _uniform(rng, 0.2, 1.2))
    decay = torch.exp(-6.9 * torch.arange(length) / length)
    echo = torch.randn(length, generator=rng) * decay
    echo *= _uniform(rng, 0.1, 0.5) / echo.norm()
    echo[0] += 1.0
    return AF.fftconvolve(window, echo)[: len(window)]


def degrade(window: Tensor, rate: int, rng: torch.Generator) -> Tensor:
    """One window, (samples,), as a worse recording: filtered, in a room, noisy, overdriven, quiet, or several."""
    if _uniform(rng, 0, 1) < 0.5:
        window = _filter(window, rate, rng)
    if _uniform(rng, 0, 1) < 0.3:
        window = _room(window, rate, rng)
    level = window.square().mean().sqrt().clamp_min(1e-4)
    if _uniform(rng, 0, 1) < 0.3:  # tape hiss
        noise = torch.randn(window.shape, generator=rng) * level * _decibels(_uniform(rng, -40, -12))
        window = window + noise
    if _uniform(rng, 0, 1) < 0.15:
        window = torch.tanh(window / level * _uniform(rng, 0.3, 1.5)) * 0.5
    return (window * _decibels(_uniform(rng, -12, 6))).clamp(-1, 1)


def variants(windows: Tensor, rate: int, rng: torch.Generator) -> Tensor:
    """Each window of (n, samples) changed at random: another speed, mixed with another window, degraded."""
    out = []
    for window in windows:
        if _uniform(rng, 0, 1) < 0.6:
            window = change_speed(window, _uniform(rng, 0.7, 1.4))
        if _uniform(rng, 0, 1) < 0.35:
            other = windows[int(_uniform(rng, 0, len(windows)))]
            window = window + other * _decibels(_uniform(rng, -10, 3))
            window = window / window.abs().max().clamp_min(1.0)
        out.append(degrade(window, rate, rng))
    return torch.stack(out)
