"""Kaldi's log-mel filter bank in torch: equal to `torchaudio.compliance.kaldi.fbank`, for many windows at once."""

import math
from collections.abc import Sequence
from functools import partial

import torch
import torch.nn.functional as F

EPSILON = torch.finfo(torch.float32).eps  # Kaldi's floor under the mel energies
PREEMPHASIS = 0.97
LOWEST_HZ = 20.0
FILTER_GROUPS = 4  # see `group_filters`
# Windows of one step, each some 6 MB of frames and spectra: a CPU is fastest on what fits its cache, a GPU on many.
WINDOWS_PER_STEP = {"cpu": 1, "cuda": 256}
WINDOWS_PER_STEP_ELSEWHERE = 8
MAX_GAIN_DB = 60.0  # so that near-silence does not become loud noise

FilterGroup = tuple[slice, slice, torch.Tensor]


def mel_filters(num_mel_bins: int, sampling_rate: int, fft_length: int) -> torch.Tensor:
    """Kaldi's triangular filters, (fft_length // 2 + 1, num_mel_bins), from 20 Hz to half the sampling rate.

    In float32 on purpose: the AST was trained on filters rounded this way, and the narrow ones at the lowest
    frequencies are sensitive to it.
    """

    def mel(hertz: torch.Tensor) -> torch.Tensor:
        return 1127.0 * torch.log(1.0 + hertz / 700.0)

    lowest = 1127.0 * math.log(1.0 + LOWEST_HZ / 700.0)
    highest = 1127.0 * math.log(1.0 + sampling_rate / 2 / 700.0)
    step = (highest - lowest) / (num_mel_bins + 1)
    index = torch.arange(num_mel_bins)  # (mel,)
    left, center, right = (lowest + (index + k) * step for k in (0.0, 1.0, 2.0))
    bins = mel(sampling_rate / fft_length * torch.arange(fft_length // 2))[:, None]  # (fft_length // 2, 1)
    rising = (bins - left) / (center - left)
    falling = (right - bins) / (right - center)
    return F.pad(torch.minimum(rising, falling).clamp(min=0.0), (0, 0, 0, 1))  # Kaldi leaves the Nyquist bin out


def group_filters(filters: torch.Tensor) -> list[FilterGroup]:
    """Split filters (bins, num_mel_bins) into `FILTER_GROUPS` groups of neighbours, each without bins where it is 0.

    A triangle covers few bins, so this leaves a third of the multiplications. Rows are doubled, for spectra whose real
    and imaginary parts are interleaved: (slice of those, slice of the mel bins, (2 bins, mel bins) of the group).
    """
    groups: list[FilterGroup] = []
    done = 0
    for group in filters.chunk(FILTER_GROUPS, dim=1):
        covered = group.sum(dim=1).nonzero()[:, 0]
        first, last = (int(covered[0]), int(covered[-1]) + 1) if len(covered) else (0, 1)
        doubled = group[first:last].repeat_interleave(2, dim=0).contiguous()
        groups.append((slice(2 * first, 2 * last), slice(done, done + group.shape[1]), doubled))
        done += group.shape[1]
    return groups


def count_frames(samples: int, frame_length: int, frame_shift: int) -> int:
    """How many whole frames fit into so many samples.

    >>> count_frames(160_000, 400, 160)
    998
    """
    return (samples - frame_length) // frame_shift + 1


def loudness_gains(batch: torch.Tensor, lengths: torch.Tensor, loudness: float) -> torch.Tensor:
    """The factor that brings each window to one level, at most `MAX_GAIN_DB`.

    Args:
        batch: (n, samples) float32, each window followed by zeros up to the longest.
        lengths: (n,), the samples of each without the zeros.
        loudness: the root mean square that they are to have, in dB relative to full scale (an amplitude of 1).

    Returns:
        (n, 1) float32.

    >>> half, nothing = torch.full((1, 160), 0.5), torch.zeros(1, 160)
    >>> loudness_gains(torch.cat([half, nothing]), torch.tensor([160, 160]), -20.0).round(decimals=3).tolist()
    [[0.20000000298023224], [1000.0]]
    """
    level = (batch.square().sum(dim=1, keepdim=True) / lengths[:, None]).sqrt()
    gains: torch.Tensor = 10 ** (loudness / 20) / level
    return gains.clamp(max=10 ** (MAX_GAIN_DB / 20))


def log_mel_of_frames(
    frames: torch.Tensor,
    window: torch.Tensor,
    groups: list[FilterGroup],
    scratch: torch.Tensor,
    padded: torch.Tensor,
    out: torch.Tensor,
) -> None:
    """Write the log-mel of frames (n, frames, frame_length) into out, (n, frames, num_mel_bins).

    Memory traffic, not arithmetic, takes the time here, so nearly every step writes into existing memory: scratch has
    room for one sample before each frame; padded (n, frames, fft_length) is 0 beyond the frame. Every step rounds as
    Kaldi's does: any other order would show in faint bands beside loud ones, though it were as exact.

    Args:
        window: (frame_length,), a Hann window. groups: from `group_filters`.
    """
    size = frames.shape[-1]
    scratch[..., 0] = 0.0
    centred = torch.sub(frames, frames.mean(dim=2, keepdim=True), out=scratch[..., 1 : size + 1])
    windowed = torch.mul(scratch[..., :size], -PREEMPHASIS, out=padded[..., :size])  # each sample's predecessor
    windowed.add_(centred).mul_(window.to(out.device))  # the first has none, and a Hann window begins with 0
    parts = torch.view_as_real(torch.fft.rfft(padded)).flatten(2).square_()  # (n, frames, 2 bins): re, im, re, ...
    for bins, mels, filters in groups:
        torch.bmm(parts[..., bins], filters.to(out.device).expand(len(out), -1, -1), out=out[..., mels])
    out.clamp_(min=EPSILON).log_()


def normalized_log_mel(
    waves: Sequence[torch.Tensor],
    window: torch.Tensor,
    groups: list[FilterGroup],
    frame_shift: int,
    fft_length: int,
    max_length: int,
    mean: float,
    std: float,
    loudness: float | None = None,
) -> torch.Tensor:
    """Waveforms, each (samples,) float32 -> (n, max_length, num_mel_bins): (log-mel - mean) / (2 std).

    Frames beyond the end of a waveform are 0 before the normalization.

    Args:
        window: (frame_length,), a Hann window. groups: from `group_filters`.
        frame_shift: samples between frames. fft_length: the length that a frame is padded to.
        loudness: the level that each waveform is brought to, see `loudness_gains`; None: as it is.
    """
    frame_length = len(window)
    num_mel_bins = groups[-1][1].stop
    device = waves[0].device
    mel = torch.empty(len(waves), max_length, num_mel_bins, device=device)
    step = WINDOWS_PER_STEP.get(device.type, WINDOWS_PER_STEP_ELSEWHERE)
    equal_lengths = len(set(map(len, waves))) == 1  # usual; else each row needs its own call, which keeps a GPU waiting
    pad = torch.stack if equal_lengths else partial(torch.nn.utils.rnn.pad_sequence, batch_first=True)
    shape = min(step, len(waves)), max_length
    scratch = torch.empty(*shape, 16 + frame_length, device=device)  # 1 + would do; 16 aligns frames with cache lines
    padded = torch.zeros(*shape, fft_length, device=device)
    for start in range(0, len(waves), step):
        some = waves[start : start + step]
        batch = pad(list(some)) if len(some) > 1 else some[0][None]  # (n, samples)
        if loudness is not None:
            lengths = torch.tensor([len(wave) for wave in some], device=device)
            batch = batch * loudness_gains(batch, lengths, loudness)  # not in place: it may be the caller's memory
        frames = batch.unfold(1, frame_length, frame_shift)  # (n, frames, frame_length)
        n, length = frames.shape[:2]
        out = mel[start : start + n, :length]
        log_mel_of_frames(frames, window, groups, scratch[:n, :length], padded[:n, :length], out)
        out.sub_(mean).div_(std * 2)
    silence = torch.zeros((), device=device).sub_(mean).div_(std * 2)
    if equal_lengths:
        mel[:, count_frames(len(waves[0]), frame_length, frame_shift) :] = silence
        return mel
    for wave, row in zip(waves, mel, strict=True):
        row[count_frames(len(wave), frame_length, frame_shift) :] = silence
    return mel
