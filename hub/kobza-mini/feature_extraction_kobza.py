"""From a waveform to what the audio tower reads: 10 s windows of log-mel, a whole batch at once.

A recording of any length becomes one row for each window of 10 s, so a batch of recordings becomes a batch of rows, and
`window_counts` says how many rows belong to each recording. The log-mel is the AST's (Kaldi's filter bank: 25 ms frames
every 10 ms, 128 mel bins, AudioSet's mean and deviation), equal to `torchaudio.compliance.kaldi.fbank`, computed in
torch on the device of the input.
"""

from collections.abc import Sequence
from functools import partial
from numbers import Number

import numpy as np
import torch
from transformers import BatchFeature, SequenceFeatureExtractor
from transformers.utils import logging

from .audio_inputs_kobza import read
from .mel_kobza import mel_bands, mel_filters, write_log_mel

logger = logging.get_logger(__name__)

# Some 6 MB of frames and spectra for each 10 s row. A CPU works best on what fits its cache, a GPU on much at once.
ROWS_AT_ONCE = {"cpu": 1, "cuda": 256}


def check_return_tensors(return_tensors) -> None:
    if return_tensors not in (None, "np", "pt"):
        raise ValueError(f'return_tensors is {return_tensors!r}, but must be "pt", "np" or None.')


def is_waveform(clip) -> bool:
    return isinstance(clip, (np.ndarray, torch.Tensor, list, tuple))


def as_batch(audio, channels_first: bool) -> list:
    """The recordings of what `KobzaFeatureExtractor` is called with."""
    dimensions = getattr(audio, "ndim", 0)
    if dimensions == 2 and len(audio) != 1 and not channels_first:
        raise ValueError(
            f"An array of shape {tuple(audio.shape)} may be several recordings or one in stereo: pass a list of arrays "
            "for several recordings, or channels_first=True for one, (channels, samples)."
        )
    is_list = isinstance(audio, (list, tuple)) and not (len(audio) and isinstance(audio[0], Number))
    batch = list(audio) if is_list or dimensions == 3 else [audio]
    if not batch:
        raise ValueError("The batch of audio is empty: pass at least one recording.")
    return batch


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

    def __call__(
        self,
        audio=None,
        sampling_rate: int | None = None,
        return_tensors: str | None = "pt",
        *,
        raw_speech=None,
        channels_first: bool = False,
        padding: bool | str | None = True,
        truncation: bool | None = False,
        max_length: int | None = None,
        pad_to_multiple_of: int | None = None,
        return_attention_mask: bool | None = False,
        device: str | torch.device | None = None,
    ) -> BatchFeature:
        """Features of one recording or of a batch.

        **A 2-D array is refused**, because it can be read in two ways: in transformers' CLAP (2, n) is two recordings,
        in audio libraries one in stereo. Pass a list of arrays for several recordings, and `channels_first=True`, or
        `[stereo]`, for one.

        Args:
            audio: one recording: a 1-D array or tensor, a list of numbers, or what comes with its sampling rate: a
                path, the bytes of a file, {"array", "sampling_rate"}, and what `datasets` gives, {"path", "bytes"} or
                an AudioDecoder; or a batch: a list of recordings of any lengths, of which an array is 1-D or (channels,
                samples), or a 3-D array (recordings, channels, samples). Integers are scaled by type, channels become
                their mean.
            sampling_rate: of arrays, Hz; left out, the extractor's own is assumed, with a warning.
            return_tensors: "pt" (on the device of the input), "np", or None: lists with an entry for each recording,
                which `datasets.Dataset.map` takes.
            raw_speech: another name of `audio`, transformers' own.
            channels_first: a 2-D `audio` is one recording, (channels, samples).
            padding: each row has the extractor's max_length frames, so that any of True, "longest" and "max_length" is
                the same; False is refused.
            truncation, max_length: with truncation only the first max_length samples of a recording are heard, counted
                at the extractor's sampling rate; otherwise all of it, window by window.
            pad_to_multiple_of: refused if the rows' length is not one.
            return_attention_mask: also return `attention_mask` (windows, max_length), 1 for a frame of sound.
            device: where the features are computed; by default on that of the input.

        Returns:
            `BatchFeature` with `input_values` (windows, max_length, num_mel_bins) float32 and `window_counts`
            (recordings,) int64, whose sum is the number of windows; with return_tensors=None lists, with an array
            (windows of the recording, max_length, num_mel_bins) and a number for each recording.

        Raises:
            ValueError: no audio, or a 2-D array; NaN or infinity; empty, shorter than a frame of 25 ms, or (samples,
                channels); an argument that has no such value, by its name.
        """
        if (audio is None) == (raw_speech is None):
            raise ValueError("KobzaFeatureExtractor wants one of audio and raw_speech: pass audio=...")
        self._check(return_tensors, padding, truncation, max_length, pad_to_multiple_of)
        batch = as_batch(raw_speech if audio is None else audio, channels_first)
        if sampling_rate is None and any(map(is_waveform, batch)):
            logger.warning(
                f"sampling_rate is missing, and {self.sampling_rate} Hz is assumed: a wrong one goes unnoticed."
            )
        clips = []
        for clip in batch:
            rate = self.sampling_rate if sampling_rate is None and is_waveform(clip) else sampling_rate
            clips.append(self.split(self.to_mono(clip, rate).to(device)[: max_length if truncation else None]))
        windows = [window for clip in clips for window in clip]
        features = {"input_values": self.log_mel(windows)}
        if return_attention_mask:
            frames = torch.tensor([self._frames(len(window)) for window in windows])
            mask = (torch.arange(self.max_length) < frames[:, None]).long()
            features["attention_mask"] = mask.to(features["input_values"].device)
        counts = [len(windows) for windows in clips]
        if return_tensors is None:
            features = {name: [part.cpu().numpy() for part in rows.split(counts)] for name, rows in features.items()}
            return BatchFeature({**features, "window_counts": counts})
        features["window_counts"] = torch.tensor(counts, device=features["input_values"].device)
        if return_tensors == "np":
            features = {name: values.cpu().numpy() for name, values in features.items()}
        return BatchFeature(features)

    def _check(self, return_tensors, padding, truncation, max_length, pad_to_multiple_of) -> None:
        check_return_tensors(return_tensors)
        if padding not in (None, True, "longest", "max_length"):
            raise ValueError(f"padding is {padding!r}, but each row has {self.max_length} frames: leave it True.")
        if max_length is not None and max_length < self.frame_length:
            raise ValueError(f"max_length is {max_length} samples, but a frame of 25 ms has {self.frame_length}.")
        if truncation not in (None, False, True) or bool(truncation) != (max_length is not None):
            raise ValueError(
                f"truncation is {truncation!r} and max_length is {max_length}: pass truncation=True and a "
                "number of samples, max_length=..., to hear only the beginning of a recording, or neither."
            )
        if pad_to_multiple_of and self.max_length % pad_to_multiple_of:
            raise ValueError(f"pad_to_multiple_of is {pad_to_multiple_of}, but a row has {self.max_length} frames.")

    def to_mono(self, audio, sampling_rate: int | None = None) -> torch.Tensor:
        """One recording as a 1-D float32 tensor at `self.sampling_rate`; what it takes and raises is `__call__`'s."""
        wave = torch.cat(list(read(audio, self.sampling_rate, sampling_rate)))
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
            out = mel[start : start + n, :length]
            write_log_mel(frames, self.window, self.mel_filters, scratch[:n, :length], padded[:n, :length], out)
            out.sub_(self.mean).div_(self.std * 2)
        nothing = torch.zeros((), device=mel.device).sub_(self.mean).div_(self.std * 2)
        if alike:
            mel[:, self._frames(len(rows[0])) :] = nothing
            return mel
        for row, into in zip(rows, mel, strict=True):
            into[self._frames(len(row)) :] = nothing
        return mel


KobzaFeatureExtractor.register_for_auto_class()
