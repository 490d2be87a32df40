"""The sound that `kobza bench` measures with: recordings of every kind, made on the spot."""

import functools
import shutil
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import av
import numpy as np

from kobza.audio import load_audio
from kobza.synth.album import random_pieces, render

RATE = 44_100
SECONDS = 180  # of a made track
KINDS = {"mp3": ("libmp3lame", "mp3"), "ogg": ("libopus", "ogg"), "flac": ("flac", "flac")}  # encoder, container


@functools.cache
def made_music(seconds: int = SECONDS) -> Path:
    """A folder with two recordings of each kind, stereo, 44.1 kHz; it goes with the process."""
    folder = tempfile.TemporaryDirectory(prefix="kobza-bench-")
    _folders.append(folder)

    def make(piece, kind):
        sound = np.resize(render(piece, RATE), (2, RATE * seconds)).astype(np.float32)
        encode(Path(folder.name) / f"{piece.name}.{kind}", sound, *KINDS[kind])

    with ThreadPoolExecutor() as pool:  # making it takes longer than most of what is measured with it
        list(pool.map(make, random_pieces(2 * len(KINDS), seed=1), 2 * list(KINDS)))
    return Path(folder.name)


_folders: list[tempfile.TemporaryDirectory] = []  # deleted at the end of the process


def encode(path: Path, sound: np.ndarray, encoder: str, container: str, times: int = 1) -> None:
    with av.open(str(path), "w", format=container) as file:
        rate = 48_000 if encoder == "libopus" else RATE  # Opus knows no other
        stream = file.add_stream(encoder, rate=rate, layout="stereo")
        resampler = av.AudioResampler(stream.format.name, "stereo", rate, frame_size=stream.frame_size or rate)
        for start in times * [*range(0, sound.shape[1], RATE)]:
            second = np.ascontiguousarray(sound[:, start : start + RATE])
            frame = av.AudioFrame.from_ndarray(second, format="fltp", layout="stereo")
            frame.rate = RATE
            for part in resampler.resample(frame):
                file.mux(stream.encode(part))
        for part in [*resampler.resample(None), None]:
            file.mux(stream.encode(part))


def decode(path: Path) -> int:
    """The number of samples; here, where a new process finds it without importing torch."""
    return len(load_audio(path))


def copies(folder: Path, count: int) -> Path:
    folder.mkdir()
    paths = sorted(made_music().iterdir())
    for i in range(count):
        shutil.copyfile(paths[i % len(paths)], folder / f"{i}{paths[i % len(paths)].suffix}")
    return folder


def thousand(folder: Path) -> Path:
    """Short pieces of the made tracks: memory does not depend on how long they are, time does."""
    folder.mkdir()
    sound = np.stack([load_audio(sorted(made_music().iterdir())[0], RATE)] * 2)
    for i in range(1000):
        encode(folder / f"{i}.flac", sound[:, i * RATE // 10 :][:, : 20 * RATE], *KINDS["flac"])
    return folder


def three_hours(folder: Path) -> Path:
    folder.mkdir()
    sound = np.stack([load_audio(sorted(made_music().iterdir())[0], RATE)] * 2)
    encode(folder / "long.mp3", sound, *KINDS["mp3"], times=3 * 3600 // SECONDS)
    return folder
