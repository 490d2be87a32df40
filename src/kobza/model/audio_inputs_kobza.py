"""Whatever a recording is given as, to samples: mono, float32, at one sampling rate.

    a path, the bytes of a file          read piece by piece, by kobza where it is installed, otherwise by soundfile
    {"path": ..., "bytes": ...}          likewise: `datasets.Audio(decode=False)`; the bytes count, if there are any
    {"array": ..., "sampling_rate": ...} "raw" instead of "array" is understood as well
    torchcodec's AudioDecoder            what `datasets.Audio()` gives
    an array, a tensor or a list         (samples,) or (channels, samples); its sampling rate must be said

Several channels become their mean; integers are scaled by the range of their type.
"""

import importlib
import io
import os
from collections.abc import Iterator

import numpy as np
import torch

from .resampling_kobza import resample

SECONDS_AT_ONCE = 60  # through soundfile


def knows_its_rate(recording) -> bool:
    """Whether a recording comes with its sampling rate; an array, a tensor or a list of numbers does not.

    >>> knows_its_rate("song.mp3"), knows_its_rate([0.0, 0.1])
    (True, False)
    """
    return isinstance(recording, (str, bytes, os.PathLike, dict)) or hasattr(recording, "get_all_samples")


def name_of(recording) -> str | None:
    """The path of a recording that has one."""
    path = recording.get("path") if isinstance(recording, dict) else recording
    return os.fspath(path) if isinstance(path, (str, os.PathLike)) else None


def read(recording, target_rate: int, sampling_rate: int | None = None) -> Iterator[torch.Tensor]:
    """The samples of a recording, piece by piece, so that a long file needs no more memory than a short one.

    Args:
        recording: see the file's docstring. target_rate: of the samples given back, Hz.
        sampling_rate: of an array, Hz. A recording that comes with its rate needs none; a dict or an AudioDecoder whose
            rate is another one is refused.

    Yields:
        (samples,) float32; of a tensor on its device.

    Raises:
        ValueError: it is no recording, cannot be decoded, or has no sampling rate or two.
    """
    if isinstance(recording, dict):
        recording, own_rate = _open_dict(recording)
        sampling_rate = _one_rate(own_rate, sampling_rate)
        if sampling_rate is None and not knows_its_rate(recording):
            raise ValueError("A recording has no 'sampling_rate': a dict needs 'array' and 'sampling_rate'.")
    if isinstance(recording, (str, bytes, os.PathLike)):
        yield from decode(recording, target_rate)
    elif hasattr(recording, "get_all_samples"):
        samples = recording.get_all_samples()
        yield to_mono(samples.data, _one_rate(samples.sample_rate, sampling_rate), target_rate)
    else:
        yield to_mono(recording, sampling_rate, target_rate)


def _open_dict(recording: dict) -> tuple[object, int | None]:
    """(what holds the sound, its sampling rate if that is said) of a dict."""
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


def _one_rate(own: int | None, said: int | None) -> int | None:
    if own is not None and said is not None and own != said:
        raise ValueError(f"A recording comes with {own} Hz, but sampling_rate is {said}: leave sampling_rate out.")
    return said if own is None else own


def decode(source: str | os.PathLike | bytes, target_rate: int) -> Iterator[torch.Tensor]:
    """A path or the bytes of a file -> its samples, piece by piece: (samples,) float32 at the target rate.

    By kobza where it is installed, otherwise by soundfile: both are looked up by name at run time, so that whoever
    passes arrays needs neither.
    """
    for name, how in DECODERS:
        try:
            decoder = importlib.import_module(name)
        except ImportError:
            continue
        yield from how(decoder, source, target_rate)
        return
    raise ValueError(
        "no decoder is installed: run `pip install kobza`, or pass arrays as {'array': ..., 'sampling_rate': ...}"
    )


def _decode_with_kobza(audio, source, target_rate):
    return map(torch.from_numpy, audio.decode(source, target_rate))


def _decode_with_soundfile(soundfile, source, target_rate):
    # Blocks of whole seconds that overlap by two: each is resampled with a second of its neighbours on either side,
    # which is then cut off, so that the pieces join as if the whole had been resampled at once
    tail = None
    try:
        with soundfile.SoundFile(io.BytesIO(source) if isinstance(source, bytes) else source) as file:
            rate = file.samplerate
            for block in file.blocks(SECONDS_AT_ONCE * rate, overlap=2 * rate, dtype="float32", always_2d=True):
                samples = to_mono(block.mean(axis=1), rate, target_rate)  # (samples, channels) -> (samples,)
                yield samples[0 if tail is None else target_rate : -target_rate]
                tail = samples[-target_rate:]
    except (RuntimeError, OSError) as error:  # soundfile's own errors are RuntimeErrors
        raise ValueError(f"{name_of(source) or 'The recording given as bytes'} cannot be read: {error}") from error
    if tail is None:
        raise ValueError(f"{name_of(source) or 'The recording given as bytes'} holds no audio; replace the file.")
    yield tail


DECODERS = (("kobza.audio", _decode_with_kobza), ("soundfile", _decode_with_soundfile))  # modules, the best first


def to_mono(audio, sampling_rate: int | None, target_rate: int) -> torch.Tensor:
    """An array, a tensor or a list of numbers, (samples,) or (channels, samples) -> (samples,) float32, resampled.

    Raises:
        ValueError: no sampling rate; NaN or infinity; empty, (samples, channels), or no waveform at all.
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
        raise ValueError(f"A recording of type {wave.dtype} is no waveform: pass integers or real numbers.")
    if not wave.is_floating_point():
        half = (torch.iinfo(wave.dtype).max + 1) / (1 if wave.dtype.is_signed else 2)
        wave = wave.to(torch.float32) / half - (0 if wave.dtype.is_signed else 1)
    wave = wave.to(torch.float32)
    wave = wave.mean(dim=0) if wave.ndim == 2 else wave  # (channels, samples) -> (samples,)
    if not torch.isfinite(wave).all():
        raise ValueError("A recording contains NaN or infinite samples: decode it again, or leave it out.")
    return resample(wave, int(sampling_rate), target_rate)


def _from_numpy(audio) -> torch.Tensor:
    try:
        array = np.array(audio, dtype=np.float32 if isinstance(audio, (list, tuple)) else None)
        return torch.from_numpy(array.astype(array.dtype.newbyteorder("="), copy=False))
    except (TypeError, ValueError) as error:
        raise ValueError(
            f"A recording of type {type(audio).__name__} is no waveform: pass an array of samples."
        ) from error
