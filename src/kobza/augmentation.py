"""Waveform augmentation: speed, mixing, overdrive, noise, equaliser and reverberation.

Whole batches are processed at once, on the device of the audio; the filters and the reverberation share one Fourier
transform. All randomness comes from the generator that is passed in, which must be on the same device. Distillation
(`distill/augment.py`) puts the steps together strongly, because its teachers hear the result; training on
captions, which must still be true, mildly: `augment_window`.
"""

import torch
import torch.nn.functional as F
from torch import Tensor

MAX_REVERB_SECONDS = 1.2
EQUALIZER_POINTS = 10
CAPTION_SPEED = 1.06  # a semitone and 6 % of the tempo, of which no caption speaks


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

    def speed(self, limit: float) -> Tensor:
        """(n, 1) factors from 1 / limit to limit for half of the rows; 1 for the others."""
        return torch.where(self.bernoulli(0.5), self.uniform(1 / limit, limit), 1.0)

    def normal(self, samples: int) -> Tensor:
        """(n, samples) of standard normal noise."""
        return torch.randn(self.n, samples, generator=self.rng, device=self.rng.device)


def augment_window(window: Tensor, sampling_rate: int, rng: torch.Generator) -> Tensor:
    """Changes one window, (samples,) in [-1, 1], as another recording of the same music might differ.

    Half of the windows are played up to `CAPTION_SPEED` times as fast or as slowly, 12 % are overdriven, 30 % get
    noise; equaliser and room are drawn as for distillation. No other music is mixed in: the caption would not name it.

    Returns:
        (samples,), or fewer where it is played faster.

    >>> once, again = (augment_window(torch.ones(1600), 16000, torch.Generator().manual_seed(3)) for _ in range(2))
    >>> once.equal(again), once.shape
    (True, torch.Size([1600]))
    """
    random = BatchRandom(1, rng)
    speed = random.speed(CAPTION_SPEED)
    wave = change_speed(window[None], speed, min(len(window), int(len(window) / speed.item())))
    wave = distort(wave, random)
    size = wave.shape[1]
    response = random_equalizer(size, sampling_rate, random) * random_reverb(size, sampling_rate, random)
    changed = torch.fft.irfft(torch.fft.rfft(wave) * response, size) * random.gain(-12, 6)
    return changed[0].clamp(-1, 1)


def distort(wave: Tensor, random: BatchRandom) -> Tensor:
    """Overdrives some rows of (n, samples), as an amplifier that is turned up does, and adds noise to some."""
    level = wave.square().mean(1, keepdim=True).sqrt().clamp_min(1e-4)
    overdriven = torch.tanh(wave / level * random.uniform(0.3, 1.5)) * 0.5
    wave = torch.where(random.bernoulli(0.12), overdriven, wave)
    noise_gain = torch.where(random.bernoulli(0.3), random.gain(-40, -12), 0.0)
    return wave + random.normal(wave.shape[1]) * level * noise_gain


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


def random_equalizer(size: int, sampling_rate: int, random: BatchRandom) -> Tensor:
    """Draws frequency responses (n, size // 2 + 1): a smooth curve, and for some rows a low or a high cut.

    Three rows in ten end at 8 kHz, as many old and compressed recordings do.
    """
    hertz = torch.arange(size // 2 + 1, device=random.rng.device) * (sampling_rate / size)
    points = torch.where(random.bernoulli(0.5), random.normal(EQUALIZER_POINTS), 0.0) * 5  # dB, even in log frequency
    position = (EQUALIZER_POINTS - 1) * torch.log1p(hertz / 100) / torch.log1p(hertz[-1] / 100)
    before = position.long().clamp_max(EQUALIZER_POINTS - 2)
    curve = torch.lerp(points[:, before], points[:, before + 1], position - before)
    kind = random.uniform(0, 1)
    strong_cut = random.uniform(2500, 6500)
    high_cut = torch.where(kind < 0.15, strong_cut, torch.where(kind < 0.45, 8000.0, sampling_rate))
    low_cut = torch.where(random.bernoulli(0.15), random.uniform(80, 400), 1.0)
    return 10 ** (curve / 20) * torch.sigmoid(40 * (1 - hertz / high_cut)) * torch.sigmoid(20 * (hertz / low_cut - 1))


def random_reverb(size: int, sampling_rate: int, random: BatchRandom) -> Tensor:
    """Draws room responses (n, size // 2 + 1), exponentially decaying noise, for three rows in ten; else 1."""
    length = min(round(MAX_REVERB_SECONDS * sampling_rate), size)
    seconds = torch.arange(length, device=random.rng.device) / sampling_rate
    tail = random.normal(length) * torch.exp(-6.9 * seconds / random.uniform(0.2, MAX_REVERB_SECONDS))  # 60 dB
    gain = torch.where(random.bernoulli(0.3), random.uniform(0.1, 0.6), 0.0)
    tail = tail * gain / tail.norm(dim=1, keepdim=True)
    return 1 + torch.fft.rfft(F.pad(tail, (0, size - length)))
