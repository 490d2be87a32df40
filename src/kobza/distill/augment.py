"""Waveform augmentation: speed, mixing, overdrive, noise, equaliser and reverberation.

Whole batches are processed at once, on the device of the audio; the filters, the reverberation and the two sampling
rates share one Fourier transform. All randomness comes from the generator that is passed in, which must be on the same
device.
"""

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from kobza.distill.teachers.efficientat import TEACHER_SAMPLING_RATE

MAX_SPEED = 1.4  # audio must be this many times as long as the windows, so that a window at full speed can be cut
MAX_REVERB_SECONDS = 1.2
EQUALIZER_POINTS = 10


class DualRateAudio(NamedTuple):
    """The same audio at both models' sampling rates."""

    teacher: Tensor  # (n, samples) at 32 kHz
    student: Tensor  # (n, samples / 2) at 16 kHz


class BatchRandom:
    """Random values for a batch of n, one row each."""

    def __init__(self, n: int, rng: torch.Generator):
        self.n = n
        self.rng = rng

    def uniform(self, low: float, high: float) -> Tensor:
        """(n, 1) in [low, high)."""
        return low + (high - low) * torch.rand(self.n, 1, generator=self.rng, device=self.rng.device)

    def gain(self, low_db: float, high_db: float) -> Tensor:
        """(n, 1) amplitude factors, uniform in dB."""
        return 10 ** (self.uniform(low_db, high_db) / 20)

    def bernoulli(self, probability: float) -> Tensor:
        """(n, 1), bool."""
        return self.uniform(0, 1) < probability

    def normal(self, samples: int) -> Tensor:
        """(n, samples) of standard normal noise."""
        return torch.randn(self.n, samples, generator=self.rng, device=self.rng.device)


def augment(audio: Tensor, rng: torch.Generator) -> DualRateAudio:
    """Augments each row: (n, MAX_SPEED * samples) at 32 kHz in [-1, 1] -> windows of `samples`."""
    size = round(audio.shape[1] / MAX_SPEED)
    random = BatchRandom(len(audio), rng)
    speed = torch.where(random.bernoulli(0.5), random.uniform(1 / MAX_SPEED, MAX_SPEED), 1.0)
    wave = change_speed(audio, speed, size)
    wave = mix_neighbors(wave, torch.where(random.bernoulli(0.35), random.gain(-10, 3), 0.0))
    level = wave.square().mean(1, keepdim=True).sqrt().clamp_min(1e-4)
    overdriven = torch.tanh(wave / level * random.uniform(0.3, 1.5)) * 0.5
    wave = torch.where(random.bernoulli(0.12), overdriven, wave)
    noise_gain = torch.where(random.bernoulli(0.3), random.gain(-40, -12), 0.0)
    wave = wave + random.normal(size) * level * noise_gain
    response = random_equalizer(size, random) * random_reverb(size, random)
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


def change_speed(audio: Tensor, speed: Tensor, size: int) -> Tensor:
    """Changes pitch and tempo together by `speed` (n, 1): (n, at least speed * size) -> (n, size)."""
    position = torch.arange(size, device=audio.device) * speed
    before = position.long().clamp_max(audio.shape[1] - 2)
    return torch.lerp(audio.gather(1, before), audio.gather(1, before + 1), position - before)


def mix_neighbors(wave: Tensor, relative_gain: Tensor) -> Tensor:
    """Adds its neighbour to each row of (n, samples), `relative_gain` (n, 1) times as loud; 0 adds nothing."""
    level = wave.square().mean(1, keepdim=True).sqrt()
    ratio = (level / level.roll(1, 0).clamp_min(1e-3)).clamp(0.1, 10.0)
    mixed = wave + wave.roll(1, 0) * relative_gain * ratio
    return mixed / mixed.abs().amax(1, keepdim=True).clamp_min(1.0)


def random_equalizer(size: int, random: BatchRandom) -> Tensor:
    """Draws frequency responses (n, size // 2 + 1): a smooth curve, and for some rows a low or a high cut.

    Three rows in ten end at 8 kHz, the student's limit, so that the teacher also labels such recordings.
    """
    hertz = torch.arange(size // 2 + 1, device=random.rng.device) * (TEACHER_SAMPLING_RATE / size)
    points = torch.where(random.bernoulli(0.5), random.normal(EQUALIZER_POINTS), 0.0) * 5  # dB, even in log frequency
    position = (EQUALIZER_POINTS - 1) * torch.log1p(hertz / 100) / torch.log1p(hertz[-1] / 100)
    before = position.long().clamp_max(EQUALIZER_POINTS - 2)
    curve = torch.lerp(points[:, before], points[:, before + 1], position - before)
    kind = random.uniform(0, 1)
    strong_cut = random.uniform(2500, 6500)
    high_cut = torch.where(kind < 0.15, strong_cut, torch.where(kind < 0.45, 8000.0, TEACHER_SAMPLING_RATE))
    low_cut = torch.where(random.bernoulli(0.15), random.uniform(80, 400), 1.0)
    return 10 ** (curve / 20) * torch.sigmoid(40 * (1 - hertz / high_cut)) * torch.sigmoid(20 * (hertz / low_cut - 1))


def random_reverb(size: int, random: BatchRandom) -> Tensor:
    """Draws room responses (n, size // 2 + 1), exponentially decaying noise, for three rows in ten; else 1."""
    length = min(round(MAX_REVERB_SECONDS * TEACHER_SAMPLING_RATE), size)
    seconds = torch.arange(length, device=random.rng.device) / TEACHER_SAMPLING_RATE
    tail = random.normal(length) * torch.exp(-6.9 * seconds / random.uniform(0.2, MAX_REVERB_SECONDS))  # 60 dB
    gain = torch.where(random.bernoulli(0.3), random.uniform(0.1, 0.6), 0.0)
    tail = tail * gain / tail.norm(dim=1, keepdim=True)
    return 1 + torch.fft.rfft(F.pad(tail, (0, size - length)))
