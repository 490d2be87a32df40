"""Changes windows as other files of the same recordings would: what a vector must not depend on.

Resamplers and codecs differ next to the highest frequency, in level, in noise and in where a file begins. All of these
can be done to the log-mel itself: a filter is a curve over the bands, a gain a number, a shift a few frames. So nothing
has to be encoded, and a disguised window costs next to nothing. Levels vary little here, because the features bring
each window to one loudness before (`features.py`).
"""

import math

import torch
import torch.nn.functional as F
from torch import Tensor

from kobza.model.feature_extraction_kobza import KobzaFeatureExtractor
from kobza.model.mel_kobza import EPSILON, LOWEST_HZ

DECIBEL = math.log(10) / 10  # in natural logarithm of energy
MAX_SHIFT = 50  # frames of 10 ms
CURVE_POINTS = 8


def band_frequencies(bands: int, highest_hz: float) -> Tensor:
    """Centre frequencies of Kaldi's mel bands, in Hz, (bands,).

    >>> band_frequencies(3, 8000.0).round().tolist()
    [642.0, 1803.0, 3966.0]
    """
    lowest, highest = (1127 * math.log1p(hertz / 700) for hertz in (LOWEST_HZ, highest_hz))
    centers = lowest + (highest - lowest) * torch.arange(1, bands + 1) / (bands + 1)
    return 700 * torch.expm1(centers / 1127)


class _Random:
    """Random values for a batch of n windows, (n, 1, 1)."""

    def __init__(self, n: int, rng: torch.Generator):
        self.n = n
        self.rng = rng

    def uniform(self, low: float, high: float) -> Tensor:
        return low + (high - low) * torch.rand(self.n, 1, 1, generator=self.rng, device=self.rng.device)

    def choose(self, probability: float, one: Tensor, other: Tensor | float) -> Tensor:
        return torch.where(self.uniform(0, 1) < probability, one, other)


def low_pass(hertz: Tensor, random: _Random) -> Tensor:
    """Draws the attenuation of a resampler or a codec in dB, (n, 1, bands); none in a quarter of the windows."""
    edge = random.choose(0.5, random.uniform(7_000, 8_100), random.uniform(4_500, 8_000))
    width = random.uniform(math.log(60), math.log(700)).exp()
    depth = random.uniform(30, 110)
    return random.choose(0.75, -depth * torch.sigmoid((hertz - edge) / width * 2), 0.0)


def coloration(bands: int, random: _Random) -> Tensor:
    """Draws level and equaliser in dB, (n, 1, bands): half have a curve, a quarter the tilt of a dull record."""
    device = random.rng.device
    points = torch.randn(random.n, 1, CURVE_POINTS, generator=random.rng, device=device)
    curve = 1.5 * F.interpolate(points, bands, mode="linear", align_corners=True)
    tilt = random.uniform(-8, 8) * torch.linspace(-1, 1, bands, device=device)
    return random.uniform(-4, 4) + random.choose(0.5, curve, 0.0) + random.choose(0.25, tilt, 0.0)


def disguise(mel: Tensor, extractor: KobzaFeatureExtractor, rng: torch.Generator) -> Tensor:
    """Disguises windows (n, max_length, bands), normalised by `extractor`; the generator is on their device.

    Frames past the end of a window stay as they are.
    """
    n, length, bands = mel.shape
    random, unit = _Random(n, rng), 2 * extractor.std
    frames = extractor._frames(round(extractor.window_seconds * extractor.sampling_rate))
    hertz = band_frequencies(bands, extractor.sampling_rate / 2).to(mel.device)

    energy = mel[:, :frames] * unit + extractor.mean
    hiss = random.uniform(-14, -5)
    energy = random.choose(0.3, torch.logaddexp(energy, hiss), energy)
    energy = energy + DECIBEL * (low_pass(hertz, random) + coloration(bands, random))
    shift = random.choose(0.5, random.uniform(-MAX_SHIFT, MAX_SHIFT + 1), 0.0)[:, 0].floor().long()  # (n, 1)
    position = torch.arange(frames, device=mel.device)
    source = (position - shift) % frames  # around the end: what is lost there comes back at the beginning
    energy = energy.gather(1, source[..., None].expand(-1, -1, bands))
    disguised = (energy.clamp_min(math.log(EPSILON)) - extractor.mean) / unit
    return torch.cat([disguised, mel[:, frames:]], 1) if frames < length else disguised
