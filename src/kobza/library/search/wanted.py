"""The second condition on what a query with negative terms finds: it has to be something of what is wanted.

A query vector is a straight line through the space, and the tracks farthest along "piano -drums" are partly those that
are farthest from drums, with little piano. So whatever is not among the best few of a library for the positive terms
alone loses score, the more the farther it is from them. `benchmarks/query_quality.py` measures the effect.
"""

from typing import NamedTuple

import numpy as np

# A track is wanted if it is in this fraction of the library, or among so many times the tracks that are asked for.
WANTED_FRACTION = 0.1
WANTED_PER_HIT = 3
PENALTY = 5.0  # of the score, for each point of score that a track is below the least of those


class Wanted(NamedTuple):
    """What is wanted.

    Attributes:
        vector: (dim,), the positive terms'.
        limit: the least cosine with it that is wanted.
        unit: the difference of cosines that is 1 in scores.
    """

    vector: np.ndarray
    limit: float
    unit: float

    def penalty(self, cosines: np.ndarray) -> np.ndarray:
        """What tracks with these cosines with the positive terms lose in score, 0 or more.

        >>> Wanted(np.ones(1), limit=0.5, unit=0.1).penalty(np.array([0.6, 0.4])).round(3).tolist()
        [0.0, 5.0]
        """
        loss: np.ndarray = PENALTY / self.unit * np.maximum(0.0, self.limit - cosines)
        return loss


def wanted(positive: np.ndarray, unit: float, tracks: np.ndarray, k: int, library: int) -> Wanted:
    """
    Args:
        positive: (dim,), the vector of the positive terms.
        tracks: (n, dim), a sample of the `library` tracks.
        k: how many tracks are asked for.
    """
    fraction = min(1.0, max(WANTED_FRACTION, WANTED_PER_HIT * k / max(library, 1)))
    limit = np.quantile(tracks @ positive, 1 - fraction) if len(tracks) else -1.0
    return Wanted(positive, float(limit), unit)
