"""Spectrogram augmentation of the student's input only: the teacher labels the clean audio."""

import torch
import torch.nn.functional as F
from torch import Tensor

NATS_PER_UNIT = 9.138  # a unit of the feature extractor's scale, twice AudioSet's deviation, in natural log of energy
CURVE_POINTS = 8
MAX_MASKED_FRAMES = 64
MAX_MASKED_BINS = 24


def spec_augment(mel: Tensor, rng: torch.Generator) -> Tensor:
    """Augments log-mel spectrograms, (n, frames, bins) -> same shape.

    Gain and a smooth equaliser curve; a noise floor in half of the windows; and a time mask and a frequency mask
    (SpecAugment, arXiv 1904.08779), each in half of the windows. In the scale of the extractor 0.1 is 4 dB.

    The masks are drawn here because torchaudio's `mask_along_axis_iid` takes no generator (a resumed run could not
    repeat a step) and masks every window.
    """
    n, frames, bins = mel.shape

    def uniform(low: float, high: float) -> Tensor:
        return low + (high - low) * torch.rand(n, 1, 1, generator=rng, device=mel.device)

    def curve() -> Tensor:  # (n, 1, bins)
        points = torch.randn(n, 1, CURVE_POINTS, generator=rng, device=mel.device)
        return F.interpolate(points, bins, mode="linear", align_corners=True)

    def mask(length: int, max_width: int) -> Tensor:  # (n, length); a negative width masks nothing
        start = uniform(0, length)[..., 0]
        width = uniform(-max_width, max_width)[..., 0]
        position = torch.arange(length, device=mel.device)
        return (position >= start) & (position < start + width)

    mel = mel + 0.1 * (curve() + torch.randn(n, 1, 1, generator=rng, device=mel.device))
    noise_floor = torch.where(uniform(-1, 1) > 0, uniform(-1.0, -0.2), -9.0) + 0.1 * curve()
    mel = torch.logaddexp(NATS_PER_UNIT * mel, NATS_PER_UNIT * noise_floor) / NATS_PER_UNIT  # energies add
    masked = mask(frames, MAX_MASKED_FRAMES)[:, :, None] | mask(bins, MAX_MASKED_BINS)[:, None, :]
    return mel.masked_fill(masked, 0.0)
