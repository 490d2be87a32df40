"""How strong a match is: a score against those that many other descriptions have on the same track.

A cosine means little by itself: some tracks are near to every sentence, some to none. So a few hundred general
descriptions (reference_queries.txt) are embedded once per checkpoint; m and C are the mean and covariance of their
vectors, so on a track v their scores have mean m.v and variance v.C.v, in closed form. The strength of a match is the
query's score in standard deviations above that mean: (q.v - m.v) / sqrt(v.C.v).
"""

import contextlib
import hashlib
from importlib.resources import files
from typing import NamedTuple

import numpy as np

from kobza.atomic import atomic_path
from kobza.folders import cache_folder

# In standard deviations. FAIR: below it a whole list is called no good fit.
STRONG, FAIR, WEAK = 3.0, 2.4, 1.5


class Spread(NamedTuple):
    """Of descriptions' vectors: mean (dim,), covariance (dim, dim), float32."""

    mean: np.ndarray
    covariance: np.ndarray

    def strength(self, query: np.ndarray, vectors: np.ndarray) -> np.ndarray:
        """Of a query (dim,) on recordings (n, dim) -> (n,)."""
        deviations = np.sqrt(np.maximum(np.einsum("nd,de,ne->n", vectors, self.covariance, vectors), 1e-12))
        return (vectors @ (query - self.mean)) / deviations


def match_word(strength: float) -> str:
    """strong, fair, weak or none"""
    limits = ((STRONG, "strong"), (FAIR, "fair"), (WEAK, "weak"))
    return next((word for limit, word in limits if strength >= limit), "none")


def reference_queries() -> list[str]:
    return files("kobza.library").joinpath("reference_queries.txt").read_text(encoding="utf-8").splitlines()


def spread_of(model) -> Spread:
    """Of a `Checkpoint`: kept in the user's cache folder, because to embed them takes seconds."""
    queries = reference_queries()
    name = hashlib.sha256("\n".join([model.fingerprint, str(model.dim), *queries]).encode()).hexdigest()[:16]
    place = cache_folder() / f"spread-{name}.npy"
    with contextlib.suppress(OSError, ValueError, EOFError):
        mean, *covariance = np.load(place)
        return Spread(mean, np.stack(covariance))
    vectors = model.embed_text(queries)
    spread = Spread(vectors.mean(axis=0), np.cov(vectors.T).astype(np.float32))
    # A cache that cannot be written costs seconds, no answer.
    with contextlib.suppress(OSError), atomic_path(place) as part, part.open("wb") as file:
        np.save(file, np.vstack([spread.mean[None], spread.covariance]))
    return spread
