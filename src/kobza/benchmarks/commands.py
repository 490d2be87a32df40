"""Benchmarks of whole commands: the start of a search, and the speed and memory of indexing."""

import contextlib
import multiprocessing
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np

from kobza.benchmarks.audio import TRACK_SECONDS, copy_tracks, synthetic_tracks, thousand_tracks, three_hour_track
from kobza.benchmarks.runner import Measurement


def cold_search() -> list[Measurement]:
    """`kobza search` as a new process, over a library of six tracks."""
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "kobza.cli"]
        library = ["--library", f"{folder}/library"]
        subprocess.run([*command, "index", str(synthetic_tracks()), *library], check=True, capture_output=True)
        times = []
        for _ in range(6):
            start = time.perf_counter()
            subprocess.run([*command, "search", "slow sad piano", *library], check=True, capture_output=True)
            times.append(time.perf_counter() - start)
    median = statistics.median(times[1:])  # the first run reads files into the disk cache
    return [Measurement("cold-search", "kobza search, a new process", "", median, "s", 0.4, lower_is_better=True)]


def indexing() -> list[Measurement]:
    """`kobza index` of 100 tracks of 3 minutes: how busy the cores are, its speed, its memory."""
    with tempfile.TemporaryDirectory() as folder:
        music = copy_tracks(Path(folder) / "music", 100)
        wall, cpu, decoding, peak = _in_new_process(_index, music, Path(folder) / "library")
    cores = len(os.sched_getaffinity(0))
    rate = 100 * TRACK_SECONDS / 3600 / (wall / 60)
    what = "kobza index, 100 tracks"
    note = f"peak memory {peak:.0f} MiB; processor time a track: {decoding / 100:.2f} s decoding, "
    note += f"{(cpu - decoding) / 100:.2f} s else"
    return [
        Measurement("indexing", what, "", rate, "hours of music a minute", 9, note=note),
        Measurement("indexing", f"{what}: cores busy", "", 100 * cpu / cores / wall, "%", 95),
    ]


def cold_index() -> list[Measurement]:
    """`kobza index` of one new recording of 3 minutes as a new process, into a library that exists."""
    times = []
    with tempfile.TemporaryDirectory() as folder:
        for i, path in enumerate(sorted(synthetic_tracks().glob("*.mp3")) * 3):
            copy = Path(folder) / f"{i}.mp3"
            copy.write_bytes(path.read_bytes() + bytes(i))  # so that none is a copy of another
            command = [sys.executable, "-m", "kobza.cli", "index", str(copy), "--library", f"{folder}/library"]
            start = time.perf_counter()
            subprocess.run(command, check=True, capture_output=True)
            times.append(time.perf_counter() - start)
    median = statistics.median(times[1:])  # the first run makes the library, and reads files into the disk cache
    return [Measurement("cold-index", "kobza index of one new file", "", median, "s", 1.5, lower_is_better=True)]


def memory() -> list[Measurement]:
    """Peak memory of indexing 1,000 tracks, and one recording of three hours."""
    measurements = []
    with tempfile.TemporaryDirectory() as folder:
        for what, make in (("1,000 tracks", thousand_tracks), ("one file of three hours", three_hour_track)):
            music = make(Path(folder) / what)
            *_, peak = _in_new_process(_index, music, Path(folder) / f"library of {what}")
            what = f"peak while indexing {what}"
            measurements.append(Measurement("memory", what, "", peak, "MiB", 500, lower_is_better=True))
            shutil.rmtree(music)
    return measurements


def _index(music: Path, folder: Path) -> tuple[float, float, float, float]:
    """Index music into a new library: (wall-clock seconds, CPU seconds, those of them that other processes decoded,
    peak MiB of all)."""
    from kobza.library import MusicLibrary

    with MusicLibrary.open(folder) as library:
        library.embedder.embed_windows([np.zeros(16_000, np.float32)])  # loading the model is not part of indexing
        with _children_watched() as peaks:
            wall_start, start = time.perf_counter(), os.times()
            library.add(music)
            wall, end = time.perf_counter() - wall_start, os.times()
    own, decoding = (sum(end[i : i + 2]) - sum(start[i : i + 2]) for i in (0, 2))
    return wall, own + decoding, decoding, _peak_memory(os.getpid()) + sum(peaks.values())


def _peak_memory(process: int) -> float:
    """MiB (Linux). Not by `getrusage`: a new process inherits the peak of the one that started it there."""
    status = Path(f"/proc/{process}/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in status if line.startswith("VmHWM")) / 1024


@contextlib.contextmanager
def _children_watched() -> Iterator[dict[int, float]]:
    """The peak memory of each process that this one starts meanwhile, MiB, looked at ten times a second."""
    peaks: dict[int, float] = {}
    is_over = threading.Event()

    def watch() -> None:
        while not is_over.wait(0.1):
            for children in Path("/proc/self/task").glob("*/children"):
                with contextlib.suppress(OSError, StopIteration):  # the thread, or the process, has just ended
                    for process in map(int, children.read_text().split()):
                        peaks[process] = _peak_memory(process)

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        yield peaks
    finally:
        is_over.set()
        watcher.join()


def _in_new_process(function: Callable, *args):
    """The function's result, computed in a process of its own, so that memory and caches are its own."""
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        return pool.apply(function, args)
