"""Embed a visitor's clip, within limits."""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from kobza.audio import AudioError, decode, printable
from kobza.embedding.embedder import Embedder, cut_windows, normalized_mean
from kobza.errors import KobzaError

MAX_CLIP_SECONDS = 180  # enough to characterise a recording, and short enough that other visitors need not wait
MIN_CLIP_SECONDS = 1.0
SILENCE_PEAK = 1e-4  # below the noise of a microphone that is switched on


class ClipError(KobzaError):
    """A clip cannot be used; the message tells the visitor why, and what to do."""


@dataclass(frozen=True)
class Clip:
    """The vector (dim,) of a clip; `is_cut` if the recording is longer than `MAX_CLIP_SECONDS`."""

    vector: np.ndarray
    is_cut: bool = False


class _LimitedDecoder:
    """Decodes the first `MAX_CLIP_SECONDS` of a recording and keeps its length and peak."""

    def __init__(self, path: str | os.PathLike, sampling_rate: int):
        self.path = path
        self.sampling_rate = sampling_rate
        self.samples = 0
        self.peak = 0.0
        self.is_cut = False

    def chunks(self) -> Iterator[np.ndarray]:
        limit = MAX_CLIP_SECONDS * self.sampling_rate
        for chunk in decode(self.path, self.sampling_rate):
            self.is_cut = self.samples + len(chunk) > limit
            used = chunk[: limit - self.samples]
            self.samples += len(used)
            self.peak = max(self.peak, float(np.abs(used).max(initial=0.0)))
            yield used
            if self.is_cut:
                return


def embed_clip(path: str | os.PathLike | None, embedder: Embedder) -> Clip:
    """Embed the first `MAX_CLIP_SECONDS` of the recording at `path`; the rest is not decoded.

    Raises:
        ClipError: no clip, not a recording, too short, or silent.
    """
    if path is None:
        raise ClipError("Drop a recording here first, or record a few seconds with the microphone.")
    decoder = _LimitedDecoder(path, embedder.sampling_rate)
    try:
        samples = [window for _, window in cut_windows(embedder, decoder.chunks())]
    except AudioError as error:
        name = Path(path).name  # a visitor is not to see the server's folders
        raise ClipError(str(error).replace(printable(path), printable(name))) from None
    if decoder.samples < MIN_CLIP_SECONDS * embedder.sampling_rate:
        raise ClipError("That clip is shorter than a second; give it a little more time.")
    if decoder.peak < SILENCE_PEAK:
        raise ClipError("That clip is silent; if you recorded it, check that the microphone is switched on.")
    return Clip(normalized_mean(embedder.embed_windows(samples)), decoder.is_cut)
