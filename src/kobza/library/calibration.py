"""How good a match is: a cosine as a z-score among those of many other descriptions on the same track.

A cosine means little by itself: some tracks are close to every sentence, some to none. So a few hundred general
descriptions (reference_queries.txt) are embedded once for each model. With m and C the mean and covariance of their
vectors, their scores on a track v have mean m.v and variance v.C.v, in closed form. The z-score of a query q is
(q.v - m.v) / sqrt(v.C.v).
"""

import contextlib
import hashlib
from importlib.resources import files
from typing import NamedTuple

import numpy as np

from kobza.atomic import atomic_path
from kobza.embedding.embedder import TextEmbedder
from kobza.folders import cache_folder

# The lowest z-score that each label is given to. Chosen on synthetic pieces and on recordings of MusicCaps, with
# sentences that describe no music as counterexamples (benchmarks/query_quality.py).
STRONG_Z_SCORE = 3.0
FAIR_Z_SCORE = 2.4
WEAK_Z_SCORE = 1.5
MIN_VARIANCE = 1e-12  # avoids division by zero


class ScoreCalibration(NamedTuple):
    """Mean (dim,) and covariance (dim, dim), float32, of the vectors of the reference queries."""

    mean: np.ndarray
    covariance: np.ndarray

    def z_scores(self, query: np.ndarray, vectors: np.ndarray) -> np.ndarray:
        """Query (dim,), recordings or windows (n, dim) -> (n,)."""
        variances = np.einsum("nd,de,ne->n", vectors, self.covariance, vectors)
        deviations = np.sqrt(np.maximum(variances, MIN_VARIANCE))
        z_scores: np.ndarray = (vectors @ (query - self.mean)) / deviations
        return z_scores


def match_label(z_score: float) -> str:
    """strong, fair, weak or none

    >>> match_label(2.5)
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
    path = cache_folder() / f"spread-{key}.npy"  # the name that 0.1.0 gave it
    with contextlib.suppress(OSError, ValueError, EOFError):
        mean, *covariance = np.load(path)
        return ScoreCalibration(mean, np.stack(covariance))
    vectors = embedder.embed_text(queries)
    calibration = ScoreCalibration(vectors.mean(axis=0), np.cov(vectors.T).astype(np.float32))
    # Without a writable cache every search is some seconds slower, and right.
    with contextlib.suppress(OSError), atomic_path(path) as temporary, temporary.open("wb") as file:
        np.save(file, np.vstack([calibration.mean[None], calibration.covariance]))
    return calibration
