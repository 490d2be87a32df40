"""A visitor's clip, heard within limits."""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from kobza.audio import AudioError, decode, printable, windows
from kobza.embedding.embedder import normalized_mean
from kobza.errors import KobzaError

LISTENED = 180  # seconds of a clip: enough to know its sound, and no visitor keeps the others waiting
SHORTEST = 1.0  # seconds
SILENCE = 1e-4  # a microphone that is switched off stays below


class ClipError(KobzaError):
    """A clip that cannot be used; the message is a sentence for the visitor."""


@dataclass(frozen=True)
class Clip:
    """The vector (dim,) of a clip; `cut` if it went on after what was listened to."""

    vector: np.ndarray
    cut: bool = False


def hear(path: str | os.PathLike | None, checkpoint) -> Clip:
    """Embed the first `LISTENED` seconds of the recording at `path`; no more of it is decoded.

    Raises:
        ClipError: no clip, no recording, too short, or silent.
    """
    if path is None:
        raise ClipError("Drop a recording here first, or record a few seconds with the microphone.")
    rate, left, loudest, cut = checkpoint.sampling_rate, LISTENED * checkpoint.sampling_rate, 0.0, False

    def beginning() -> Iterator[np.ndarray]:
        nonlocal left, loudest, cut
        for chunk in decode(path, rate):
            cut = len(chunk) > left
            chunk = chunk[:left]
            left -= len(chunk)
            loudest = max(loudest, float(np.abs(chunk).max(initial=0.0)))
            yield chunk
            if cut:
                return

    try:
        pieces = [samples for _, samples in windows(beginning(), rate, checkpoint.window_seconds)]
    except AudioError as error:
        name = Path(path).name  # where it lies on the server is nobody's business
        raise ClipError(str(error).replace(printable(path), printable(name))) from None
    if LISTENED * rate - left < SHORTEST * rate:
        raise ClipError("That clip is shorter than a second; give it a little more time.")
    if loudest < SILENCE:
        raise ClipError("That clip is silent; if you recorded it, check that the microphone is switched on.")
    return Clip(normalized_mean(checkpoint.embed_windows(pieces)), cut)
