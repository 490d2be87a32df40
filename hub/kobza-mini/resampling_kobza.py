"""The resampler: a Kaiser-windowed sinc with the settings that FFmpeg's resampler (swresample) has by default.

A model is sensitive to the mel bands next to half its sampling rate, where resamplers differ most: of the same file
through torchaudio's default and through FFmpeg's, kobza-mini's vectors had a cosine of 0.90. Files are resampled by
FFmpeg as they are decoded, arrays by this module; the two agree to float32 rounding. It needs torch only, and runs on
the device of the input.
"""

import math

import torch

FILTER_SIZE = 32  # zero crossings of the sinc under the window, both sides together
CUTOFF = 0.97  # relative to the output's Nyquist frequency; no low-pass where the rate rises
KAISER_BETA = 9.0
PHASES_AT_ONCE = 32  # output samples of one matrix product: with fewer it is slow, with more the matrix is mostly zeros


def _filters(phases: torch.Tensor, taps: int, cutoff: float) -> torch.Tensor:
    """Phases (n,), in input samples from 0 to below 1 -> (n, taps) float64: the windowed sinc around each. The constant
    that makes the gain 1 is phase 0's for all of them, as in FFmpeg."""

    def windowed_sinc(phase: torch.Tensor) -> torch.Tensor:
        distance = torch.arange(taps, dtype=torch.float64) - (taps // 2 - 1) - phase
        window = torch.special.i0(KAISER_BETA * (1 - (2 * distance / taps) ** 2).clamp(min=0).sqrt())
        return torch.sinc(distance * cutoff) * window

    return windowed_sinc(phases[:, None]) / windowed_sinc(torch.zeros(1)).sum()


def _mirror(waveform: torch.Tensor, before: int, after: int) -> torch.Tensor:
    """The waveform, `before` samples longer at its start and `after` at its end: mirrored, beyond that zeros."""
    start, end = waveform[1 : before + 1].flip(0), waveform[-after:].flip(0)
    zeros = waveform.new_zeros(before - len(start)), waveform.new_zeros(after - len(end))
    return torch.cat([zeros[0], start, waveform, end, zeros[1]])


def resample(waveform: torch.Tensor, orig_rate: int, new_rate: int) -> torch.Tensor:
    """A waveform at another sampling rate, as FFmpeg gives it.

    Args:
        waveform: (samples,) float32. orig_rate, new_rate: in Hz.

    Returns:
        (ceil(samples * new_rate / orig_rate),) float32, on the same device. (FFmpeg may give a sample less.)

    >>> resample(torch.ones(441), 44_100, 16_000).shape
    torch.Size([160])
    """
    if orig_rate == new_rate or not len(waveform):
        return waveform
    length = -(-len(waveform) * new_rate // orig_rate)
    # `new` output samples are made of `orig` input samples, again and again: a block. Output sample n of a block lies
    # n * orig / new input samples after its start.
    divisor = math.gcd(orig_rate, new_rate)
    orig, new = orig_rate // divisor, new_rate // divisor
    several = -(-PHASES_AT_ONCE // new)
    orig, new = orig * several, new * several
    blocks = -(-length // new)
    cutoff = min(CUTOFF * new / orig, 1.0)
    taps = 2 * math.ceil(FILTER_SIZE / cutoff / 2)
    padded = _mirror(waveform, taps // 2 - 1, blocks * orig + taps - len(waveform))
    result = waveform.new_empty(blocks, new)
    for places in (torch.arange(new) * orig).split(PHASES_AT_ONCE):  # in units of 1 / new input samples
        starts = places // new  # where in its block each output sample begins to read
        first, width = int(starts[0]), int(starts[-1] - starts[0]) + taps
        matrix = torch.zeros(len(places), width, dtype=torch.float64)
        columns = (starts - first)[:, None] + torch.arange(taps)  # (outputs, taps)
        matrix.scatter_(1, columns, _filters(places % new / new, taps, cutoff))
        read = padded.as_strided((blocks, width), (orig, 1), first)
        done = int(places[0]) // orig
        result[:, done : done + len(places)] = read @ matrix.to(waveform).t()
    return result.flatten()[:length]
