"""Waveforms to the audio tower's input: log-mel of 10 s windows, a whole batch at once.

A recording of any length becomes one row for each window of 10 s, so a batch of recordings becomes a batch of rows, and
`window_counts` says how many rows belong to each recording. The log-mel is the AST's (Kaldi's filter bank: 25 ms frames
every 10 ms, 128 mel bins, AudioSet's mean and deviation), computed in torch on the device of the input (`mel_kobza`).
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from transformers import BatchFeature, SequenceFeatureExtractor
from transformers.utils import logging

from .audio_inputs_kobza import as_batch, is_waveform, read_samples
from .mel_kobza import count_frames, group_filters, mel_filters, normalized_log_mel
from .silence_kobza import windows_with_sound
from .tower_features_kobza import tower_rows

LOUDNESS_RANGE = (-60, 0)  # dBFS; the model hears no difference between levels, but float32 and the mel floor have ends
logger = logging.get_logger(__name__)


def check_return_tensors(return_tensors: str | None) -> None:
    if return_tensors not in (None, "np", "pt"):
        raise ValueError(f'return_tensors is {return_tensors!r}, but must be "pt", "np" or None.')


class KobzaFeatureExtractor(SequenceFeatureExtractor):
    """Waveforms to `input_values` (windows, max_length, num_mel_bins) and `window_counts` (recordings,).

    Windows are consecutive pieces of `window_seconds`; a last one shorter than `min_window_seconds` is dropped, unless
    it is the only one. Silent windows are left out (`silence_kobza`); of a silent recording the first is kept. Frames
    past the end of a window are 0 before normalization, as in transformers' AST, so that a recording gives the same
    values alone and in a batch.

    Args:
        sampling_rate (`int`): Hz; recordings at other rates are resampled to it.
        num_mel_bins (`int`), max_length (`int`): the audio tower's; a row is padded to max_length frames.
        mean, std (`float`): of AudioSet's log-mel; values become (x - mean) / (2 std).
        window_seconds, min_window_seconds (`float`): see above.
        window_loudness (`float`, *optional*): each window is brought to this level before the log-mel, so that a
            recording sounds the same to the model at any volume: its root mean square over its own samples, in dB
            relative to full scale (dBFS). It is raised by 60 dB at most. None: windows stay as they are, and the saved
            settings do not name it.
        tower_features (`dict`, *optional*): the settings of the audio tower's own feature extractor (its `to_dict()`),
            where the tower is not an AST or a ResNet: a row is then what that one makes of a window. None: log-mel, and
            the saved settings do not name it.
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
        window_loudness: float | None = None,
        tower_features: dict[str, Any] | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(feature_size=feature_size, sampling_rate=sampling_rate, padding_value=padding_value, **kwargs)
        self.num_mel_bins = num_mel_bins
        self.max_length = max_length
        self.mean = mean
        self.std = std
        self.window_seconds = window_seconds
        self.min_window_seconds = min_window_seconds
        self.window_loudness = window_loudness
        self.tower_features = tower_features
        if window_loudness is not None and not LOUDNESS_RANGE[0] <= window_loudness <= LOUDNESS_RANGE[1]:
            raise ValueError(
                f"KobzaFeatureExtractor: window_loudness is {window_loudness}, but must be a level from "
                f"{LOUDNESS_RANGE[0]} to {LOUDNESS_RANGE[1]} dBFS, or None."
            )
        frames = self._frames(round(window_seconds * sampling_rate))
        if not 0 < frames <= max_length:
            raise ValueError(
                f"KobzaFeatureExtractor: window_seconds is {window_seconds}: that makes {frames} frames of 25 ms every "
                f"10 ms, but a window must have from 1 to max_length = {max_length}."
            )
        # `window` and `mel_filters` are the two names that transformers leaves out of the JSON file
        self.window = torch.hann_window(self.frame_length, periodic=False)
        self.mel_filters = group_filters(mel_filters(num_mel_bins, sampling_rate, self.fft_length))

    def to_dict(self) -> dict[str, Any]:
        settings: dict[str, Any] = super().to_dict()
        if self.window_loudness is None:  # fingerprints of checkpoints made before this setting stay valid
            settings.pop("window_loudness", None)
        if self.tower_features is None:
            settings.pop("tower_features", None)
        return settings

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

    def _frames(self, samples: int) -> int:
        return count_frames(samples, self.frame_length, self.frame_shift)

    def __call__(
        self,
        audio: Any = None,
        sampling_rate: int | None = None,
        return_tensors: str | None = "pt",
        *,
        raw_speech: Any = None,
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
            audio: one recording: a 1-D array or tensor, a list of numbers, a path, the bytes of a file, {"array",
                "sampling_rate"}, or what `datasets` gives, {"path", "bytes"} or an AudioDecoder. Or a batch: a list of
                recordings of any lengths, whose arrays are (samples,) or (channels, samples), or a 3-D array
                (recordings, channels, samples). Integers are scaled by type, channels are mixed down.
            sampling_rate: of arrays, Hz; by default the extractor's own, with a warning.
            return_tensors: "pt" (on the device of the input), "np", or None: lists with an entry for each recording,
                which `datasets.Dataset.map` takes.
            raw_speech: transformers' other name of `audio`.
            channels_first: a 2-D `audio` is one recording, (channels, samples).
            padding: True, "longest" and "max_length" are equivalent, because each row has the extractor's max_length
                frames; False is refused.
            truncation, max_length: with truncation only the first max_length samples of a recording are used, counted
                at the extractor's sampling rate; otherwise all of it, window by window.
            pad_to_multiple_of: refused unless the rows' length is such a multiple.
            return_attention_mask: also return `attention_mask` (windows, max_length), 1 for a frame of the recording.
            device: where the features are computed; by default on that of the input.

        Returns:
            `BatchFeature` with `input_values` (windows, max_length, num_mel_bins) float32 and `window_counts`
            (recordings,) int64, whose sum is the number of windows; with return_tensors=None lists, with an array
            (windows of the recording, max_length, num_mel_bins) and a number for each recording.

        Raises:
            ValueError: no audio, or a 2-D array; NaN or infinity; empty, shorter than a frame of 25 ms, or (samples,
                channels); an argument with a value that it does not take.
        """
        if (audio is None) == (raw_speech is None):
            raise ValueError("KobzaFeatureExtractor takes exactly one of audio and raw_speech: pass audio=...")
        self._check(return_tensors, padding, truncation, max_length, pad_to_multiple_of)
        batch = as_batch(raw_speech if audio is None else audio, channels_first)
        if sampling_rate is None and any(map(is_waveform, batch)):
            logger.warning(
                f"sampling_rate is missing, and {self.sampling_rate} Hz is assumed: pass the real one if it differs."
            )
        recordings = []  # the windows of each
        for recording in batch:
            rate = self.sampling_rate if sampling_rate is None and is_waveform(recording) else sampling_rate
            wave = self.to_mono(recording, rate).to(device)
            recordings.append(self.split(wave[:max_length] if truncation else wave))
        windows = [window for recording in recordings for window in recording]
        rows = {"input_values": self.log_mel(windows)}
        if return_attention_mask:
            frames = torch.tensor([self._frames(len(window)) for window in windows])
            mask = (torch.arange(self.max_length) < frames[:, None]).long()
            rows["attention_mask"] = mask.to(rows["input_values"].device)
        counts = [len(windows) for windows in recordings]
        if return_tensors is None:
            lists: dict[str, Any] = {
                name: [part.cpu().numpy() for part in values.split(counts)] for name, values in rows.items()
            }
            return BatchFeature({**lists, "window_counts": counts})
        rows["window_counts"] = torch.tensor(counts, device=rows["input_values"].device)
        if return_tensors == "np":
            return BatchFeature({name: values.cpu().numpy() for name, values in rows.items()})
        return BatchFeature(rows)

    def _check(
        self,
        return_tensors: str | None,
        padding: bool | str | None,
        truncation: bool | None,
        max_length: int | None,
        pad_to_multiple_of: int | None,
    ) -> None:
        check_return_tensors(return_tensors)
        if padding not in (None, True, "longest", "max_length"):
            raise ValueError(f"padding is {padding!r}, but each row has {self.max_length} frames: leave it True.")
        if max_length is not None and max_length < self.frame_length:
            raise ValueError(f"max_length is {max_length} samples, but a frame of 25 ms has {self.frame_length}.")
        if truncation not in (None, False, True) or bool(truncation) != (max_length is not None):
            raise ValueError(
                f"truncation is {truncation!r} and max_length is {max_length}: pass truncation=True and a "
                "number of samples, max_length=..., to use only the beginning of a recording, or neither."
            )
        if pad_to_multiple_of and self.max_length % pad_to_multiple_of:
            raise ValueError(f"pad_to_multiple_of is {pad_to_multiple_of}, but a row has {self.max_length} frames.")

    def to_mono(self, audio: Any, sampling_rate: int | None = None) -> torch.Tensor:
        """One recording as (samples,) float32 at `self.sampling_rate`. Input and errors are those of `__call__`."""
        wave = torch.cat(list(read_samples(audio, self.sampling_rate, sampling_rate)))
        if wave.shape[0] < self.frame_length:
            raise ValueError(
                f"A recording of {wave.shape[0]} samples at {self.sampling_rate} Hz is too short: one frame of 25 ms "
                f"has {self.frame_length}."
            )
        return wave

    def split(self, waveform: Any) -> list[Any]:
        """The windows of a 1-D waveform (array or tensor, at `self.sampling_rate`) that have sound, in order, as views
        of it; the first if none has."""
        size = round(self.window_seconds * self.sampling_rate)
        least = max(round(self.min_window_seconds * self.sampling_rate), self.frame_length)
        windows = [waveform[start : start + size] for start in range(0, len(waveform), size)]
        windows = windows[:-1] if len(windows) > 1 and len(windows[-1]) < least else windows
        with_sound = windows_with_sound(windows, self.sampling_rate, least)
        return [window for window in with_sound if window is not None] or windows[:1]

    def log_mel(self, windows: torch.Tensor | Sequence[Any]) -> torch.Tensor:
        """Normalized log-mel of float32 windows, each at most `max_length` frames long.

        Args:
            windows: a tensor (n, samples), or a list of 1-D arrays or tensors of any lengths.

        Returns:
            (n, max_length, num_mel_bins) float32, on the device of the windows; with `tower_features`, theirs.

        Raises:
            ValueError: a window shorter than a frame, or longer than `max_length` frames.
        """
        if self.tower_features is not None:
            return tower_rows(windows, self.tower_features, round(self.window_seconds * self.sampling_rate))
        waves = [w if isinstance(w, torch.Tensor) else torch.from_numpy(np.array(w, dtype=np.float32)) for w in windows]
        if not waves:
            return torch.empty(0, self.max_length, self.num_mel_bins)
        shortest = min(map(len, waves))
        longest = max(map(len, waves))
        if shortest < self.frame_length or self._frames(longest) > self.max_length:
            raise ValueError(
                f"Windows of {shortest} to {longest} samples: log_mel takes 1 to {self.max_length} frames of 25 ms; "
                "cut the waveform with split first."
            )
        return normalized_log_mel(
            waves,
            self.window,
            self.mel_filters,
            self.frame_shift,
            self.fft_length,
            self.max_length,
            self.mean,
            self.std,
            self.window_loudness,
        )


KobzaFeatureExtractor.register_for_auto_class()
