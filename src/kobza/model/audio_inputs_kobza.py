"""Read a recording in any of its forms into mono float32 samples at one sampling rate.

    a path, the bytes of a file          decoded as a stream, by kobza if it is installed, otherwise by soundfile
    {"path": ..., "bytes": ...}          the same (`datasets.Audio(decode=False)`); bytes take precedence over the path
    {"array": ..., "sampling_rate": ...} "raw" is accepted in place of "array"
    torchcodec's AudioDecoder            what `datasets.Audio()` gives
    an array, a tensor or a list         (samples,) or (channels, samples); its sampling rate must be given

Channels are mixed down (`downmix_kobza`); integers are scaled by the range of their type.
"""

import importlib
import io
import os
from collections.abc import Callable, Iterator
from numbers import Number
from typing import Any

import numpy as np
import torch

from .downmix_kobza import BLOCK_SECONDS as MIXED_SECONDS
from .downmix_kobza import Downmixer, downmix
from .resampling_kobza import resample

BLOCK_SECONDS = 60  # decoded at once by soundfile: 10 MB of 44.1 kHz audio


def has_sampling_rate(recording: Any) -> bool:
    """Whether a recording carries its sampling rate; an array, a tensor or a list of numbers does not.

    >>> has_sampling_rate("song.mp3"), has_sampling_rate([0.0, 0.1])
    (True, False)
    """
    return isinstance(recording, (str, bytes, os.PathLike, dict)) or hasattr(recording, "get_all_samples")


def is_waveform(recording: Any) -> bool:
    """Whether a recording is an array, a tensor or a list of samples."""
    return isinstance(recording, (np.ndarray, torch.Tensor, list, tuple))


def path_of(recording: Any) -> str | None:
    """The path of a recording, if it has one.

    >>> path_of({"path": "song.mp3", "bytes": b""}), path_of(b"")
    ('song.mp3', None)
    """
    path = recording.get("path") if isinstance(recording, dict) else recording
    return os.fspath(path) if isinstance(path, (str, os.PathLike)) else None


def as_batch(audio: Any, channels_first: bool) -> list[Any]:
    """One recording or several -> a list of recordings. The forms are those of `KobzaFeatureExtractor.__call__`.

    Raises:
        ValueError: no recording, or a bare 2-D array of several rows without channels_first.
    """
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


def read_samples(recording: Any, target_rate: int, sampling_rate: int | None = None) -> Iterator[torch.Tensor]:
    """Stream the samples of a recording, so that a long file needs no more memory than a short one.

    Args:
        recording: any form that the module's docstring lists.
        target_rate: of the returned samples, Hz.
        sampling_rate: of an array, Hz. Not needed for a recording that carries its own; a different one is refused.

    Yields:
        (samples,) float32; for a tensor, on its device.

    Raises:
        ValueError: it is not a recording, cannot be decoded, has no sampling rate, or has two that differ.
    """
    if isinstance(recording, dict):
        recording, own_rate = _open_dict(recording)
        sampling_rate = _single_rate(own_rate, sampling_rate)
        if sampling_rate is None and not has_sampling_rate(recording):
            raise ValueError("A recording has no 'sampling_rate': a dict needs 'array' and 'sampling_rate'.")
    if isinstance(recording, (str, bytes, os.PathLike)):
        yield from decode(recording, target_rate)
    elif hasattr(recording, "get_all_samples"):
        samples = recording.get_all_samples()
        yield to_mono(samples.data, _single_rate(samples.sample_rate, sampling_rate), target_rate)
    else:
        yield to_mono(recording, sampling_rate, target_rate)


def _open_dict(recording: dict) -> tuple[Any, int | None]:
    """A dict -> (the array, bytes or path in it, its sampling rate or None)."""
    for key in ("array", "raw"):
        if key in recording:
            return recording[key], recording.get("sampling_rate")
    for key in ("bytes", "path"):
        if recording.get(key) is not None:
            return recording[key], None
    raise ValueError(
        f"A recording given as a dict has the keys {sorted(map(str, recording))}, but needs 'array' and "
        "'sampling_rate', or one of 'bytes' and 'path'."
    )


def _single_rate(own: int | None, given: int | None) -> int | None:
    if own is not None and given is not None and own != given:
        raise ValueError(f"A recording comes with {own} Hz, but sampling_rate is {given}: leave sampling_rate out.")
    return given if own is None else own


def decode(source: str | os.PathLike | bytes, target_rate: int) -> Iterator[torch.Tensor]:
    """Stream the samples of a path or of a file's bytes: (samples,) float32 at the target rate.

    kobza is preferred to soundfile. Both are imported by name at run time, so that whoever passes arrays needs neither.
    """
    for name, decode_with in DECODERS:
        try:
            decoder = importlib.import_module(name)
        except ImportError:
            continue
        yield from decode_with(decoder, source, target_rate)
        return
    raise ValueError(
        "no decoder is installed: run `pip install kobza`, or pass arrays as {'array': ..., 'sampling_rate': ...}"
    )


def _decode_with_kobza(audio: Any, source: str | os.PathLike | bytes, target_rate: int) -> Iterator[torch.Tensor]:
    return map(torch.from_numpy, audio.decode(source, target_rate))


def _decode_with_soundfile(
    soundfile: Any, source: str | os.PathLike | bytes, target_rate: int
) -> Iterator[torch.Tensor]:
    # Blocks of whole seconds that overlap by two: each is resampled with a second of its neighbours on either side,
    # which is then cut off, so that the pieces join as if the whole had been resampled at once
    tail = None
    mixer = Downmixer(target_rate)
    try:
        with soundfile.SoundFile(io.BytesIO(source) if isinstance(source, bytes) else source) as file:
            rate = file.samplerate
            for block in file.blocks(BLOCK_SECONDS * rate, overlap=2 * rate, dtype="float32", always_2d=True):
                samples = to_channels(np.ascontiguousarray(block.T), rate, target_rate)
                yield from _mixed(mixer, samples[:, 0 if tail is None else target_rate : -target_rate])
                tail = samples[:, -target_rate:]
    except (RuntimeError, OSError) as error:  # soundfile's own errors are RuntimeErrors
        raise ValueError(f"{path_of(source) or 'The recording given as bytes'} cannot be read: {error}") from error
    if tail is None:
        raise ValueError(f"{path_of(source) or 'The recording given as bytes'} holds no audio; replace the file.")
    yield from _mixed(mixer, tail)


def _mixed(mixer: Downmixer, channels: torch.Tensor) -> Iterator[torch.Tensor]:
    """(channels, samples) of whole seconds, or the rest -> (samples,) of each second."""
    for block in channels.split(MIXED_SECONDS * mixer.sampling_rate, dim=1):
        yield torch.from_numpy(mixer.mix(block.numpy()))


Decoder = Callable[[Any, str | os.PathLike | bytes, int], Iterator[torch.Tensor]]
# Modules in order of preference, and how to decode with each
DECODERS: tuple[tuple[str, Decoder], ...] = (
    ("kobza.audio", _decode_with_kobza),
    ("soundfile", _decode_with_soundfile),
)


def to_mono(audio: Any, sampling_rate: int | None, target_rate: int) -> torch.Tensor:
    """Resample an array, a tensor or a list of numbers and mix its channels down: (samples,) float32. Arguments and
    errors are those of `to_channels`."""
    channels = to_channels(audio, sampling_rate, target_rate)
    if len(channels) == 1:
        return channels[0]
    return torch.from_numpy(downmix(channels.cpu().numpy(), target_rate)).to(channels.device)


def to_channels(audio: Any, sampling_rate: int | None, target_rate: int) -> torch.Tensor:
    """Resample each channel of an array, a tensor or a list of numbers.

    Args:
        audio: (samples,) or (channels, samples).
        sampling_rate, target_rate: of the input and of the output, Hz.

    Returns:
        (channels, samples) float32.

    Raises:
        ValueError: no sampling rate; NaN or infinity; empty, (samples, channels), or not a waveform.
    """
    if sampling_rate is None:
        raise ValueError(f"The sampling rate is missing: pass sampling_rate=..., in Hz, e.g. {target_rate}.")
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
        raise ValueError(f"A recording of type {wave.dtype} is not a waveform: pass integers or real numbers.")
    if not wave.is_floating_point():
        signed = wave.dtype.is_signed
        half_range = (torch.iinfo(wave.dtype).max + 1) / (1 if signed else 2)
        wave = wave.to(torch.float32) / half_range - (0 if signed else 1)
    wave = wave.to(torch.float32)
    if not torch.isfinite(wave).all():
        raise ValueError("A recording contains NaN or infinite samples: decode it again, or leave it out.")
    return torch.stack([resample(channel, int(sampling_rate), target_rate) for channel in torch.atleast_2d(wave)])


def _from_numpy(audio: Any) -> torch.Tensor:
    try:
        array = np.array(audio, dtype=np.float32 if isinstance(audio, (list, tuple)) else None)
        return torch.from_numpy(array.astype(array.dtype.newbyteorder("="), copy=False))
    except (TypeError, ValueError) as error:
        raise ValueError(
            f"A recording of type {type(audio).__name__} is not a waveform: pass an array of samples."
        ) from error
