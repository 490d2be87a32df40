"""Nearest-neighbour search over a library's vectors with FAISS (`vector_block.py`); derived from the database.

a block: mapped from an index file, or in memory      is_present: track id -> whether the library still has it
  track_ids [1 1 1 4 4 7 ...]   the track of each row
  starts    [0 10 20 0 10 ...]  seconds               Rows of deleted tracks are masked; tracks added since (their ids
  index     float16 vectors                           are higher than all earlier ones) go into a block in memory.
"""

import sqlite3
from collections.abc import Iterator

import numpy as np

from kobza.library.records import Adjustments, LibraryError
from kobza.library.stores.vector_block import Block, add_codes, empty_codes, nearest_rows, new_index, single_thread

TRACKS_PER_READ = 1000  # bounds the memory that is needed beside the index
ROWS_PER_READ = 50_000  # of vectors that are scored without FAISS: 25 MB


def _read_rows(db: sqlite3.Connection, by: str, after_id: int) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """(track_ids, starts, codes (n, 2 dim) uint8) of the tracks with ids above `after_id`, in chunks."""
    # A track's mean vector is one row, which starts at 0 s.
    columns = {"track": "track_id, vector, x'0000000000000000', vector", "moment": "track_id, vector, starts, windows"}
    cursor = db.execute(f"SELECT {columns[by]} FROM vectors WHERE track_id > ? ORDER BY track_id", (after_id,))
    while rows := cursor.fetchmany(TRACKS_PER_READ):
        ids, means, starts, windows = zip(*rows, strict=True)
        counts = [len(blob) // 8 for blob in starts]
        codes = np.frombuffer(b"".join(windows), np.uint8)
        if len({len(mean) for mean in means}) > 1 or len(codes) != sum(counts) * len(means[0]):
            raise LibraryError("The library has vectors of different lengths; repair it with: kobza library repair")
        yield np.repeat(ids, counts), np.frombuffer(b"".join(starts)), codes.reshape(-1, len(means[0]))


class VectorIndex:
    """The mean vectors of all tracks (by="track"), or the vectors of all their windows (by="moment").

    Attributes:
        mapped: the block of an index file; recent: the block in memory of the tracks added since.
        last_id: the highest track id that the index covers.
    """

    def __init__(self, by: str, mapped: Block | None = None, last_id: int = 0):
        """`mapped`: the block of an index file, which covers all tracks with ids up to `last_id`."""
        self.by = by
        self.mapped = mapped
        self.mapped_last_id = last_id
        self.recent: Block | None = None
        self.last_id = last_id
        self.is_present = np.zeros(1, bool)

    @property
    def blocks(self) -> list[Block]:
        return [block for block in (self.mapped, self.recent) if block is not None]

    @property
    def stale_rows(self) -> int:
        """Rows that the index file lacks, plus its rows of deleted tracks."""
        missing = len(self.recent.track_ids) if self.recent else 0
        return missing + (self._deleted_rows(self.mapped) if self.mapped else 0)

    def _deleted_rows(self, block: Block) -> int:
        return int(np.count_nonzero(~self.is_present[block.track_ids]))

    def refresh(self, db: sqlite3.Connection) -> None:
        """Bring it up to date. Call it in a transaction, so that ids and vectors are read from one snapshot."""
        ids = np.array([track_id for (track_id,) in db.execute("SELECT id FROM tracks")], np.int64)
        highest_id = int(np.max(ids)) if len(ids) else 0
        self.is_present = np.zeros(max(self.last_id, highest_id) + 1, bool)
        self.is_present[ids] = True
        if self.recent and 2 * self._deleted_rows(self.recent) > len(self.recent.track_ids):
            self.recent = None  # mostly deleted: read again what is left
            self.last_id = self.mapped_last_id
        self._read_recent(db)
        self.last_id = len(self.is_present) - 1
        for block in self.blocks:
            block.has_deleted = self._deleted_rows(block) > 0

    def _read_recent(self, db: sqlite3.Connection) -> None:
        recent = self.recent
        parts = [(recent.track_ids, recent.starts)] if recent else []
        for track_ids, starts, codes in _read_rows(db, self.by, self.last_id):
            if recent is None:
                recent = Block(track_ids, starts, new_index(codes.shape[1] // 2))
                if self.mapped is not None and self.mapped.codes is not None:
                    recent.codes = empty_codes(self.mapped.codes)
            recent.index.add_sa_codes(codes)
            if recent.codes is not None:
                add_codes(recent.codes, recent.index)
            parts.append((track_ids, starts))
        if recent is not None:
            recent.track_ids = np.concatenate([track_ids for track_ids, _ in parts])
            recent.starts = np.concatenate([starts for _, starts in parts])
        self.recent = recent

    def best_tracks(
        self, query: np.ndarray, k: int, allowed: np.ndarray | None, adjustments: Adjustments | None
    ) -> list[tuple[float, int, float]]:
        """`nearest_tracks` with the scores of some tracks adjusted: all of these are scored, the others searched."""
        if adjustments is None:
            return self.nearest_tracks(query, k, allowed)
        passing = self._passing(allowed)
        known = adjustments.track_ids < len(passing)
        adjustments = adjustments._replace(
            track_ids=adjustments.track_ids[known], offsets=adjustments.offsets[known], floors=adjustments.floors[known]
        )
        adjusted = np.zeros_like(passing)
        adjusted[adjustments.track_ids] = True
        best = [] if adjustments.only else self.nearest_tracks(query, k, np.flatnonzero(passing & ~adjusted))
        cosines, starts = self._best_rows(query, passing & adjusted)
        scores = adjustments.offsets + np.maximum(cosines[adjustments.track_ids], adjustments.floors)
        scores[~passing[adjustments.track_ids]] = -np.inf
        for i in _highest(scores, k):
            track_id = int(adjustments.track_ids[i])
            best.append((float(scores[i]), track_id, float(starts[track_id])))
        return sorted(best, key=lambda row: (-row[0], row[1]))[:k]

    def _passing(self, allowed: np.ndarray | None) -> np.ndarray:
        """(track ids,) of bool: the tracks that the library has and that are allowed."""
        if allowed is None:
            return self.is_present
        passing = np.zeros_like(self.is_present)
        passing[allowed] = True
        return passing

    def _best_rows(self, query: np.ndarray, wanted: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """For every track id, the cosine and the start of its best row; of tracks not `wanted`, -inf and 0."""
        cosines = np.full(len(wanted), -np.inf, np.float32)
        starts = np.zeros(len(wanted))
        for block in self.blocks:
            rows = np.flatnonzero(wanted[block.track_ids])
            for some in np.array_split(rows, -(-len(rows) // ROWS_PER_READ) or 1):
                if not len(some):
                    continue
                with single_thread():
                    scores = block.index.reconstruct_batch(some) @ query
                track_ids = block.track_ids[some]
                order = np.lexsort((-some, scores))  # of equal rows of a track, the first is written last
                better = order[scores[order] > cosines[track_ids[order]]]
                cosines[track_ids[better]] = scores[better]
                starts[track_ids[better]] = block.starts[some[better]]
        return cosines, starts

    def _present_rows(self) -> list[tuple[Block, np.ndarray]]:
        """Each block that has some, with the numbers of its rows that are present."""
        parts = [(block, np.flatnonzero(self.is_present[block.track_ids])) for block in self.blocks]
        return [(block, rows) for block, rows in parts if len(rows)]

    def sample(self, n: int) -> np.ndarray:
        """(about n, dim): the rows of tracks evenly spread over the library."""
        parts = self._present_rows()
        step = max(1, sum(len(rows) for _, rows in parts) // n)
        vectors = [block.index.reconstruct_batch(rows[::step]) for block, rows in parts]
        return np.concatenate(vectors) if vectors else np.zeros((0, 0), np.float32)

    def rows(self) -> tuple[np.ndarray, np.ndarray]:
        """The track ids (n,) of all rows that are present, and their vectors (n, dim) float32."""
        parts = self._present_rows()
        if not parts:
            return np.zeros(0, np.int64), np.zeros((0, 0), np.float32)
        ids = np.concatenate([block.track_ids[rows] for block, rows in parts])
        return ids, np.concatenate([block.index.reconstruct_batch(rows) for block, rows in parts])

    def nearest_tracks(self, query: np.ndarray, k: int, allowed: np.ndarray | None) -> list[tuple[float, int, float]]:
        """The k tracks with the best rows, best first: (cosine, track id, start of that row).

        Args:
            query: (dim,) float32.
            allowed: ids of the tracks to search; None for all.
        """
        passing = self._passing(allowed)
        restricted = allowed is not None
        found: dict[int, tuple[float, int, float]] = {}
        wanted = k if self.by == "track" else 16 * k  # rows; for windows nearly always enough in one pass
        while True:
            rows = [
                row
                for block in self.blocks
                for row in nearest_rows(block, query, wanted, k, passing if restricted or block.has_deleted else None)
            ]
            rows = sorted(rows, key=lambda row: (-row[0], row[1:]))[:wanted]
            for score, track_id, start in rows:
                found.setdefault(track_id, (score, track_id, start))
            if len(found) >= k or len(rows) < wanted:
                return list(found.values())[:k]
            # Every row found so far scores above all others and is the best of its track: search the other tracks.
            passing = passing.copy()
            passing[list(found)] = False
            restricted = True
            wanted *= 4


def _highest(scores: np.ndarray, k: int) -> np.ndarray:
    """The indices of the k highest finite scores, and of all that equal the lowest of these.

    >>> _highest(np.array([1.0, 3.0, -np.inf, 2.0, 2.0]), 2).tolist()
    [1, 3, 4]
    """
    if len(scores) <= k:
        return np.flatnonzero(np.isfinite(scores))
    limit = np.partition(scores, -k)[-k]
    return np.flatnonzero((scores >= limit) & np.isfinite(scores))
