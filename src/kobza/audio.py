"""Decode any recording to mono samples at one rate, as a stream, and cut it into windows.

    file --PyAV--> frames --FFmpeg's resampler, downmix--> chunks of 1 s --> windows of 10 s
          (libsndfile where FFmpeg refuses a file)

Only `load_audio` holds a whole recording: otherwise a file of three hours takes no more memory than a short one.
Both decoders are imported when something is decoded: a search, which needs none, would start a tenth later.
"""

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

import numpy as np

from kobza.audio_formats import AUDIO_EXTENSIONS
from kobza.audio_source import NOT_FINITE, AudioError, RefusedError, Source, printable

if TYPE_CHECKING:
    from kobza.audio_digest import AudioDigest
    from kobza.loudness import LoudnessMeter

__all__ = [
    "AUDIO_EXTENSIONS",
    "AudioError",
    "Source",
    "chapters",
    "declared_seconds",
    "decode",
    "excerpt",
    "load_audio",
    "printable",
    "windows",
]


def decode(
    source: Source,
    sampling_rate: int = 16000,
    start: float = 0.0,
    meter: "LoudnessMeter | None" = None,
    digest: "AudioDigest | None" = None,
) -> Iterator[np.ndarray]:
    """Decode a recording as a stream of mono chunks.

    Args:
        source: a path, the bytes of a file, or a binary stream that can seek (left open).
        sampling_rate: of the returned samples, in Hz.
        start: in seconds; what comes before is left out and, if the container can seek, not decoded.
        meter: measures the loudness on the way.
        digest: gets the packets on the way, from `start` on.

    Yields:
        (samples,) float32 of about one second each; concatenated, they are the recording, the same every time.

    Raises:
        AudioError: no audio, truncated, mostly damaged, or samples that are not finite. Chunks may have been yielded
            before: that a file is truncated shows only at its end.
    """
    from kobza.sndfile import decode_mono

    is_empty = True
    try:
        for chunk in _ffmpeg_chunks(source, sampling_rate, start, meter, digest):
            is_empty = is_empty and not len(chunk)
            yield chunk
    except RefusedError:
        if not is_empty:
            raise
        for chunk in decode_mono(source, sampling_rate, start):
            is_empty = is_empty and not len(chunk)
            yield chunk
        if is_empty:
            raise


def _ffmpeg_chunks(
    source: Source,
    sampling_rate: int,
    start: float,
    meter: "LoudnessMeter | None",
    digest: "AudioDigest | None",
) -> Iterator[np.ndarray]:
    from kobza.ffmpeg import mono_chunks, open_container, read_frames

    with open_container(source) as (container, name):
        is_empty = True
        frames = read_frames(container, name, start, digest)
        for chunk in mono_chunks(frames if meter is None else meter.frames(frames), sampling_rate):
            if not np.isfinite(chunk).all():
                raise AudioError(f"{name} {NOT_FINITE}")
            is_empty = is_empty and not len(chunk)
            yield chunk
        if is_empty and not start:
            raise AudioError(f"{name} is too short for a single sample at {sampling_rate} Hz; give a longer recording.")


def windows(
    chunks: Iterable[np.ndarray],
    sampling_rate: int = 16000,
    window_seconds: float = 10.0,
    min_window_seconds: float = 1.0,
) -> Iterator[tuple[float, np.ndarray]]:
    """Cut a stream of samples into consecutive windows.

    Yields:
        (start in seconds, (samples,) float32). All are `window_seconds` long except the last, which is dropped if
        shorter than `min_window_seconds`, unless it is the only one. The sizes of the chunks make no difference.

    >>> for start, samples in windows([np.zeros(25)], 1, 10.0, 6.0):
    ...     print(start, len(samples))
    0.0 10
    10.0 10
    """
    size = round(window_seconds * sampling_rate)
    pending: list[np.ndarray] = []
    length = 0  # samples in `pending`
    start = 0  # its first sample
    for chunk in chunks:
        pending.append(chunk)
        length += len(chunk)
        if length < size:
            continue
        joined = np.concatenate(pending)
        whole = length - length % size
        for offset in range(0, whole, size):
            yield start / sampling_rate, joined[offset : offset + size]
            start += size
        pending = [joined[whole:].copy()]
        length -= whole
    if length and (start == 0 or length >= min_window_seconds * sampling_rate):
        yield start / sampling_rate, np.concatenate(pending)


def load_audio(source: Source, sampling_rate: int = 16000) -> np.ndarray:
    """The whole recording at once: (samples,) float32, mono. Arguments and errors are those of `decode`."""
    return np.concatenate(list(decode(source, sampling_rate)))


def excerpt(source: Source, start: float, seconds: float, sampling_rate: int = 16000) -> np.ndarray:
    """At most `seconds` from `start` on: (samples,) float32, mono. The rest is not decoded. Errors as for `decode`."""
    size = round(seconds * sampling_rate)
    chunks = [np.zeros(0, np.float32)]
    length = 0
    for chunk in decode(source, sampling_rate, start):
        chunks.append(chunk)
        length += len(chunk)
        if length >= size:
            break
    return np.concatenate(chunks)[:size]


def declared_seconds(source: Source) -> float | None:
    """The length of a recording by its header, which may be wrong; None if it has none. Errors as for `decode`."""
    import av

    from kobza.ffmpeg import open_container

    with open_container(source) as (container, _):
        return container.duration / av.time_base if container.duration else None


def chapters(source: Source) -> list[tuple[float, float, str]]:
    """The chapters of a recording: (start and end in seconds, title or ""), in order. Errors as for `decode`."""
    from kobza.ffmpeg import open_container

    with open_container(source) as (container, _):
        found = [
            (
                float(chapter["start"] * chapter["time_base"]),
                float(chapter["end"] * chapter["time_base"]),
                next((str(text) for name, text in chapter["metadata"].items() if name.lower() == "title"), ""),
            )
            for chapter in container.chapters()
        ]
    return sorted(found)
