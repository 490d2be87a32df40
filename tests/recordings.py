"""Recordings and a checkpoint for tests: every format that PyAV can write, tones that a simple embedder tells apart."""

import ctypes
import gc
import os
import stat
import zlib
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import av
import numpy as np

# extension: (encoder, FFmpeg's name of the container)
FORMATS = {
    "mp3": ("libmp3lame", "mp3"),
    "flac": ("flac", "flac"),
    "ogg": ("vorbis", "ogg"),
    "opus": ("libopus", "ogg"),
    "m4a": ("aac", "ipod"),
    "wav": ("pcm_s16le", "wav"),
    "aiff": ("pcm_s16be", "aiff"),
    "wma": ("wmav2", "asf"),
}


def tone(hertz: float, seconds: float, rate: int = 16000, level: float = 0.5) -> np.ndarray:
    """(samples,) float32"""
    return (level * np.sin(2 * np.pi * hertz * np.arange(round(seconds * rate)) / rate)).astype(np.float32)


def write(
    path, samples: np.ndarray, rate: int = 16000, kind: str | None = None, codec: str | None = None, **tags
) -> Path:
    """Encode (samples,) or (channels, samples) into the format that the extension, or `kind`, says."""
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    encoder, container_format = FORMATS[kind or path.suffix[1:].lower()]
    samples = np.atleast_2d(samples).astype(np.float32)
    if encoder == "vorbis" and len(samples) == 1:  # FFmpeg's own Vorbis encoder writes stereo only
        samples = np.repeat(samples, 2, axis=0)
    layout = {1: "mono", 2: "stereo", 6: "5.1"}[len(samples)]
    with open(path, "wb") as file, av.open(file, "w", format=container_format) as container:
        container.metadata.update({name: str(value) for name, value in tags.items()})
        options = {"strict": "experimental"} if encoder == "vorbis" else {}
        stream = container.add_stream(codec or encoder, rate=rate, layout=layout, options=options)
        if encoder == "wmav2":  # it has no default that suits every rate
            stream.bit_rate = 128_000
        step = 10 * rate
        for start in range(0, samples.shape[1], step):
            part = np.ascontiguousarray(samples[:, start : start + step])
            frame = av.AudioFrame.from_ndarray(part, format="fltp", layout=layout)
            frame.rate, frame.pts = rate, start
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


def memory_taken(function: Callable[[], object]) -> float:
    """MiB by which the process's memory rises at most while `function` runs (Linux with glibc only)."""

    def size(field: str) -> int:
        status = Path("/proc/self/status").read_text()
        return next(int(line.split()[1]) for line in status.splitlines() if line.startswith(field))

    gc.collect()
    ctypes.CDLL(None).malloc_trim(0)  # what malloc keeps of earlier work would hide what is taken now
    Path("/proc/self/clear_refs").write_text("5")  # forget the highest mark so far
    before = size("VmRSS")
    function()
    return (size("VmHWM") - before) / 1024


class ToneEmbedder:
    """Stands in for a checkpoint: hears how energy is spread over pitch; the text "tone 440" sounds like that tone, and
    any other text like some tone or other."""

    name, sampling_rate, window_seconds, min_window_seconds = "tone-embedder", 16000, 10.0, 1.0

    def __init__(self, dim: int = 64, fingerprint: str = "tone-embedder-fingerprint"):
        self.dim, self.fingerprint, self.windows_embedded = dim, fingerprint, 0

    def embed_windows(self, samples: list[np.ndarray]) -> np.ndarray:
        if any(len(window) < 400 for window in samples):
            raise ValueError("a window of under 25 ms cannot be embedded")
        self.windows_embedded += len(samples)
        return np.stack([self._embed(window) for window in samples])

    def _embed(self, window: np.ndarray) -> np.ndarray:
        power = np.abs(np.fft.rfft(window.astype(np.float64))) ** 2
        pitch = np.fft.rfftfreq(len(window), 1 / self.sampling_rate)
        edges = np.geomspace(50, 8000, self.dim + 1)
        bands = np.array([power[(pitch >= a) & (pitch < b)].sum() for a, b in pairwise(edges)])
        vector = np.convolve(np.sqrt(bands / len(window)), [0.2, 0.5, 1, 0.5, 0.2], "same") + 1e-3
        return (vector / np.linalg.norm(vector)).astype(np.float32)

    def embed_text(self, texts: list[str]) -> np.ndarray:
        return np.stack([self._embed(tone(self._pitch(text), 2.0)) for text in texts])

    @staticmethod
    def _pitch(text: str) -> float:
        last = text.split()[-1]
        return float(last) if last.isdecimal() else 60 * 2 ** (zlib.crc32(text.encode()) / 2**32 * 7)


def replace_checkpoint(monkeypatch, make: Callable[[], ToneEmbedder] = ToneEmbedder) -> None:
    """Commands load what `make` returns in place of a checkpoint, and of its text tower alone."""
    for loader in ("checkpoint.Checkpoint", "engine.EngineEmbedder", "numpy_text_tower.TextTower"):
        monkeypatch.setattr(f"kobza.embedding.{loader}.load", lambda *_: make())


def everything(folder: Path) -> dict[str, tuple]:
    """What a folder holds, down to bytes, permissions and times of change."""
    tree = {}
    for here, folders, files in os.walk(folder):
        for name in ["", *folders, *files]:
            path = os.path.join(here, name)
            status = os.lstat(path)
            content = Path(path).read_bytes() if stat.S_ISREG(status.st_mode) else None
            tree[path] = (
                status.st_mode,
                status.st_ino,
                status.st_size,
                status.st_mtime_ns,
                status.st_ctime_ns,
                content,
            )
    return tree


def counts(report) -> tuple:
    """A library report as (added, changed, unchanged, moved, removed, failed)."""
    return report.added, report.changed, report.unchanged, report.moved, report.removed, len(report.failed)
