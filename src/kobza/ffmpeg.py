"""FFmpeg through PyAV: open a recording's container, decode its frames, filter them to mono at one rate.

`kobza.audio` is the interface; this module holds what is specific to FFmpeg.
"""

import contextlib
import os
from collections.abc import Iterable, Iterator
from fractions import Fraction
from typing import TYPE_CHECKING, Any, BinaryIO

import av
import numpy as np
from av.filter import Graph

from kobza.audio_formats import AUDIO_EXTENSIONS, DEMUXERS, FORMATS_WITH_LENGTH, PROTECTED, unsupported_format
from kobza.audio_source import AudioError, NamedStream, RefusedError, Source, UnreadableError, opened, wav_end
from kobza.model.downmix_kobza import BLOCK_SECONDS, Downmixer

if TYPE_CHECKING:
    from kobza.audio_digest import AudioDigest

TIME_BASE = Fraction(1, 1_000_000)  # required by the filter graph, but unused: samples are counted instead
DECODER_SETTLING_SECONDS = 1.0  # decoded and dropped after a seek
MAX_SAMPLING_RATE = 3_000_000  # Hz, above any real recording; a resampler from 2 GHz would need gigabytes
MAX_HOURS = 100  # longer than any audio book; a small file can claim, or decode to, years
# Tags that are not UTF-8 must not prevent decoding. PyAV 19 has no such argument: it reads tags only on request.
# The codec tags of protected sound in MP4: Apple's FairPlay, common encryption, Audible
PROTECTED_TAGS = {"drms", "enca", "aavd"}
OPEN_ARGUMENTS: dict[str, Any] = (
    {} if int(av.__version__.split(".")[0]) >= 19 else {"metadata_errors": "surrogateescape"}
)
MAX_FAILED_READS = 100  # after so many, the rest of a container is given up


def _packets(container, stream) -> Iterator["av.Packet | None"]:
    """The stream's packets; None for each failed read of the container."""
    failures = 0
    while failures < MAX_FAILED_READS:
        try:
            yield from container.demux(stream)
            return
        except av.FFmpegError:
            failures += 1
            yield None


def _seek(container, stream, start: float) -> None:
    """Seek to shortly before `start`, since decoders need to settle. If it fails, decoding begins at the start."""
    with contextlib.suppress(av.FFmpegError):
        begins = float((stream.start_time or 0) * stream.time_base)
        container.seek(max(0, round((begins + start - DECODER_SETTLING_SECONDS) * av.time_base)))


def _samples_before(frame: av.AudioFrame, stream, start: float) -> int:
    """How many of the frame's first samples lie before `start`; 0 for a frame without a time stamp."""
    if not start or frame.pts is None:
        return 0
    before = start - float(frame.pts * frame.time_base - (stream.start_time or 0) * stream.time_base)
    return max(0, round(before * frame.sample_rate))


def read_frames(
    container: Any, name: str, start: float, digest: "AudioDigest | None" = None
) -> Iterator[tuple[av.AudioFrame, int]]:
    """Decode the frames from `start` on, each with the number of its first samples to drop; skip damaged packets.

    Args:
        digest: gets every packet that is read.

    Raises:
        AudioError: no audio, mostly damaged packets, truncated, or too long.
    """
    stream = container.streams.best("audio")
    if stream is None:
        raise RefusedError(f"{name} has no audio stream; give a recording.")
    if stream.codec_context.codec_tag in PROTECTED_TAGS:
        raise AudioError(f"{name} is {PROTECTED} (DRM) and cannot be decoded; replace it by an unprotected copy.")
    if stream.rate and stream.rate > MAX_SAMPLING_RATE:
        raise AudioError(
            f"{name} says it has {stream.rate} samples a second, which no recording has; replace the file."
        )
    if start:
        _seek(container, stream, start)
    declared = (container.duration or 0) / av.time_base
    has_length = container.format.name in FORMATS_WITH_LENGTH
    good = bad = 0
    seconds = 0.0
    if digest is not None:
        digest.begin(stream)
    for packet in _packets(container, stream):
        if digest is not None:
            digest.add(packet)
        try:
            frames: list[Any] | None = packet.decode() if packet is not None else None
        except (av.FFmpegError, ValueError):
            frames = None
        if frames is None:
            bad += 1
            continue
        good += 1
        if start + max(seconds, declared if has_length else 0) > MAX_HOURS * 3600:
            raise AudioError(f"{name} is longer than {MAX_HOURS} hours; cut it into several recordings.")
        for frame in frames:
            if frame.samples:
                seconds += frame.samples / frame.sample_rate
                if (early := _samples_before(frame, stream, start)) < frame.samples:
                    yield frame, early
    if seconds == 0 and not start:  # else the recording may end before `start`
        raise RefusedError(f"{name} holds no audio that can be decoded (empty or damaged); replace the file.")
    if bad > good:
        raise AudioError(f"{name} is damaged: {bad} of its {bad + good} packets cannot be decoded; replace the file.")
    if has_length and start + seconds < declared / 2:
        raise AudioError(
            f"{name} is cut off: {seconds:.1f} s of its {declared:.1f} s can be decoded; replace the file."
        )


class _MonoFilter:
    """FFmpeg's filters from frames of one format to mono chunks of a second. They run in C, so that decoding threads
    run in parallel, and with one resampler for all frames, so that there are no seams."""

    def __init__(self, frame: av.AudioFrame, early: int, sampling_rate: int):
        # FFmpeg's own downmix of stereo is (L + R) / sqrt(2): 3 dB too loud, it clips, and opposite phases cancel
        self.mixer = Downmixer(sampling_rate)
        self.graph = Graph()
        # No FFmpeg threads: these filters do not use them, and a forked process (such as a DataLoader's worker) would
        # wait for them forever when it frees the graph.
        self.graph.threads = 1
        steps = [
            self.graph.add_abuffer(
                sample_rate=frame.sample_rate, format=frame.format.name, layout=frame.layout.name, time_base=TIME_BASE
            ),
            self.graph.add("atrim", f"start_sample={early}"),
            self.graph.add("aformat", "sample_fmts=fltp"),
            self.graph.add("aresample", str(sampling_rate)),
            # PyAV cannot read 8 planes and more
            *([self.graph.add("aformat", "sample_fmts=flt")] if frame.layout.nb_channels > 2 else []),
            self.graph.add("asetnsamples", f"n={BLOCK_SECONDS * sampling_rate}:p=0"),
            self.graph.add("abuffersink"),
        ]
        self.graph.link_nodes(*steps).configure()
        self.rate = frame.sample_rate
        self.waiting = 0  # samples pushed since the last pull

    def push(self, frame: av.AudioFrame | None) -> Iterator[np.ndarray]:
        """The chunks that are ready after this frame; after None, the rest."""
        if frame is not None:
            frame.pts = None  # time stamps of a damaged file may jump; samples are consecutive
            self.waiting += frame.samples
        self.graph.push(frame)
        if frame is not None and self.waiting < self.rate:
            return  # less than a second, and a failed pull costs more than decoding
        self.waiting = 0
        with contextlib.suppress(av.BlockingIOError, av.EOFError):
            while True:
                pulled: Any = self.graph.pull()  # a picture, by its type
                samples = pulled.to_ndarray()  # (channels, samples), or interleaved (1, samples x channels)
                if not pulled.format.is_planar:
                    samples = np.ascontiguousarray(samples.reshape(pulled.samples, -1).T)
                yield self.mixer.mix(samples)


def mono_chunks(frames: Iterable[tuple[av.AudioFrame, int]], sampling_rate: int) -> Iterator[np.ndarray]:
    """Frames -> mono chunks. The format may change within a file, as in concatenated mp3s."""
    filters: _MonoFilter | None = None
    previous = None
    for frame, early in frames:
        audio_format = frame.sample_rate, frame.format.name, frame.layout.name
        if filters is None or audio_format != previous:
            if filters is not None:
                yield from filters.push(None)
            filters = _MonoFilter(frame, early, sampling_rate)
            previous = audio_format
        yield from filters.push(frame)
    if filters is not None:
        yield from filters.push(None)


def _refusal(name: str, extension: str, stream: BinaryIO, error: Exception) -> AudioError:
    """The error for what FFmpeg cannot open: it may be of a kind that is not supported, or damaged."""
    stream.seek(0)
    if kind := unsupported_format(extension, stream.read(32)):
        return AudioError(f"{name} is {kind}, a format that is not supported; convert it to FLAC.")
    if isinstance(error, av.ArgumentError):  # FFmpeg knows the format, but it is not among DEMUXERS
        return RefusedError(f"{name} cannot be read as a recording: its format is not supported; convert it to FLAC.")
    return RefusedError(
        f"{name} cannot be read as a recording ({getattr(error, 'strerror', None) or error}); replace or convert it."
    )


@contextlib.contextmanager
def open_container(source: Source) -> Iterator[tuple["av.container.InputContainer", str]]:
    """The opened recording and its name for messages; FFmpeg's errors become AudioErrors."""
    with opened(source) as (stream, name, extension):
        try:
            size = stream.seek(0, os.SEEK_END)
            if size == 0:
                raise AudioError(f"{name} is empty; replace the file.")
            end = wav_end(stream, size)
            stream.seek(0)
            named = NamedStream(stream, "recording" + (extension if extension in AUDIO_EXTENSIONS else ""), end)
            options = {"format_whitelist": DEMUXERS}
            try:
                container = av.open(named, options=options, buffer_size=1 << 17, **OPEN_ARGUMENTS)
            except (av.FFmpegError, UnicodeDecodeError) as error:
                raise _refusal(name, extension, stream, error) from error
            with container:
                yield container, name
        except (av.FFmpegError, OSError, UnicodeDecodeError) as error:
            reason = getattr(error, "strerror", None) or error
            kind = AudioError if isinstance(error, av.FFmpegError | UnicodeDecodeError) else UnreadableError
            raise kind(f"{name} cannot be read as a recording ({reason}); replace or convert it.") from error
