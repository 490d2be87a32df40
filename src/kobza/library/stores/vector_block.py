"""Vectors of tracks, and the tracks nearest to a query: exact, or by codes of 4 bits first and then exact.

Comparing a million vectors of 128 dimensions takes 70 ms. A large block therefore has codes, too (`vector_codes.py`),
which take a tenth of that. The vectors of the tracks with the best codes are then compared exactly.

Whether these candidates were enough is tested: all other vectors have lower approximate products than the last
candidate, so their products are below that plus four standard deviations of the error. If the k-th track found is not
above it, the search is repeated with four times as many candidates, and in the end exactly.

The deviation is that of rounding. The errors of the candidates themselves say too little where these are copies of one
window, such as a jingle, which all have the same error.
"""

from dataclasses import dataclass

import numpy as np

from kobza.half_precision import inner_products
from kobza.library.stores import vector_codes
from kobza.library.stores.vector_codes import Codes, encode, joined

MIN_ROWS_FOR_CODES = 10_000  # fewer are compared in a millisecond
CANDIDATES_PER_TRACK = 10  # tracks, for each that is wanted
CANDIDATE_FRACTION = 1 / 250  # of all tracks, at least: the more tracks, the more are near
MIN_CANDIDATE_ROWS = 1000  # fewer are compared in hardly less time
DEVIATIONS = 4.0  # an error is at most so many standard deviations
MAX_CANDIDATE_FRACTION = 1 / 4  # of the tracks that may be found; above it an exact search is quicker
MIN_PASSING_FRACTION = 1 / 20  # of all rows; the codes of all take as long as the exact products of fewer


@dataclass
class Block:
    """Tracks in the order of their ids, each with one row or several.

    Attributes:
        track_ids: (tracks,) int64, ascending.
        first_rows: (tracks + 1,) int64: track i has the rows from first_rows[i] to first_rows[i + 1].
        halves: (rows, dim) float16.
        codes: of all rows, if they have been made.
        is_mapped: whether it lies in a file, which has codes or will be given some.
        was_searched: the first search is exact, because a process that searches once would only wait for the codes.
        has_deleted: whether some of the tracks are deleted.
    """

    track_ids: np.ndarray
    first_rows: np.ndarray
    halves: np.ndarray
    codes: Codes | None = None
    is_mapped: bool = False
    was_searched: bool = False
    has_deleted: bool = False

    def __len__(self) -> int:
        return len(self.halves)

    @property
    def lacks_codes(self) -> bool:
        return self.codes is None and len(self) >= MIN_ROWS_FOR_CODES

    def rows_of(self, tracks: np.ndarray) -> np.ndarray:
        """The numbers of the rows of some tracks, given by their positions in `track_ids`, in ascending order."""
        counts = self.first_rows[tracks + 1] - self.first_rows[tracks]
        ends = np.cumsum(counts)
        return np.arange(ends[-1] if len(ends) else 0) + np.repeat(self.first_rows[tracks] - (ends - counts), counts)

    def scores(self, query: np.ndarray, tracks: np.ndarray) -> np.ndarray:
        """(n,) float32: the highest product with the query among the rows of each of n tracks, given as above."""
        rows = None if len(tracks) == len(self.track_ids) else self.rows_of(tracks)
        products = inner_products(self.halves, query, rows)
        counts = self.first_rows[tracks + 1] - self.first_rows[tracks]
        return _highest_of_each(products, np.cumsum(counts) - counts)

    def extended(self, track_ids: np.ndarray, counts: np.ndarray, halves: np.ndarray) -> "Block":
        """With further tracks, which have higher ids, and `counts` rows each."""
        first_rows = np.concatenate([self.first_rows, self.first_rows[-1] + np.cumsum(counts)])
        codes = None if self.codes is None else joined(self.codes, encode(halves, self.codes.rotation))
        return Block(
            np.concatenate([self.track_ids, track_ids]),
            first_rows,
            np.concatenate([self.halves, halves]),
            codes,
            was_searched=self.was_searched,
        )


def nearest_tracks(
    block: Block, query: np.ndarray, k: int, passing: np.ndarray | None
) -> tuple[np.ndarray, np.ndarray]:
    """The k tracks with the highest products, best first, of equal ones the lower id: (n,) float32 and their ids.

    Args:
        query: (dim,) float32.
        passing: (ids,) bool: which tracks may be found; None for all.
    """
    tracks = np.arange(len(block.track_ids))
    if passing is not None:
        tracks = np.flatnonzero(passing[block.track_ids])
    found = _by_codes(block, query, k, tracks) if _has_codes(block) else None
    block.was_searched = True
    if found is None:
        found = _best(block.scores(query, tracks), tracks, k)
    scores, positions = found
    return scores, block.track_ids[positions]


def _has_codes(block: Block) -> bool:
    """Whether there are codes to search by; they are made now if the block is in memory and searched again."""
    if not block.was_searched or len(block) < MIN_ROWS_FOR_CODES or not vector_codes.are_quick():
        return False
    if block.codes is None and not block.is_mapped:
        block.codes = encode(block.halves)
    return block.codes is not None


def _by_codes(block: Block, query: np.ndarray, k: int, tracks: np.ndarray) -> tuple[np.ndarray, np.ndarray] | None:
    """The scores and the positions of the k best of these tracks; None where an exact search is quicker or needed."""
    assert block.codes is not None
    rows_per_track = len(block) / len(block.track_ids)
    wanted = int(max(CANDIDATES_PER_TRACK * k, CANDIDATE_FRACTION * len(tracks), MIN_CANDIDATE_ROWS / rows_per_track))
    if wanted > MAX_CANDIDATE_FRACTION * len(tracks) or len(tracks) < MIN_PASSING_FRACTION * len(block.track_ids):
        return None
    deviation = block.codes.deviation * float(np.linalg.norm(query))
    guesses = block.codes.inner_products(query)
    best_guesses = _highest_of_each(guesses, block.first_rows[:-1])[tracks]
    while wanted <= MAX_CANDIDATE_FRACTION * len(tracks):
        lowest = np.partition(best_guesses, -wanted)[-wanted]
        rows = block.rows_of(tracks[best_guesses >= lowest])
        rows = rows[guesses[rows] >= lowest]
        products = inner_products(block.halves, query, rows)
        owners, first = np.unique(np.searchsorted(block.first_rows, rows, side="right") - 1, return_index=True)
        scores, best = _best(_highest_of_each(products, first), owners, k)
        if scores[-1] >= lowest + DEVIATIONS * deviation:
            return scores, best
        wanted *= 4
    return None


def _best(scores: np.ndarray, tracks: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
    """The k highest scores, best first, of equal ones the earlier, and their tracks.

    >>> _best(np.array([1.0, 3.0, 2.0, 3.0]), np.array([5, 6, 7, 8]), 3)
    (array([3., 3., 2.]), array([6, 8, 7]))
    """
    order = highest(scores, k)
    order = order[np.argsort(-scores[order], kind="stable")][:k]
    return scores[order], tracks[order]


def highest(scores: np.ndarray, k: int) -> np.ndarray:
    """The indices of the k highest finite scores, and of all that equal the lowest of these.

    >>> highest(np.array([1.0, 3.0, -np.inf, 2.0, 2.0]), 2).tolist()
    [1, 3, 4]
    """
    if len(scores) <= k:
        return np.flatnonzero(np.isfinite(scores))
    limit = np.partition(scores, -k)[-k]
    return np.flatnonzero((scores >= limit) & np.isfinite(scores))


def _highest_of_each(values: np.ndarray, first: np.ndarray) -> np.ndarray:
    """The maximum of each group of values (n,), which begin at `first`; no group is empty."""
    if len(first) == len(values):
        return values
    maxima: np.ndarray = np.maximum.reduceat(values, first)
    return maxima
