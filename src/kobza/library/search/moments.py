"""Scores of a description over the time of a recording, window by window."""

from dataclasses import dataclass

import numpy as np

from kobza.library.calibration import match_label


@dataclass(frozen=True)
class Moment:
    """A window: start and end in seconds, and how strongly it matches a description (`calibration`).

    `z_score` equals `score`.
    """

    start: float
    end: float
    score: float
    z_score: float

    @property
    def match(self) -> str:
        """strong, fair, weak or none"""
        return match_label(self.z_score)


@dataclass(frozen=True)
class MomentScores:
    """Every window of a recording, or of a part of it, in order of time."""

    path: str
    moments: tuple[Moment, ...]

    def best(self, k: int) -> list[Moment]:
        """The k best local maxima of the score, best first."""
        scores = [-np.inf, *(moment.score for moment in self.moments), -np.inf]
        peaks = [moment for i, moment in enumerate(self.moments, 1) if scores[i - 1] < moment.score >= scores[i + 1]]
        return sorted(peaks, key=lambda moment: -moment.score)[:k]
