"""Recordings for the benchmarks, in every format, synthesized when they are needed."""

import functools
import shutil
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import av
import numpy as np

from kobza.audio import load_audio
from kobza.synth.album import Piece, random_pieces, render

SAMPLING_RATE = 44_100  # Hz
TRACK_SECONDS = 180
FORMATS = {"mp3": ("libmp3lame", "mp3"), "ogg": ("libopus", "ogg"), "flac": ("flac", "flac")}  # encoder, container
OPUS_SAMPLING_RATE = 48_000  # Hz; the highest that Opus has, and it has no 44,100


@functools.cache
def synthetic_tracks() -> Path:
    """A folder with two stereo recordings of `TRACK_SECONDS` in each format; deleted when the process ends."""
    folder = tempfile.TemporaryDirectory(prefix="kobza-bench-")
    _folders.append(folder)

    def write(piece: Piece, extension: str) -> None:
        samples = np.resize(render(piece, SAMPLING_RATE), (2, SAMPLING_RATE * TRACK_SECONDS)).astype(np.float32)
        encode(Path(folder.name) / f"{piece.name}.{extension}", samples, *FORMATS[extension])

    with ThreadPoolExecutor() as pool:  # synthesis takes longer than most of what is measured with it
        list(pool.map(write, random_pieces(2 * len(FORMATS), seed=1), 2 * list(FORMATS)))
    return Path(folder.name)


_folders: list[tempfile.TemporaryDirectory] = []  # keeps them from being deleted before the process ends


def encode(
    path: Path, samples: np.ndarray, encoder: str, container: str, times: int = 1, bit_rate: int | None = None
) -> None:
    """Write samples (2, n) float32 at `SAMPLING_RATE`, `times` over, at so many bits a second."""
    with av.open(str(path), "w", format=container) as file:
        rate = OPUS_SAMPLING_RATE if encoder == "libopus" else SAMPLING_RATE
        stream = file.add_stream(encoder, rate=rate, layout="stereo")
        if not isinstance(stream, av.AudioStream):
            raise ValueError(f"{encoder} is not an audio encoder.")
        if bit_rate:
            stream.bit_rate = bit_rate
        resampler = av.AudioResampler(stream.format.name, "stereo", rate, frame_size=stream.frame_size or rate)
        for start in times * [*range(0, samples.shape[1], SAMPLING_RATE)]:
            second = np.ascontiguousarray(samples[:, start : start + SAMPLING_RATE])
            frame = av.AudioFrame.from_ndarray(second, format="fltp", layout="stereo")
            frame.rate = SAMPLING_RATE
            for resampled in resampler.resample(frame):
                file.mux(stream.encode(resampled))
        for resampled in resampler.resample(None):
            file.mux(stream.encode(resampled))
        file.mux(stream.encode(None))


def decoded_samples(path: Path) -> int:
    """Decode a recording and count its samples; in this module, so that a new process need not import torch for it."""
    return len(load_audio(path))


def frames_alone(path: Path) -> None:
    """Decode a recording and do nothing else with it."""
    with av.open(str(path)) as container:
        for _ in container.decode(audio=0):
            pass


def copy_tracks(folder: Path, count: int) -> Path:
    """Fill a new folder with `count` copies of the synthetic tracks."""
    folder.mkdir()
    paths = sorted(synthetic_tracks().iterdir())
    for i in range(count):
        path = paths[i % len(paths)]
        shutil.copyfile(path, folder / f"{i}{path.suffix}")
    return folder


def thousand_tracks(folder: Path) -> Path:
    """Fill a new folder with 1,000 excerpts of 20 s: the length of tracks changes the time, not the memory."""
    folder.mkdir()
    samples = _first_track_in_stereo()
    for i in range(1000):
        start = i * SAMPLING_RATE // 10
        encode(folder / f"{i}.flac", samples[:, start : start + 20 * SAMPLING_RATE], *FORMATS["flac"])
    return folder


def three_hour_track(folder: Path) -> Path:
    """Fill a new folder with one recording of three hours."""
    folder.mkdir()
    encode(folder / "long.mp3", _first_track_in_stereo(), *FORMATS["mp3"], times=3 * 3600 // TRACK_SECONDS)
    return folder


def _first_track_in_stereo() -> np.ndarray:
    return np.stack([load_audio(sorted(synthetic_tracks().iterdir())[0], SAMPLING_RATE)] * 2)
