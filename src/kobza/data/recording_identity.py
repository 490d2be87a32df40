"""Keys by which a recording is recognized in another file, folder or data set: 64 bits each, the same on any machine.

    the recording that a table names     "youtube:-0Gj8-vB1q4", "jamendo:1009607"
    the sound of a file                   FLAC, WAV, AIFF ...: its samples; MP3, AAC, Opus ...: its packets

Of the sound the beginning is taken, so that a long recording costs as much as a clip: ten seconds after the silence
that it begins with, or `KEY_PACKETS`.

So a recording is found under other names and tags, in another container (m4a, mp4), and as FLAC instead of WAV; of a
video any clip counts as the video. What was encoded again or cut otherwise has another key: that is what comparing
embeddings is for (`kobza.evaluation.near_duplicates`).
"""

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from hashlib import blake2b, sha256
from itertools import islice
from pathlib import Path
from typing import Any

import av
import numpy as np

from kobza.audio import Source
from kobza.audio_source import AudioError, opened
from kobza.data.recordings import Recording
from kobza.ffmpeg import open_container

KEY_BYTES = 8
KEY_DTYPE = np.dtype("<u8")
KEY_SECONDS = 10
KEY_PACKETS = 1500  # 30 s of Opus, 39 s of MP3; more than of samples, as silence cannot be told from sound
THREADS = 4  # PyAV releases the GIL
# column of a table: the namespace of its ids
SOURCE_COLUMNS = {"ytid": "youtube", "youtube_id": "youtube", "jamendo_id": "jamendo", "sound_id": "freesound"}


def source_of(row: Mapping[str, Any]) -> str | None:
    """The recording that a table's row names, whatever its file is called.

    >>> source_of({"ytid": "-0Gj8-vB1q4", "start_s": 30}), source_of({"file_name": "a.mp3"})
    ('youtube:-0Gj8-vB1q4', None)
    """
    return next((f"{space}:{row[column]}" for column, space in SOURCE_COLUMNS.items() if row.get(column)), None)


def source_key(source: str) -> int:
    """The key of a recording's name.

    >>> source_key("youtube:-0Gj8-vB1q4")
    17849095359541693059
    """
    return int.from_bytes(sha256(source.encode()).digest()[:KEY_BYTES], "little")


def sound_key(source: Source) -> int:
    """The key of a file's sound; of what FFmpeg cannot read, that of its bytes.

    Raises:
        UnreadableError: the file cannot be opened.
    """
    try:
        return _container_key(source)
    except (AudioError, ValueError, av.FFmpegError):
        with opened(source) as (stream, _, _):
            stream.seek(0)
            digest = blake2b(digest_size=KEY_BYTES)
            while block := stream.read(1 << 20):
                digest.update(block)
            return int.from_bytes(digest.digest(), "little")


def _container_key(source: Source) -> int:
    digest = blake2b(digest_size=KEY_BYTES)
    with open_container(source) as (container, name):
        stream: Any = container.streams.best("audio")  # its parts are those of an audio stream, which the type lacks
        if stream is None:
            raise AudioError(f"{name} has no audio stream; give a recording.")
        context = stream.codec_context
        if not stream.codec.lossless:
            for packet in islice(container.demux(stream), KEY_PACKETS):
                digest.update(bytes(packet))
            return int.from_bytes(digest.digest(), "little")
        digest.update(f"{context.sample_rate} {context.layout.nb_channels}".encode())
        missing = KEY_SECONDS * context.sample_rate
        frames: Any = container.decode(stream)
        for frame in frames:
            samples = frame.to_ndarray()  # (channels, samples), or (1, samples x channels) where they are interleaved
            samples = samples.T if frame.format.is_planar else samples.reshape(-1, context.layout.nb_channels)
            if missing == KEY_SECONDS * context.sample_rate:  # the silence that a recording begins with does not count
                samples = samples[np.argmax(samples.any(axis=1)) if samples.any() else len(samples) :]
            if samples.dtype == np.int16:  # as in a file of 24 or 32 bits
                samples = samples.astype(np.int32) << 16
            digest.update(np.ascontiguousarray(samples[:missing]).tobytes())
            missing -= len(samples)
            if missing <= 0:
                break
    return int.from_bytes(digest.digest(), "little")


def keys_of(recording: Recording, sound: int | None = None) -> list[int]:
    """All keys of a recording; `sound`: that of its sound, if it is known. None of the sound if its file is gone."""
    keys = [source_key(recording.source)] if recording.source else []
    try:
        return [*keys, sound_key(recording.path) if sound is None else sound]
    except AudioError:
        return keys


def keys_of_all(recordings: Sequence[Recording], sounds: Mapping[Path, int] | None = None) -> list[list[int]]:
    """The keys of each of the recordings; of several captions of one the sound is read once.

    Args:
        sounds: the keys of files' sounds, where they are known.
    """
    different = {recording.path: recording for recording in recordings}
    known = [(sounds or {}).get(path) for path in different]
    with ThreadPoolExecutor(THREADS) as pool:
        found = dict(zip(different, pool.map(keys_of, different.values(), known), strict=True))
    return [found[recording.path] for recording in recordings]


def key_rows(keys: Sequence[Sequence[int]]) -> np.ndarray:
    """The keys of n recordings as (n, 2); one key is there twice. Recordings without a key are left out.

    >>> key_rows([[5, 6], [7], []]).tolist()
    [[5, 6], [7, 7]]
    """
    return np.array([(some[0], some[-1]) for some in keys if some], KEY_DTYPE).reshape(-1, 2)
