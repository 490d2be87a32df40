"""Tempo, key, loudness and energy of recordings, found while they are decoded.

    decoded frames --FFmpeg's ebur128--> loudness of the whole recording
    mono samples --at most 3 minutes from the middle--> a process of its own (`analysis_worker`) --> tempo, key, energy

An analysis that fails leaves its values unknown, and never fails a recording.
"""

import contextlib
import json
import os
import subprocess
import sys
import threading
from collections import deque
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from kobza.extras import require
from kobza.library.ingest.analysis_worker import HEADER
from kobza.library.musical_key import musical_key
from kobza.library.records import Track

SAMPLING_RATE = 16000  # Hz; tempo and key are as good as at 44.1 kHz, see docs/benchmarks.md
MAX_SECONDS = 180.0  # 12 MB of samples, whatever the length of a recording
TIMEOUT_SECONDS = 40.0  # less than the decoding threads wait for a window
WORKER = Path(__file__).with_name("analysis_worker.py")


class Analysis(NamedTuple):
    """Units as in `Track`; None and "" are unknown. Only an analysis that failed leaves the energy unknown."""

    bpm: float | None = None
    key: str = ""
    loudness: float | None = None
    energy: float | None = None


NOT_ANALYSED = Analysis()


def require_analyzer() -> None:
    """MissingPackageError: the extra is not installed."""
    require("sonara", "--analyze", "analysis")


def with_analysis(track: Track, analysis: Analysis) -> Track:
    """The track with what was found; tempo and key that its tags say stay.

    >>> with_analysis(Track("a.mp3", bpm=120.0), Analysis(60.0, "A minor", -14.0, 0.4)).bpm
    120.0
    """
    return replace(
        track,
        bpm=track.bpm if track.bpm else analysis.bpm,
        key=track.key or analysis.key,
        loudness=track.loudness if analysis.loudness is None else analysis.loudness,
        energy=track.energy if analysis.energy is None else analysis.energy,
    )


class MiddleSamples:
    """Keeps at most `MAX_SECONDS` of a stream of samples: those around the middle, if the length is known before.

    `seconds` is that of the header and may be wrong: then they are the last ones.
    """

    def __init__(self, sampling_rate: int, seconds: float):
        self.size = round(MAX_SECONDS * sampling_rate)
        self.end = self.size + max(0, round(seconds * sampling_rate) - self.size) // 2  # in samples
        self._chunks: deque[np.ndarray] = deque()
        self._kept = 0
        self._position = 0

    def add(self, chunk: np.ndarray) -> None:
        part = chunk[: max(0, self.end - self._position)]
        self._position += len(chunk)
        if len(part):
            self._chunks.append(part)
            self._kept += len(part)
        while self._kept - len(self._chunks[0] if self._chunks else ()) >= self.size:
            self._kept -= len(self._chunks.popleft())

    def samples(self) -> np.ndarray:
        """(n,) float32"""
        return np.concatenate([np.zeros(0, np.float32), *self._chunks])[-self.size :]


class Analyzer:
    """One recording: give `meter` to `decode`, every chunk to `add`, then take `result`."""

    def __init__(self, sampling_rate: int, seconds: float):
        from kobza.loudness import LoudnessMeter  # with PyAV, which a search does not need

        self.sampling_rate = sampling_rate
        self.meter = LoudnessMeter()
        self._middle = MiddleSamples(sampling_rate, seconds)

    def add(self, chunk: np.ndarray) -> None:
        self._middle.add(chunk)

    def result(self) -> Analysis:
        found = _ask_worker(self._middle.samples(), self.sampling_rate)
        return Analysis(found.get("bpm"), musical_key(found.get("key") or ""), self.meter.result(), found.get("energy"))


_idle_workers: list["subprocess.Popen[bytes]"] = []  # they end by themselves
_lock = threading.Lock()


def _forget_workers() -> None:
    """In a forked process: they answer the one that started them."""
    global _lock
    _lock = threading.Lock()
    _idle_workers.clear()


os.register_at_fork(after_in_child=_forget_workers)


def end_idle_workers() -> None:
    """Wait until the workers that are idle have ended; a later question starts new ones."""
    while _idle_workers:
        _idle_workers.pop().communicate()


@contextlib.contextmanager
def _worker() -> Iterator["subprocess.Popen[bytes]"]:
    """A worker for one question: an idle one, or a new one. It is killed if the question fails."""
    worker = None
    with _lock:
        while _idle_workers and worker is None:
            worker = _idle_workers.pop()
            if worker.poll() is not None:
                worker = None
    if worker is None:
        # -P: the folder of the program is not searched for imports, for it has a copy.py
        command = [sys.executable, "-P", str(WORKER)]
        worker = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    timer = threading.Timer(TIMEOUT_SECONDS, worker.kill)
    timer.daemon = True
    timer.start()
    try:
        yield worker
    except BaseException:
        worker.kill()
        worker.wait()
        raise
    finally:
        timer.cancel()
    with _lock:
        _idle_workers.append(worker)


def _ask_worker(samples: np.ndarray, sampling_rate: int) -> dict[str, Any]:
    """The worker's answer; {} if there is none."""
    if not len(samples) or not np.isfinite(samples).all():
        return {}
    try:
        with _worker() as worker:
            assert worker.stdin is not None and worker.stdout is not None
            worker.stdin.write(HEADER.pack(sampling_rate, len(samples)))
            worker.stdin.write(np.ascontiguousarray(samples, "<f4").data)
            worker.stdin.flush()
            answer = json.loads(worker.stdout.readline())
        return {} if "error" in answer else answer
    except (OSError, ValueError):
        return {}
