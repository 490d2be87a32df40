"""Every moment as another recording: faster or slower, over something else, filtered, in a room, noisy, overdriven.

Whole batches at once, on the device of the sound; the filters, the room and the two sampling rates share one Fourier
transform. All randomness comes from the generator that is passed in, which lives on the same device.
"""

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from kobza.distill.teachers.efficientat import TEACHER_RATE

FASTEST = 1.4  # how much more sound than a window a changed speed may need
ROOM_SECONDS = 1.2
EQUALISER_POINTS = 10


class Changed(NamedTuple):
    """The same sound for both: `teacher` (n, samples) at 32 kHz, `student` (n, samples / 2) at 16 kHz."""

    teacher: Tensor
    student: Tensor


class _Chance:
    """Draws of a batch of n, one a row."""

    def __init__(self, n: int, rng: torch.Generator):
        self.n, self.rng = n, rng

    def uniform(self, low: float, high: float) -> Tensor:
        return low + (high - low) * torch.rand(self.n, 1, generator=self.rng, device=self.rng.device)

    def decibels(self, low: float, high: float) -> Tensor:
        return 10 ** (self.uniform(low, high) / 20)

    def happens(self, probability: float) -> Tensor:
        return self.uniform(0, 1) < probability

    def noise(self, samples: int) -> Tensor:
        return torch.randn(self.n, samples, generator=self.rng, device=self.rng.device)


def change(sound: Tensor, rng: torch.Generator) -> Changed:
    """(n, FASTEST * samples) at 32 kHz in [-1, 1] -> `Changed`, of windows of `samples`."""
    size = round(sound.shape[1] / FASTEST)
    chance = _Chance(len(sound), rng)
    factor = torch.where(chance.happens(0.5), chance.uniform(1 / FASTEST, FASTEST), 1.0)
    wave = change_speed(sound, factor, size)
    wave = mix(wave, torch.where(chance.happens(0.35), chance.decibels(-10, 3), 0.0))
    level = wave.square().mean(1, keepdim=True).sqrt().clamp_min(1e-4)
    driven = torch.tanh(wave / level * chance.uniform(0.3, 1.5)) * 0.5
    wave = torch.where(chance.happens(0.12), driven, wave)
    hiss = torch.where(chance.happens(0.3), chance.decibels(-40, -12), 0.0)
    wave = wave + chance.noise(size) * level * hiss
    response = equaliser(size, chance) * room(size, chance)
    return at_both_rates(torch.fft.rfft(wave) * response, chance.decibels(-12, 6))


def unchanged(wave: Tensor) -> Changed:
    """Windows as they are, (n, samples) at 32 kHz."""
    return at_both_rates(torch.fft.rfft(wave), torch.ones(len(wave), 1, device=wave.device))


def at_both_rates(spectrum: Tensor, gain: Tensor) -> Changed:
    """Back from the spectrum of n samples at 32 kHz, n divisible by 4; its lower half is the same sound at 16 kHz."""
    size = 2 * (spectrum.shape[1] - 1)
    full = torch.fft.irfft(spectrum, size) * gain
    half = torch.fft.irfft(spectrum[:, : size // 4 + 1], size // 2) * gain / 2
    return Changed(full.clamp(-1, 1), half.clamp(-1, 1))


def change_speed(sound: Tensor, factor: Tensor, size: int) -> Tensor:
    """Pitch and tempo by `factor` (n, 1), as a turntable does: (n, at least factor * size) -> (n, size)."""
    place = torch.arange(size, device=sound.device) * factor
    before = place.long().clamp_max(sound.shape[1] - 2)
    share = place - before
    return torch.lerp(sound.gather(1, before), sound.gather(1, before + 1), share)


def mix(wave: Tensor, loudness: Tensor) -> Tensor:
    """Each window of (n, samples) with its neighbour over it, `loudness` (n, 1) times as loud; 0 leaves it alone."""
    level = wave.square().mean(1, keepdim=True).sqrt()
    ratio = (level / level.roll(1, 0).clamp_min(1e-3)).clamp(0.1, 10.0)
    mixed = wave + wave.roll(1, 0) * loudness * ratio
    return mixed / mixed.abs().amax(1, keepdim=True).clamp_min(1.0)


def equaliser(size: int, chance: _Chance) -> Tensor:
    """Frequency responses (n, size // 2 + 1): a smooth curve, and for some a lowest or a highest frequency.

    Three in ten end at 8 kHz, as all that the student hears: the teacher should judge such recordings, too.
    """
    hertz = torch.arange(size // 2 + 1, device=chance.rng.device) * (TEACHER_RATE / size)
    points = torch.where(chance.happens(0.5), chance.noise(EQUALISER_POINTS), 0.0) * 5  # dB, evenly in log frequency
    place = (EQUALISER_POINTS - 1) * torch.log1p(hertz / 100) / torch.log1p(hertz[-1] / 100)
    before = place.long().clamp_max(EQUALISER_POINTS - 2)
    curve = torch.lerp(points[:, before], points[:, before + 1], place - before)
    kind = chance.uniform(0, 1)
    highest = torch.where(kind < 0.15, chance.uniform(2500, 6500), torch.where(kind < 0.45, 8000.0, TEACHER_RATE))
    lowest = torch.where(chance.happens(0.15), chance.uniform(80, 400), 1.0)
    return 10 ** (curve / 20) * torch.sigmoid(40 * (1 - hertz / highest)) * torch.sigmoid(20 * (hertz / lowest - 1))


def room(size: int, chance: _Chance) -> Tensor:
    """Responses (n, size // 2 + 1) of rooms in three of ten rows, exponentially decaying noise; else 1."""
    length = min(round(ROOM_SECONDS * TEACHER_RATE), size)
    moment = torch.arange(length, device=chance.rng.device) / TEACHER_RATE
    echo = chance.noise(length) * torch.exp(-6.9 * moment / chance.uniform(0.2, ROOM_SECONDS))
    loud = torch.where(chance.happens(0.3), chance.uniform(0.1, 0.6), 0.0)
    echo = echo * loud / echo.norm(dim=1, keepdim=True)
    return 1 + torch.fft.rfft(F.pad(echo, (0, size - length)))
