"""How good a match is: a cosine on a scale that means the same for every description.

A cosine means little by itself, so a few hundred general descriptions (reference_queries.txt) are embedded once for
each model. Let m and C be the mean and covariance of their vectors t, and v those of a library's tracks (a sample):

    strength = (q.v - mean of m.v) / sqrt(mean of v.C.v) + FAMILIARITY_WEIGHT min(0, familiarity of q)

The first part counts in standard deviations how far a track scores above what descriptions score in this library. The
second lowers the scores of texts that are unlike any description of music: the familiarity of q is the mean cosine of q
with its 10 nearest references, standardized by those of the references themselves. Both are the same for every track,
so the strongest match is the one with the highest cosine. `benchmarks/score_scale.py` compares this with other scales.
"""

import contextlib
import hashlib
from importlib.resources import files
from typing import NamedTuple

import numpy as np

from kobza.atomic import atomic_path
from kobza.embedding.embedder import TextEmbedder
from kobza.folders import cache_folder

# The lowest score that each label is given to. Chosen by `benchmarks/search_constants.py` on the captions of 61
# recordings of MusicCaps, the genres of 153 others, and sentences that describe no music.
STRONG_Z_SCORE = 2.5
FAIR_Z_SCORE = 1.8
WEAK_Z_SCORE = 0.5
FAMILIARITY_WEIGHT = 2.0  # chosen with the limits
NEAREST_REFERENCES = 10
LEAST_FAMILIARITY = -3.0  # standard deviations
SAMPLE_TRACKS = 1000  # of a library, to know what descriptions score in it
MIN_SAMPLE_TRACKS = 20  # fewer say too little of how the scores of two queries are spread
MIN_VARIANCE = 1e-12  # avoids division by zero


class ScoreCalibration(NamedTuple):
    """The vectors of the reference queries (n, dim), their mean (dim,) and covariance (dim, dim), float32.

    `familiarity`: the mean, over the references, of the mean cosine with the nearest others, and its deviation.
    """

    references: np.ndarray
    mean: np.ndarray
    covariance: np.ndarray
    familiarity: tuple[float, float]

    @classmethod
    def of(cls, references: np.ndarray) -> "ScoreCalibration":
        among = references @ references.T
        np.fill_diagonal(among, -1.0)
        usual = _mean_of_highest(among)
        familiarity = float(usual.mean()), max(float(usual.std()), MIN_VARIANCE)
        return cls(references, references.mean(axis=0), np.cov(references.T).astype(np.float32), familiarity)

    def unfamiliarity(self, queries: np.ndarray) -> np.ndarray:
        """(n, dim) -> (n,): how many standard deviations each is less like descriptions of music than these are like
        each other; 0 or below."""
        nearest = _mean_of_highest(queries @ self.references.T)
        usual, deviation = self.familiarity
        return np.clip((nearest - usual) / deviation, LEAST_FAMILIARITY, 0.0)


def _mean_of_highest(cosines: np.ndarray) -> np.ndarray:
    """(n, references) -> (n,)"""
    highest: np.ndarray = np.sort(cosines, axis=1)[:, -NEAREST_REFERENCES:].mean(axis=1)
    return highest


class ScoreScale(NamedTuple):
    """From the cosines of one query in one library to scores, and back; higher cosines give higher scores."""

    origin: float  # the cosine that has the score `shift`
    unit: float  # the difference of cosines that is 1 in scores
    shift: float

    def scores(self, cosines: np.ndarray) -> np.ndarray:
        """
        >>> ScoreScale(0.1, 0.2, -1.0).scores(np.array([0.1, 0.5])).tolist()
        [-1.0, 1.0]
        """
        return (cosines - self.origin) / self.unit + self.shift

    def score(self, cosine: float) -> float:
        return (cosine - self.origin) / self.unit + self.shift

    def cosines(self, scores: np.ndarray) -> np.ndarray:
        """The inverse of `scores`."""
        return (scores - self.shift) * self.unit + self.origin


def score_scale(
    calibration: ScoreCalibration, query: np.ndarray, positive: np.ndarray, unfamiliarity: float, tracks: np.ndarray
) -> ScoreScale:
    """The scale of a query (dim,).

    Args:
        positive: (dim,), what the query is without its negative terms. If that is another vector, the scores of the
            query get the mean and the deviation in the library that those of `positive` have.
        unfamiliarity: of the query's texts, `ScoreCalibration.unfamiliarity`.
        tracks: (n, dim), a sample of the library.
    """
    variance = ((tracks @ calibration.covariance) * tracks).sum(axis=1).mean()
    deviation = float(np.sqrt(max(variance, MIN_VARIANCE)))
    origin = float((tracks @ calibration.mean).mean())
    slope = 1.0
    if not np.array_equal(query, positive):
        composed, plain = tracks @ query, tracks @ positive
        if len(tracks) >= MIN_SAMPLE_TRACKS:
            slope = float(max(plain.std(), MIN_VARIANCE) / max(composed.std(), MIN_VARIANCE))
        origin = float(composed.mean() - (plain.mean() - origin) / slope)
    return ScoreScale(origin, deviation / slope, FAMILIARITY_WEIGHT * unfamiliarity)


def match_label(z_score: float) -> str:
    """strong, fair, weak or none

    >>> match_label(2.0)
    'fair'
    """
    limits = ((STRONG_Z_SCORE, "strong"), (FAIR_Z_SCORE, "fair"), (WEAK_Z_SCORE, "weak"))
    return next((label for limit, label in limits if z_score >= limit), "none")


def reference_queries() -> list[str]:
    return files("kobza.library").joinpath("reference_queries.txt").read_text(encoding="utf-8").splitlines()


def calibrate(embedder: TextEmbedder) -> ScoreCalibration:
    """The calibration of a model, cached in the user's cache folder because embedding the queries takes seconds."""
    queries = reference_queries()
    key = hashlib.sha256("\n".join([embedder.fingerprint, str(embedder.dim), *queries]).encode()).hexdigest()[:16]
    path = cache_folder() / f"references-{key}.npy"
    with contextlib.suppress(OSError, ValueError, EOFError):
        return ScoreCalibration.of(np.load(path))
    references = embedder.embed_text(queries)
    # Without a writable cache every search is some seconds slower, and right.
    with contextlib.suppress(OSError), atomic_path(path) as temporary, temporary.open("wb") as file:
        np.save(file, references)
    return ScoreCalibration.of(references)
