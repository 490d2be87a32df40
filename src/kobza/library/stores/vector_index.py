"""Exact search for the nearest vectors of a library, with FAISS; made of the database, and never the truth.

a block: mapped from a search file, or in memory      live: track id -> is it still there
  owners  [1 1 1 4 4 7 ...]  the track of each row
  starts  [0 10 20 0 10 ...] seconds                  Rows of tracks that are gone are masked; those of tracks that
  index   fp16 rows                                   came since (their ids are higher than all before) go into a
                                                      block in memory.
"""

import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass

import faiss
import numpy as np

from kobza.library.records import LibraryError

TRACKS_AT_ONCE = 1000  # read from the database: bounds the memory beside the index

faiss.omp_set_num_threads(1)  # its threads cost more than they give below millions of vectors


@dataclass
class Block:
    """Rows of one kind: owners (n,) int64 in ascending order, starts (n,) float64, and their vectors."""

    owners: np.ndarray
    starts: np.ndarray
    index: faiss.IndexScalarQuantizer
    dead: bool = False  # whether rows of it are masked


def new_index(dim: int) -> faiss.IndexScalarQuantizer:
    return faiss.IndexScalarQuantizer(dim, faiss.ScalarQuantizer.QT_fp16, faiss.METRIC_INNER_PRODUCT)


def _rows(db: sqlite3.Connection, by: str, after: int) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """(owners, starts, codes (n, 2 dim) uint8) of the tracks with ids above `after`, some at a time."""
    # A track is one row, at 0 s.
    columns = {"track": "track_id, vector, x'0000000000000000', vector", "moment": "track_id, vector, starts, windows"}
    cursor = db.execute(f"SELECT {columns[by]} FROM vectors WHERE track_id > ? ORDER BY track_id", (after,))
    while rows := cursor.fetchmany(TRACKS_AT_ONCE):
        ids, means, starts, windows = zip(*rows, strict=True)
        counts = [len(blob) // 8 for blob in starts]
        codes = np.frombuffer(b"".join(windows), np.uint8)
        if len({len(mean) for mean in means}) > 1 or len(codes) != sum(counts) * len(means[0]):
            raise LibraryError("The library has vectors of wrong lengths; mend it with: kobza library repair")
        yield np.repeat(ids, counts), np.frombuffer(b"".join(starts)), codes.reshape(-1, len(means[0]))


class VectorIndex:
    """The vectors of all tracks (by="track"), or of all their windows (by="moment")."""

    def __init__(self, by: str, mapped: Block | None = None, last: int = 0):
        """`mapped`: what a search file holds, which are all tracks with ids up to `last`."""
        self.by, self.mapped, self.mapped_last = by, mapped, last
        self.tail, self.last = None, last
        self.live = np.zeros(1, bool)

    @property
    def blocks(self) -> list[Block]:
        return [block for block in (self.mapped, self.tail) if block is not None]

    @property
    def loose(self) -> int:
        """Rows that the search file lacks, or has in vain."""
        return len(self.tail.owners if self.tail else ()) + (self._dead(self.mapped) if self.mapped else 0)

    def _dead(self, block: Block) -> int:
        return np.count_nonzero(~self.live[block.owners])

    def refresh(self, db: sqlite3.Connection) -> None:
        """Bring it up to date. To be called in a transaction: ids and vectors belong together."""
        ids = np.array([track_id for (track_id,) in db.execute("SELECT id FROM tracks")], np.int64)
        self.live = np.zeros(max(self.last, ids.max(initial=0)) + 1, bool)
        self.live[ids] = True
        if self.tail and 2 * self._dead(self.tail) > len(self.tail.owners):
            self.tail, self.last = None, self.mapped_last
        self._read(db)
        self.last = len(self.live) - 1
        for block in self.blocks:
            block.dead = self._dead(block) > 0

    def _read(self, db: sqlite3.Connection) -> None:
        parts = [(self.tail.owners, self.tail.starts)] if self.tail else []
        for owners, starts, codes in _rows(db, self.by, self.last):
            if self.tail is None:
                self.tail = Block(owners, starts, new_index(codes.shape[1] // 2))
            self.tail.index.add_sa_codes(codes)
            parts.append((owners, starts))
        if parts:
            self.tail.owners, self.tail.starts = map(np.concatenate, zip(*parts, strict=True))

    def nearest_tracks(self, query: np.ndarray, k: int, allowed: np.ndarray | None) -> list[tuple[float, int, float]]:
        """The k tracks with the best rows, best first: (cosine, track id, start of that row).

        Args:
            query: (dim,) float32.
            allowed: ids of the tracks among which to look; None for all.
        """
        passing, masked = self.live, allowed is not None
        if masked:
            passing = np.zeros_like(self.live)
            passing[allowed] = True
        found, wanted = {}, k if self.by == "track" else 16 * k  # nearly always enough at once
        while True:
            rows = [
                row
                for block in self.blocks
                for row in _nearest(block, query, wanted, passing if masked or block.dead else None)
            ]
            rows = sorted(rows, key=lambda row: (-row[0], row[1:]))[:wanted]
            for score, owner, start in rows:
                found.setdefault(owner, (score, owner, start))
            if len(found) >= k or len(rows) < wanted:
                return list(found.values())[:k]
            # All rows found so far are better than any to come, and the best of their tracks: look at the others only.
            passing, masked, wanted = passing.copy(), True, 4 * wanted
            passing[list(found)] = False


def _nearest(block: Block, query: np.ndarray, n: int, passing: np.ndarray | None) -> Iterator[tuple[float, int, float]]:
    """The n best rows of the block whose tracks pass, if that is asked: (cosine, track id, start)."""
    parameters = None
    if passing is not None:
        bits = np.packbits(passing[block.owners], bitorder="little")
        parameters = faiss.SearchParameters(sel=faiss.IDSelectorBitmap(bits))
    scores, places = block.index.search(query[None], min(n, len(block.owners)), params=parameters)
    there = places[0] >= 0  # FAISS fills up with -1
    places = places[0][there]
    yield from zip(scores[0][there].tolist(), block.owners[places].tolist(), block.starts[places].tolist(), strict=True)
