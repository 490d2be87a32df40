"""Where in a recording is it? A description's score over time, window by window."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import islice

import numpy as np

from kobza.audio import decode, windows
from kobza.library.calibration import match_word

BATCH = 16  # windows embedded at once: all of the sound that is held, however long the recording


@dataclass(frozen=True)
class Moment:
    """A window: start and end in seconds, the cosine with the query, its strength (`strength.py`)."""

    start: float
    end: float
    score: float
    strength: float

    @property
    def match(self) -> str:
        return match_word(self.strength)


@dataclass(frozen=True)
class Trace:
    """Every window of (a part of) the recording at `path`, in order of time."""

    path: str
    moments: tuple[Moment, ...]

    def best(self, k: int) -> list[Moment]:
        """The k best moments, best first: windows that no neighbour surpasses."""
        scores = [-np.inf, *(moment.score for moment in self.moments), -np.inf]
        peaks = [m for i, m in enumerate(self.moments, 1) if scores[i - 1] < m.score >= scores[i + 1]]
        return sorted(peaks, key=lambda moment: -moment.score)[:k]


def embed_part(
    path: str, model, start: float, end: float, passed: Callable[[float], None]
) -> Iterator[tuple[float, float, np.ndarray]]:
    """(start, end, vector) of each window of a recording that touches [start, end) in seconds; memory is bounded.

    Windows lie as they do when a library is made, so that a recording has the same moments in it and outside.
    `passed` is called with the seconds that have been decoded.
    """
    rate = model.sampling_rate
    cut = windows(decode(path, rate), rate, model.window_seconds, model.min_window_seconds)

    def touching() -> Iterator[tuple[float, np.ndarray]]:
        for at, samples in cut:
            passed(at)
            if at >= end:
                return
            if at + len(samples) / rate > start:
                yield at, samples

    part = touching()
    while batch := list(islice(part, BATCH)):
        vectors = model.embed_windows([samples for _, samples in batch])
        for (at, samples), vector in zip(batch, vectors, strict=True):
            yield at, at + len(samples) / rate, vector
