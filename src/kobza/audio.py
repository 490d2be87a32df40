"""Decode any recording to mono samples at one rate, as a stream, and cut it into windows.

    file --PyAV--> frames --FFmpeg's filters: mean of channels, resample--> chunks of 1 s --> windows of 10 s

Nothing here holds a whole recording except `load_audio`: a file of three hours takes the memory of a short one.
"""

import contextlib
import io
import os
import stat
from collections.abc import Iterable, Iterator
from fractions import Fraction
from pathlib import Path
from typing import BinaryIO

import av
import numpy as np
from av.filter import Graph

from kobza.errors import KobzaError

Source = str | Path | bytes | BinaryIO

# Which files of a folder are taken for music.
AUDIO_EXTENSIONS = frozenset(
    "." + name
    for name in (
        *("mp3", "mp2", "flac", "ogg", "oga", "opus", "m4a", "m4b", "aac", "wav", "w64"),
        *("aif", "aiff", "aifc", "wma", "ape", "wv", "tta", "mka", "caf", "au"),
    )
)
# FFmpeg also "plays" playlists, subtitles and scripts, some of which open further files or addresses. Only containers
# of sound are let in; names as FFmpeg's demuxers have them.
DEMUXERS = "mp3,flac,ogg,mov,mp4,m4a,aac,wav,w64,aiff,asf,ape,wv,tta,matroska,webm,caf,au"
# These headers say how long the recording is (others make FFmpeg guess), so a cut file can be told from a short one; of
# a cut wav or wma FFmpeg says only what is left.
HEADER_KNOWS_LENGTH = {"flac", "wav", "aiff", "asf", "mov,mp4,m4a,3gp,3g2,mj2"}
TICK = Fraction(1, 1_000_000)  # a filter wants a unit of time, which nothing here uses
SETTLING_SECONDS = 1.0
MAX_RATE = 3_000_000  # above all that is sold; a resampler from 2 GHz would want gigabytes
MAX_HOURS = 100  # more than any book read aloud; a few bytes can claim, or unpack to, years
# Tags that are not UTF-8 must not keep a recording from being read. PyAV 19 has no such argument: it reads tags only
# when they are asked for.
OPEN_ARGUMENTS = {} if int(av.__version__.split(".")[0]) >= 19 else {"metadata_errors": "ignore"}
MAX_BAD_READS = 100  # a container that fails this often in reading has nothing more to give


class AudioError(KobzaError):
    """A recording cannot be used. The message is one sentence: the file, the reason, what to do."""


def printable(path: str | Path) -> str:
    """The path as text that prints on any terminal: control characters and bytes that are no UTF-8 as escapes."""
    text = os.fsencode(path).decode("utf-8", "backslashreplace")
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in text)


class _Named:
    """A binary stream under a harmless name: PyAV shows FFmpeg the name, which it takes for a hint and not a path.

    It ends where it ended at first: a file that is still being written could go on for ever.
    """

    def __init__(self, stream: BinaryIO, name: str, size: int):
        self.name, self.size, self.stream = name, size, stream
        self.tell = stream.tell

    def read(self, size: int) -> bytes:
        return self.stream.read(max(0, min(size, self.size - self.tell())))

    def seek(self, offset: int, whence: int) -> int:
        if whence == os.SEEK_END:
            offset, whence = self.size + offset, os.SEEK_SET
        return self.stream.seek(offset, whence)


def _open(source: Source) -> tuple[BinaryIO, str, str, bool]:
    """-> (stream, what to call it in a sentence, its extension, whether it is ours to close)."""
    if isinstance(source, (bytes, bytearray, memoryview)):
        return io.BytesIO(source), "The recording given as bytes", "", True
    if hasattr(source, "read"):
        return source, "The recording given as a stream", "", False
    name = printable(source)
    try:
        # Asked before opening: to open a FIFO is to wait for its writer, maybe for ever.
        if not stat.S_ISREG(os.stat(source).st_mode):
            raise AudioError(f"{name} is not a regular file; give the path of a recording.")
        return open(source, "rb"), name, Path(source).suffix.lower(), True
    except OSError as error:
        raise AudioError(f"{name} cannot be opened ({error.strerror}); check the path and its permissions.") from error


def _packets(container, stream) -> Iterator["av.Packet | None"]:
    """The stream's packets; None for each place where the container could not be read."""
    bad = 0
    while bad < MAX_BAD_READS:
        try:
            yield from container.demux(stream)
            return
        except av.FFmpegError:
            bad += 1
            yield None


def _seek(container, stream, start: float) -> None:
    """Go to just before `start`: decoders need a moment to settle. Where that fails, all before it gets decoded."""
    with contextlib.suppress(av.FFmpegError):
        begins = float((stream.start_time or 0) * stream.time_base)
        container.seek(max(0, round((begins + start - SETTLING_SECONDS) * av.time_base)))


def _early(frame: av.AudioFrame, stream, start: float) -> int:
    """How many samples, from the frame's first on, lie before `start`; 0 where a frame does not say when it is."""
    if not start or frame.pts is None:
        return 0
    before = start - float(frame.pts * frame.time_base - (stream.start_time or 0) * stream.time_base)
    return max(0, round(before * frame.sample_rate))


def _frames(container, name: str, start: float) -> Iterator[tuple[av.AudioFrame, int]]:
    """The decoded frames from `start` on, each with the number of its samples that are to be left out; damaged packets
    are skipped, if they are the lesser part."""
    stream = container.streams.best("audio")
    if stream is None:
        raise AudioError(f"{name} has no audio stream; give a recording.")
    if stream.rate and stream.rate > MAX_RATE:
        raise AudioError(
            f"{name} says it has {stream.rate} samples a second, which no recording has; replace the file."
        )
    if start:
        _seek(container, stream, start)
    declared = (container.duration or 0) / av.time_base
    knows_length = container.format.name in HEADER_KNOWS_LENGTH
    good = bad = 0
    seconds = 0.0
    for packet in _packets(container, stream):
        try:
            frames = packet.decode() if packet is not None else None
        except (av.FFmpegError, ValueError):
            frames = None
        if frames is None:
            bad += 1
            continue
        good += 1
        if start + max(seconds, declared if knows_length else 0) > MAX_HOURS * 3600:
            raise AudioError(f"{name} is longer than {MAX_HOURS} hours; cut it into several recordings.")
        for frame in frames:
            if frame.samples:
                seconds += frame.samples / frame.sample_rate
                if (early := _early(frame, stream, start)) < frame.samples:
                    yield frame, early
    if seconds == 0 and not start:  # the recording may end before
        raise AudioError(f"{name} holds no audio that can be decoded (empty or damaged); replace the file.")
    if bad > good:
        raise AudioError(f"{name} is damaged: {bad} of its {bad + good} packets cannot be decoded; replace the file.")
    if knows_length and start + seconds < declared / 2:
        raise AudioError(
            f"{name} is cut off: {seconds:.1f} s of its {declared:.1f} s can be decoded; replace the file."
        )


class _Mono:
    """FFmpeg's filters from frames of one kind to mono chunks of a second; all in C, so decoding threads run side by
    side, and one running resampler, so that no seam is heard."""

    def __init__(self, frame: av.AudioFrame, early: int, sampling_rate: int):
        channels = len(frame.layout.channels)
        # The mean is spelt out because FFmpeg's own stereo-to-mono is (L + R) / sqrt(2): 3 dB too loud, clipping.
        mean = "+".join(f"{1 / channels!r}*c{i}" for i in range(channels))
        self.graph = Graph()
        # No threads of FFmpeg's: these filters do not use them, and a process forked off (a DataLoader's worker, say)
        # would wait for them for ever when it frees the graph.
        self.graph.threads = 1
        steps = [
            self.graph.add_abuffer(
                sample_rate=frame.sample_rate, format=frame.format.name, layout=frame.layout.name, time_base=TICK
            ),
            self.graph.add("atrim", f"start_sample={early}"),
            self.graph.add("aformat", "sample_fmts=fltp"),
            self.graph.add("pan", f"mono|c0={mean}"),
            self.graph.add("aresample", str(sampling_rate)),
            self.graph.add("asetnsamples", f"n={sampling_rate}:p=0"),
            self.graph.add("abuffersink"),
        ]
        self.graph.link_nodes(*steps).configure()
        self.rate, self.waiting = frame.sample_rate, 0

    def push(self, frame: av.AudioFrame | None) -> Iterator[np.ndarray]:
        """What is ready after this frame; after None, all that is left."""
        if frame is not None:
            frame.pts = None  # times in a damaged file jump about; samples follow each other
            self.waiting += frame.samples
        self.graph.push(frame)
        if frame is not None and self.waiting < self.rate:
            return  # there is no second yet, and to ask in vain costs more than to decode
        self.waiting = 0
        with contextlib.suppress(av.BlockingIOError, av.EOFError):
            while True:
                yield self.graph.pull().to_ndarray()[0]


def _mono(frames: Iterable[tuple[av.AudioFrame, int]], sampling_rate: int) -> Iterator[np.ndarray]:
    """Frames to mono chunks. One mp3 after another in a file: each may have its own rate and channels."""
    filters, kind = None, None
    for frame, early in frames:
        now = frame.sample_rate, frame.format.name, frame.layout.name
        if now != kind:
            if filters is not None:
                yield from filters.push(None)
            filters, kind = _Mono(frame, early, sampling_rate), now
        yield from filters.push(frame)
    if filters is not None:
        yield from filters.push(None)


@contextlib.contextmanager
def _container(source: Source) -> Iterator[tuple["av.container.InputContainer", str]]:
    """The opened recording and what to call it; what FFmpeg says against it becomes a sentence."""
    stream, name, extension, ours = _open(source)
    try:
        size = stream.seek(0, os.SEEK_END)
        if size == 0:
            raise AudioError(f"{name} is empty; replace the file.")
        stream.seek(0)
        hint = _Named(stream, "recording" + (extension if extension in AUDIO_EXTENSIONS else ""), size)
        options = {"format_whitelist": DEMUXERS}
        with av.open(hint, options=options, buffer_size=1 << 17, **OPEN_ARGUMENTS) as container:
            yield container, name
    except (av.FFmpegError, OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or error
        raise AudioError(f"{name} cannot be read as a recording ({reason}); replace or convert it.") from error
    finally:
        if ours:
            stream.close()


def decode(source: Source, sampling_rate: int = 16000, start: float = 0.0) -> Iterator[np.ndarray]:
    """Decode a recording as a stream of mono chunks.

    Args:
        source: a path, the bytes of a file, or a binary stream that can seek (left open).
        sampling_rate: of the samples given back, in Hz.
        start: in seconds; what comes before is left out and, where the container can seek, not decoded.

    Yields:
        (samples,) float32 of about one second each; joined they are the recording, the same every time.

    Raises:
        AudioError: no audio in it, cut off, mostly damaged, or samples that are no numbers. Some of it may have been
            yielded before: the end of a file shows only at its end.
    """
    with _container(source) as (container, name):
        empty = True
        for chunk in _mono(_frames(container, name, start), sampling_rate):
            if not np.isfinite(chunk).all():
                raise AudioError(f"{name} has samples that are not finite numbers; export the recording again.")
            empty = empty and not len(chunk)
            yield chunk
        if empty and not start:
            raise AudioError(f"{name} is too short to make a sample at {sampling_rate} Hz; give a longer recording.")


def windows(
    chunks: Iterable[np.ndarray],
    sampling_rate: int = 16000,
    window_seconds: float = 10.0,
    min_window_seconds: float = 1.0,
) -> Iterator[tuple[float, np.ndarray]]:
    """Cut a stream of samples into consecutive windows.

    Yields:
        (start in seconds, (samples,) float32). All are `window_seconds` long but the last, which is dropped when
        shorter than `min_window_seconds`, unless it is all there is. Where chunks begin and end makes no difference.
    """
    size = round(window_seconds * sampling_rate)
    held, length, start = [], 0, 0
    for chunk in chunks:
        held.append(chunk)
        length += len(chunk)
        if length < size:
            continue
        joined = np.concatenate(held)
        whole = length - length % size
        for offset in range(0, whole, size):
            yield start / sampling_rate, joined[offset : offset + size]
            start += size
        held, length = [joined[whole:].copy()], length - whole
    if length and (start == 0 or length >= min_window_seconds * sampling_rate):
        yield start / sampling_rate, np.concatenate(held)


def load_audio(source: Source, sampling_rate: int = 16000) -> np.ndarray:
    """The whole recording at once: (samples,) float32, mono. Arguments and errors are those of `decode`."""
    return np.concatenate(list(decode(source, sampling_rate)))


def excerpt(source: Source, start: float, seconds: float, sampling_rate: int = 16000) -> np.ndarray:
    """At most `seconds` from `start` on: (samples,) float32, mono. The rest is not decoded. Errors as for `decode`."""
    size = round(seconds * sampling_rate)
    held, length = [np.zeros(0, np.float32)], 0
    for chunk in decode(source, sampling_rate, start):
        held.append(chunk)
        length += len(chunk)
        if length >= size:
            break
    return np.concatenate(held)[:size]


def declared_seconds(source: Source) -> float | None:
    """How long a recording is by its header, which may err; None if it does not say. Errors as for `decode`."""
    with _container(source) as (container, _):
        return container.duration / av.time_base if container.duration else None
