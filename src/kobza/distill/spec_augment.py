"""What only the student's ear suffers: the spectrogram as a worse recording of the music the teacher heard clearly."""

import torch
import torch.nn.functional as F
from torch import Tensor

NATS = 9.138  # one unit of the extractor's scale, twice AudioSet's standard deviation, in the natural log of energy


def disguise(mel: Tensor, rng: torch.Generator) -> Tensor:
    """The same music as another recording of it, (n, frames, bins) -> same: what the student must learn to hear past.

    Another loudness and a smooth equaliser curve; in half of the windows a floor of noise; and in half a band or a
    moment that is missing (SpecAugment, arXiv 1904.08779). In the scale of the extractor 0.1 is 4 dB.
    """
    n, frames, bins = mel.shape

    def curve() -> Tensor:
        return F.interpolate(
            torch.randn(n, 1, 8, generator=rng, device=mel.device), bins, mode="linear", align_corners=True
        )

    def uniform(low: float, high: float) -> Tensor:
        return low + (high - low) * torch.rand(n, 1, 1, generator=rng, device=mel.device)

    def span(length: int, longest: int) -> Tensor:  # in half of the windows, (n, length)
        start, size = uniform(0, length)[..., 0], uniform(-longest, longest)[..., 0]
        place = torch.arange(length, device=mel.device)
        return (place >= start) & (place < start + size)

    mel = mel + 0.1 * (curve() + torch.randn(n, 1, 1, generator=rng, device=mel.device))
    floor = torch.where(uniform(-1, 1) > 0, uniform(-1.0, -0.2), -9.0) + 0.1 * curve()
    mel = torch.logaddexp(NATS * mel, NATS * floor) / NATS  # energies add, not their logarithms
    hidden = span(frames, 64)[:, :, None] | span(bins, 24)[:, None, :]
    return mel.masked_fill(hidden, 0.0)
