"""Nearest-neighbour search over a library's vectors (`vector_block.py`); derived from the database.

A block of an index file is mapped into memory; tracks that were added since (their ids are higher than all earlier
ones) are in a block in memory, and those that were deleted are masked by `is_present`.
"""

import sqlite3
from collections.abc import Iterator

import numpy as np

from kobza.library.records import Adjustments, LibraryError
from kobza.library.stores.vector_block import Block, highest, nearest_tracks

TRACKS_PER_READ = 1000  # bounds the memory that is needed beside the index


def _read_rows(db: sqlite3.Connection, by: str, after_id: int) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """(track ids, how many rows each has, rows (n, dim) float16) of the tracks with ids above `after_id`, in chunks."""
    # A track's mean vector is one row
    columns = {"track": "track_id, vector, 8, vector", "moment": "track_id, vector, length(starts), windows"}
    cursor = db.execute(f"SELECT {columns[by]} FROM vectors WHERE track_id > ? ORDER BY track_id", (after_id,))
    while rows := cursor.fetchmany(TRACKS_PER_READ):
        ids, means, lengths, windows = zip(*rows, strict=True)
        counts = np.array(lengths) // 8
        halves = np.frombuffer(b"".join(windows), "<f2")
        dim = len(means[0]) // 2
        if len({len(mean) for mean in means}) > 1 or len(halves) != counts.sum() * dim:
            raise LibraryError("The library has vectors of different lengths; repair it with: kobza library repair")
        yield np.array(ids, np.int64), counts, halves.reshape(-1, dim)


class VectorIndex:
    """The mean vectors of all tracks (by="track"), or the vectors of all their windows (by="moment").

    Attributes:
        mapped: the block of an index file; recent: the block in memory of the tracks added since.
        last_id: the highest track id that the index covers.
        is_present: (ids,) bool, which tracks the library has.
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
        missing = len(self.recent) if self.recent else 0
        return missing + (self._deleted_rows(self.mapped) if self.mapped else 0)

    def _deleted_rows(self, block: Block) -> int:
        return int(np.diff(block.first_rows)[~self.is_present[block.track_ids]].sum())

    def refresh(self, db: sqlite3.Connection) -> None:
        """Bring it up to date. Call it in a transaction, so that ids and vectors are read from one snapshot."""
        ids = np.array([track_id for (track_id,) in db.execute("SELECT id FROM tracks")], np.int64)
        highest_id = int(np.max(ids)) if len(ids) else 0
        self.is_present = np.zeros(max(self.last_id, highest_id) + 1, bool)
        self.is_present[ids] = True
        if self.recent and 2 * self._deleted_rows(self.recent) > len(self.recent):
            self.recent = None  # mostly deleted: read again what is left
            self.last_id = self.mapped_last_id
        self._read_recent(db)
        self.last_id = len(self.is_present) - 1
        for block in self.blocks:
            block.has_deleted = not self.is_present[block.track_ids].all()

    def _read_recent(self, db: sqlite3.Connection) -> None:
        parts = list(_read_rows(db, self.by, self.last_id))
        if not parts:
            return
        track_ids, counts, halves = (np.concatenate(some) for some in zip(*parts, strict=True))
        if self.recent is not None:
            self.recent = self.recent.extended(track_ids, counts, halves)
            return
        self.recent = Block(track_ids, np.append(0, np.cumsum(counts)), halves)

    def best_tracks(
        self, query: np.ndarray, k: int, allowed: np.ndarray | None, adjustments: Adjustments | None
    ) -> list[tuple[float, int]]:
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
        best = [] if adjustments.only else self.nearest_tracks(query, k, passing & ~adjusted)
        cosines = self._cosines(query, passing & adjusted)
        scores = adjustments.offsets + np.maximum(cosines[adjustments.track_ids], adjustments.floors)
        scores[~passing[adjustments.track_ids]] = -np.inf
        best += [(float(scores[i]), int(adjustments.track_ids[i])) for i in highest(scores, k)]
        return sorted(best, key=lambda found: (-found[0], found[1]))[:k]

    def _passing(self, allowed: np.ndarray | None) -> np.ndarray:
        """(ids,) of bool: the tracks that the library has and that are allowed."""
        if allowed is None:
            return self.is_present
        passing = np.zeros_like(self.is_present)
        common = min(len(passing), len(allowed))
        passing[:common] = self.is_present[:common] & allowed[:common]
        return passing

    def _cosines(self, query: np.ndarray, wanted: np.ndarray) -> np.ndarray:
        """(ids,) float32: for every track id, the cosine of its best row; of tracks not `wanted`, -inf."""
        cosines = np.full(len(wanted), -np.inf, np.float32)
        for block in self.blocks:
            tracks = np.flatnonzero(wanted[block.track_ids])
            cosines[block.track_ids[tracks]] = block.scores(query, tracks)
        return cosines

    def _present_rows(self) -> list[tuple[Block, np.ndarray]]:
        """Each block that has some, with the numbers of its rows that are present."""
        parts = [(block, block.rows_of(np.flatnonzero(self.is_present[block.track_ids]))) for block in self.blocks]
        return [(block, rows) for block, rows in parts if len(rows)]

    def sample(self, n: int) -> np.ndarray:
        """(about n, dim): the rows of tracks evenly spread over the library."""
        parts = self._present_rows()
        step = max(1, sum(len(rows) for _, rows in parts) // n)
        vectors = [block.halves[rows[::step]].astype(np.float32) for block, rows in parts]
        return np.concatenate(vectors) if vectors else np.zeros((0, 0), np.float32)

    def rows(self) -> tuple[np.ndarray, np.ndarray]:
        """The track ids (n,) of all tracks, in an index by "track", and their vectors (n, dim) float32."""
        parts = self._present_rows()
        if not parts:
            return np.zeros(0, np.int64), np.zeros((0, 0), np.float32)
        ids = [block.track_ids[self.is_present[block.track_ids]] for block, _ in parts]
        return np.concatenate(ids), np.concatenate([block.halves[rows].astype(np.float32) for block, rows in parts])

    def nearest_tracks(self, query: np.ndarray, k: int, allowed: np.ndarray | None) -> list[tuple[float, int]]:
        """The k tracks with the best rows, best first: (cosine, track id).

        Args:
            query: (dim,) float32.
            allowed: (ids,) bool, which tracks to search; None for all.
        """
        passing = self._passing(allowed)
        found: list[tuple[float, int]] = []
        for block in self.blocks:
            is_restricted = allowed is not None or block.has_deleted
            scores, track_ids = nearest_tracks(block, query, k, passing if is_restricted else None)
            found += zip(scores.tolist(), track_ids.tolist(), strict=True)
        return sorted(found, key=lambda one: (-one[0], one[1]))[:k]
