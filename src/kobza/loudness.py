"""Integrated loudness (ITU-R BS.1770-4, EBU R 128) of a recording while it is decoded, by FFmpeg's filter ebur128.

It measures the decoded frames, with their channels and their sampling rate, before the downmix: of the 16 kHz mono that
models hear it would be 3 LU too low for wide stereo, and minus infinity for opposite phases.
"""

import contextlib
import math
from collections.abc import Iterable, Iterator
from fractions import Fraction

import av
from av.filter import Graph

MIN_SECONDS = 0.4  # the length of a block; of less there is no loudness
SILENCE_LUFS = -70.0  # the absolute gate: blocks below it do not count, so nothing can be quieter
INTEGRATED = "lavfi.r128.I"
TIME_BASE = Fraction(1, 1_000_000)  # required by the filter graph, but unused


def mean_loudness(parts: Iterable[tuple[float, float]]) -> float:
    """(LUFS, seconds) of parts -> LUFS of the whole: the mean of their power.

    >>> round(mean_loudness([(-10.0, 5.0), (-70.0, 5.0)]), 1)
    -13.0
    """
    powers = [(10 ** (lufs / 10), seconds) for lufs, seconds in parts]
    total = sum(seconds for _, seconds in powers)
    power = sum(power * seconds for power, seconds in powers) / total if total else 0.0
    return max(SILENCE_LUFS, 10 * math.log10(power)) if power else SILENCE_LUFS


class LoudnessMeter:
    """Measures the frames that pass through `frames`. A file whose format changes is measured in parts."""

    def __init__(self) -> None:
        self._graph: Graph | None = None
        self._format: tuple[int, str, str] | None = None
        self._parts: list[tuple[float, float]] = []
        self._unmeasurable = False
        self._lufs = SILENCE_LUFS
        self._samples = 0
        self._waiting = 0

    def frames(self, frames: Iterable[tuple[av.AudioFrame, int]]) -> Iterator[tuple[av.AudioFrame, int]]:
        """The same frames, each with the number of its first samples to drop, as `ffmpeg.read_frames` gives them."""
        for frame, early in frames:
            try:
                self._push(frame)
            except (av.FFmpegError, ValueError):  # such as an odd layout: the recording is decoded all the same
                self._unmeasurable = True
            yield frame, early
        self._end_part()

    def result(self) -> float | None:
        """LUFS; None if it cannot be measured, or the recording is shorter than `MIN_SECONDS`."""
        seconds = sum(part_seconds for _, part_seconds in self._parts)
        return mean_loudness(self._parts) if seconds >= MIN_SECONDS and not self._unmeasurable else None

    def _push(self, frame: av.AudioFrame) -> None:
        if self._unmeasurable:
            return
        audio_format = frame.sample_rate, frame.format.name, frame.layout.name
        if audio_format != self._format:
            self._end_part()
            self._graph = _meter_graph(frame)
            self._format = audio_format
        assert self._graph is not None
        frame.pts = None  # time stamps of a damaged file may jump; samples are consecutive
        self._graph.push(frame)
        self._samples += frame.samples
        self._waiting += frame.samples
        if self._waiting >= frame.sample_rate:  # a second; a failed pull costs more than measuring
            self._waiting = 0
            self._pull()

    def _pull(self) -> None:
        with contextlib.suppress(av.BlockingIOError, av.EOFError):
            while self._graph is not None:
                value = float(self._graph.pull().metadata.get(INTEGRATED, "nan"))  # absent after a part of a block
                self._lufs = max(value, SILENCE_LUFS) if math.isfinite(value) else self._lufs

    def _end_part(self) -> None:
        if self._graph is not None and self._format is not None:
            with contextlib.suppress(av.FFmpegError):
                self._graph.push(None)
            self._pull()
            self._parts.append((self._lufs, self._samples / self._format[0]))
        self._graph, self._format = None, None
        self._lufs, self._samples, self._waiting = SILENCE_LUFS, 0, 0


def _meter_graph(frame: av.AudioFrame) -> Graph:
    graph = Graph()
    graph.threads = 1  # as in `ffmpeg`: a forked process would wait for FFmpeg's threads forever
    graph.link_nodes(
        graph.add_abuffer(
            sample_rate=frame.sample_rate, format=frame.format.name, layout=frame.layout.name, time_base=TIME_BASE
        ),
        graph.add("ebur128", "metadata=1:framelog=quiet"),
        graph.add("abuffersink"),
    ).configure()
    return graph
