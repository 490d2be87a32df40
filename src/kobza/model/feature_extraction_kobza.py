"""From a waveform to what the audio tower reads: 10 s windows of log-mel, a whole batch at once.

A recording of any length becomes one row for each window of 10 s, so a batch of recordings becomes a batch of rows, and
`window_counts` says how many rows belong to each recording. The log-mel is the AST's (Kaldi's filter bank: 25 ms frames
every 10 ms, 128 mel bins, AudioSet's mean and deviation), equal to `torchaudio.compliance.kaldi.fbank`, computed in
torch on the device of the input.
"""

import math
from collections.abc import Sequence
from functools import partial

import numpy as np
import torch
import torch.nn.functional as F
from transformers import BatchFeature, SequenceFeatureExtractor

try:  # only to resample: 16 kHz audio needs no torchaudio
    from torchaudio.functional import resample
except Exception:  # a torchaudio built for another torch fails with OSError or RuntimeError, not ImportError
    resample = None

EPSILON = torch.finfo(torch.float32).eps  # Kaldi's floor under the mel energies
PREEMPHASIS = 0.97
LOWEST_HZ = 20.0
BANDS = 4  # see `mel_bands`
# Some 6 MB of frames and spectra for each 10 s row. A CPU works best on what fits its cache, a GPU on much at once.
ROWS_AT_ONCE = {"cpu": 1, "cuda": 256}


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


def _from_numpy(audio) -> torch.Tensor:
    try:
        array = np.array(audio, dtype=np.float32 if isinstance(audio, (list, tuple)) else None)
        return torch.from_numpy(array.astype(array.dtype.newbyteorder("="), copy=False))
    except (TypeError, ValueError) as error:
        raise ValueError(
            f"A recording of type {type(audio).__name__} is no waveform: pass an array of samples."
        ) from error


class KobzaFeatureExtractor(SequenceFeatureExtractor):
    """Waveforms to `input_values` (windows, max_length, num_mel_bins) and `window_counts` (recordings,).

    Windows: consecutive pieces of `window_seconds`; a last piece shorter than `min_window_seconds` is dropped, unless
    it is all there is. Frames past the end of a piece are 0 before normalisation, as in transformers' AST, so that a
    recording gives the same values alone and in a batch.

    Args:
        sampling_rate (`int`): of the waveforms inside, Hz; others are resampled to it.
        num_mel_bins (`int`), max_length (`int`): the audio tower's; a row is padded to max_length frames of 10 ms.
        mean, std (`float`): of AudioSet's log-mel; values become (x - mean) / (2 std).
        window_seconds, min_window_seconds (`float`): see above.
    """

    model_input_names = ["input_values", "window_counts"]  # noqa: RUF012 (transformers' own class attribute)

    def __init__(
        self,
        feature_size: int = 1,
        sampling_rate: int = 16000,
        padding_value: float = 0.0,
        num_mel_bins: int = 128,
        max_length: int = 1024,
        mean: float = -4.2677393,
        std: float = 4.5689974,
        window_seconds: float = 10.0,
        min_window_seconds: float = 1.0,
        **kwargs,
    ):
        super().__init__(feature_size=feature_size, sampling_rate=sampling_rate, padding_value=padding_value, **kwargs)
        self.num_mel_bins, self.max_length = num_mel_bins, max_length
        self.mean, self.std = mean, std
        self.window_seconds, self.min_window_seconds = window_seconds, min_window_seconds
        frames = self._frames(round(window_seconds * sampling_rate))
        if not 0 < frames <= max_length:
            raise ValueError(
                f"KobzaFeatureExtractor: window_seconds is {window_seconds}: that makes {frames} frames of 25 ms every "
                f"10 ms, but a window must have from 1 to max_length = {max_length}."
            )
        # `window` and `mel_filters` are the two names that transformers leaves out of the JSON file
        self.window = torch.hann_window(self.frame_length, periodic=False)
        self.mel_filters = mel_bands(mel_filters(num_mel_bins, sampling_rate, self.fft_length))

    @property
    def frame_length(self) -> int:
        """Samples in a frame of 25 ms."""
        return self.sampling_rate * 25 // 1000

    @property
    def frame_shift(self) -> int:
        """Samples between frames, 10 ms."""
        return self.sampling_rate // 100

    @property
    def fft_length(self) -> int:
        """The power of 2 that a frame is padded to."""
        return 1 << (self.frame_length - 1).bit_length()

    def _frames(self, samples):  # an int or a tensor of them
        return (samples - self.frame_length) // self.frame_shift + 1

    def __call__(self, audio, sampling_rate: int | None = None, return_tensors: str | None = "pt") -> BatchFeature:
        """Features of one recording or of a batch.

        Args:
            audio: one recording: a 1-D array or tensor (mono), a 2-D one (channels, samples), or a list of numbers; or
                a batch: a list of recordings, of any lengths, or a 3-D array. Integers are scaled by type.
            sampling_rate: of the audio, Hz; it must be said, because the wrong one would go unnoticed.
            return_tensors: "pt" (on the device of the input) or "np".

        Returns:
            `BatchFeature` with `input_values` (windows, max_length, num_mel_bins) float32 and `window_counts`
            (recordings,) int64, whose sum is the number of windows.

        Raises:
            ValueError: no sampling rate; NaN or infinity; empty, shorter than a frame of 25 ms, or (samples, channels).
        """
        is_list = isinstance(audio, (list, tuple)) and not (len(audio) and np.isscalar(audio[0]))
        batch = list(audio) if is_list or getattr(audio, "ndim", 0) == 3 else [audio]
        if not batch:
            raise ValueError("The batch of audio is empty: pass at least one recording.")
        clips = [self.split(self.to_mono(clip, sampling_rate)) for clip in batch]
        features = self.log_mel([window for windows in clips for window in windows])
        counts = torch.tensor([len(windows) for windows in clips], device=features.device)
        if return_tensors == "np":
            features, counts = features.cpu().numpy(), counts.cpu().numpy()
        return BatchFeature({"input_values": features, "window_counts": counts})

    def to_mono(self, audio, sampling_rate: int | None) -> torch.Tensor:
        """One recording as a 1-D float32 tensor at `self.sampling_rate`; what it takes and raises is `__call__`'s."""
        if sampling_rate is None:
            raise ValueError(f"The sampling rate is missing: pass sampling_rate=..., in Hz, e.g. {self.sampling_rate}.")
        if int(sampling_rate) != sampling_rate or sampling_rate < 1:
            raise ValueError(f"The sampling rate is {sampling_rate}, but must be a whole number of Hz above 0.")
        wave = audio if isinstance(audio, torch.Tensor) else _from_numpy(audio)
        if wave.ndim not in (1, 2):
            raise ValueError(f"A recording of shape {tuple(wave.shape)}: it must be (samples,) or (channels, samples).")
        if wave.numel() == 0:
            raise ValueError(f"A recording of shape {tuple(wave.shape)} is empty: leave it out of the batch.")
        if wave.ndim == 2 and wave.shape[0] > wave.shape[1]:
            raise ValueError(f"A recording of shape {tuple(wave.shape)} looks transposed: pass (channels, samples).")
        if wave.dtype == torch.bool or wave.is_complex():
            raise ValueError(f"A recording of type {wave.dtype} is no waveform: pass integers or real numbers.")
        if not wave.is_floating_point():
            half = (torch.iinfo(wave.dtype).max + 1) / (1 if wave.dtype.is_signed else 2)
            wave = wave.to(torch.float32) / half - (0 if wave.dtype.is_signed else 1)
        wave = wave.to(torch.float32)
        wave = wave.mean(dim=0) if wave.ndim == 2 else wave  # (channels, samples) -> (samples,)
        if not torch.isfinite(wave).all():
            raise ValueError("A recording contains NaN or infinite samples: decode it again, or leave it out.")
        if sampling_rate != self.sampling_rate:
            if resample is None:
                raise ValueError(
                    f"The audio is at {sampling_rate} Hz and the model wants {self.sampling_rate} Hz: resample it, or "
                    "install the torchaudio that fits your torch."
                )
            wave = resample(wave, int(sampling_rate), self.sampling_rate)
        if wave.shape[0] < self.frame_length:
            raise ValueError(
                f"A recording of {wave.shape[0]} samples at {self.sampling_rate} Hz is too short: one frame of 25 ms "
                f"has {self.frame_length}."
            )
        return wave

    def split(self, waveform) -> list:
        """The windows of a 1-D waveform (array or tensor, at `self.sampling_rate`): views of it, in order."""
        size = round(self.window_seconds * self.sampling_rate)
        least = max(round(self.min_window_seconds * self.sampling_rate), self.frame_length)
        windows = [waveform[start : start + size] for start in range(0, len(waveform), size)]
        return windows[:-1] if len(windows) > 1 and len(windows[-1]) < least else windows

    def log_mel(self, windows: torch.Tensor | Sequence) -> torch.Tensor:
        """Normalised log-mel of float32 windows, each at most `max_length` frames long.

        Args:
            windows: a tensor (n, samples), or a list of 1-D arrays or tensors of any lengths.

        Returns:
            (n, max_length, num_mel_bins) float32, on the device of the windows.
        """
        rows = [w if isinstance(w, torch.Tensor) else torch.from_numpy(np.array(w, dtype=np.float32)) for w in windows]
        if not rows:
            return torch.empty(0, self.max_length, self.num_mel_bins)
        if min(map(len, rows)) < self.frame_length or self._frames(max(map(len, rows))) > self.max_length:
            raise ValueError(
                f"A window of {min(map(len, rows))} to {max(map(len, rows))} samples: log_mel takes 1 to "
                f"{self.max_length} frames of 25 ms; cut the waveform with split first."
            )
        mel = torch.empty(len(rows), self.max_length, self.num_mel_bins, device=rows[0].device)
        step = ROWS_AT_ONCE.get(mel.device.type, 8)
        alike = len(set(map(len, rows))) == 1  # as nearly always: a step for each row is what a GPU waits for
        pad = torch.stack if alike else partial(torch.nn.utils.rnn.pad_sequence, batch_first=True)
        shape = min(step, len(rows)), self.max_length
        # a sample would do, but with 16 each frame begins where a cache line does
        scratch = torch.empty(*shape, 16 + self.frame_length, device=mel.device)
        padded = torch.zeros(*shape, self.fft_length, device=mel.device)
        for start in range(0, len(rows), step):
            some = rows[start : start + step]
            waves = pad(some) if len(some) > 1 else some[0][None]  # (n, samples)
            frames = waves.unfold(1, self.frame_length, self.frame_shift)  # (n, frames, frame_length)
            n, length = frames.shape[:2]
            self._log_mel(frames, scratch[:n, :length], padded[:n, :length], mel[start : start + n, :length])
        nothing = torch.zeros((), device=mel.device).sub_(self.mean).div_(self.std * 2)
        if alike:
            mel[:, self._frames(len(rows[0])) :] = nothing
            return mel
        for row, into in zip(rows, mel, strict=True):
            into[self._frames(len(row)) :] = nothing
        return mel

    def _log_mel(self, frames: torch.Tensor, scratch: torch.Tensor, padded: torch.Tensor, out: torch.Tensor) -> None:
        """Write the log-mel of frames (n, frames, frame_length) into out, (n, frames, num_mel_bins).

        What takes time here is memory, not arithmetic: nearly all is written where something was before. scratch has
        room for a sample before each frame; padded (n, frames, fft_length) is 0 where no frame lies. Every step rounds
        as Kaldi's does: faint bands beside loud ones would show any other way, though it were as exact.
        """
        size = self.frame_length
        scratch[..., 0] = 0.0
        centred = torch.sub(frames, frames.mean(dim=2, keepdim=True), out=scratch[..., 1 : size + 1])
        windowed = torch.mul(scratch[..., :size], -PREEMPHASIS, out=padded[..., :size])  # each sample's predecessor
        windowed.add_(centred).mul_(self.window.to(out.device))  # the first has none, and a Hann window begins with 0
        parts = torch.view_as_real(torch.fft.rfft(padded)).flatten(2).square_()  # (n, frames, 2 bins): re, im, re, ...
        for bins, mels, filters in self.mel_filters:
            torch.bmm(parts[..., bins], filters.to(out.device).expand(len(out), -1, -1), out=out[..., mels])
        out.clamp_(min=EPSILON).log_().sub_(self.mean).div_(self.std * 2)


KobzaFeatureExtractor.register_for_auto_class()
