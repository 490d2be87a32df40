"""Changes the distillation's windows, so that the student hears every kind of file, at both models' sampling rates."""

from typing import NamedTuple

import torch
from torch import Tensor

from kobza.augmentation import BatchRandom, change_speed, distort, mix_neighbors, random_equalizer, random_reverb
from kobza.distill.teachers.efficientat import TEACHER_SAMPLING_RATE

MAX_SPEED = 1.4  # audio must be this many times as long as the windows, so that a window at full speed can be cut


class DualRateAudio(NamedTuple):
    """The same audio at both models' sampling rates."""

    teacher: Tensor  # (n, samples) at 32 kHz
    student: Tensor  # (n, samples / 2) at 16 kHz


def augment(audio: Tensor, rng: torch.Generator) -> DualRateAudio:
    """Augments each row: (n, MAX_SPEED * samples) at 32 kHz in [-1, 1] -> windows of `samples`."""
    size = round(audio.shape[1] / MAX_SPEED)
    random = BatchRandom(len(audio), rng)
    wave = change_speed(audio, random.speed(MAX_SPEED), size)
    wave = mix_neighbors(wave, torch.where(random.bernoulli(0.35), random.gain(-10, 3), 0.0))
    wave = distort(wave, random)
    response = random_equalizer(size, TEACHER_SAMPLING_RATE, random)
    response = response * random_reverb(size, TEACHER_SAMPLING_RATE, random)
    return to_both_rates(torch.fft.rfft(wave) * response, random.gain(-12, 6))


def without_augmentation(wave: Tensor) -> DualRateAudio:
    """Windows as they are, (n, samples) at 32 kHz."""
    return to_both_rates(torch.fft.rfft(wave), torch.ones(len(wave), 1, device=wave.device))


def to_both_rates(spectrum: Tensor, gain: Tensor) -> DualRateAudio:
    """Inverse transform of n samples at 32 kHz, n divisible by 4; the lower half of the spectrum gives 16 kHz."""
    size = 2 * (spectrum.shape[1] - 1)
    full = torch.fft.irfft(spectrum, size) * gain
    half = torch.fft.irfft(spectrum[:, : size // 4 + 1], size // 2) * gain / 2
    return DualRateAudio(full.clamp(-1, 1), half.clamp(-1, 1))
