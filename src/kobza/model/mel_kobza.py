"""Kaldi's log-mel of frames: its filters, a form of them that is quick to apply, and the steps in its order."""

import math

import torch
import torch.nn.functional as F

EPSILON = torch.finfo(torch.float32).eps  # Kaldi's floor under the mel energies
PREEMPHASIS = 0.97
LOWEST_HZ = 20.0
BANDS = 4  # see `mel_bands`


def mel_filters(num_mel_bins: int, sampling_rate: int, fft_length: int) -> torch.Tensor:
    """Kaldi's triangles, (fft_length // 2 + 1, num_mel_bins), from 20 Hz to half the sampling rate.

    In float32 on purpose: the AST was trained on filters rounded like that, and the narrow ones at the bottom feel it.
    """

    def mel(hertz):
        return 1127.0 * torch.log(1.0 + hertz / 700.0)

    lowest = 1127.0 * math.log(1.0 + LOWEST_HZ / 700.0)
    highest = 1127.0 * math.log(1.0 + sampling_rate / 2 / 700.0)
    step = (highest - lowest) / (num_mel_bins + 1)
    index = torch.arange(num_mel_bins)  # (mel,)
    left, center, right = (lowest + (index + k) * step for k in (0.0, 1.0, 2.0))
    bins = mel(sampling_rate / fft_length * torch.arange(fft_length // 2))[:, None]  # (fft_length // 2, 1)
    rising, falling = (bins - left) / (center - left), (right - bins) / (right - center)
    return F.pad(torch.minimum(rising, falling).clamp(min=0.0), (0, 0, 0, 1))  # Kaldi leaves the Nyquist bin out


def mel_bands(filters: torch.Tensor) -> list[tuple[slice, slice, torch.Tensor]]:
    """The filters (bins, num_mel_bins) as `BANDS` groups of neighbours, each without the bins that none of it hears.

    A triangle hears a few bins only: this leaves a third of the multiplications. Rows are doubled, for spectra whose
    real and imaginary parts lie side by side: (which of those, which mel bins, (2 bins, mel bins) of the group).
    """
    bands, done = [], 0
    for group in filters.chunk(BANDS, dim=1):
        heard = group.sum(dim=1).nonzero()[:, 0]
        first, last = (int(heard[0]), int(heard[-1]) + 1) if len(heard) else (0, 1)
        doubled = group[first:last].repeat_interleave(2, dim=0).contiguous()
        bands.append((slice(2 * first, 2 * last), slice(done, done + group.shape[1]), doubled))
        done += group.shape[1]
    return bands


def write_log_mel(frames, window, bands, scratch, padded, out) -> None:
    """Write the log-mel of frames (n, frames, frame_length) into out, (n, frames, num_mel_bins).

    What takes time here is memory, not arithmetic: nearly all is written where something was before. scratch has
    room for a sample before each frame; padded (n, frames, fft_length) is 0 where no frame lies. Every step rounds
    as Kaldi's does: faint bands beside loud ones would show any other way, though it were as exact.

    Args:
        window: (frame_length,), a Hann window; bands: `mel_bands`.
    """
    size = frames.shape[-1]
    scratch[..., 0] = 0.0
    centred = torch.sub(frames, frames.mean(dim=2, keepdim=True), out=scratch[..., 1 : size + 1])
    windowed = torch.mul(scratch[..., :size], -PREEMPHASIS, out=padded[..., :size])  # each sample's predecessor
    windowed.add_(centred).mul_(window.to(out.device))  # the first has none, and a Hann window begins with 0
    parts = torch.view_as_real(torch.fft.rfft(padded)).flatten(2).square_()  # (n, frames, 2 bins): re, im, re, ...
    for bins, mels, filters in bands:
        torch.bmm(parts[..., bins], filters.to(out.device).expand(len(out), -1, -1), out=out[..., mels])
    out.clamp_(min=EPSILON).log_()
