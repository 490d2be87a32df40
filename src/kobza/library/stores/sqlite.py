"""A library kept in one folder of this machine.

SQLite is the only truth: a track and its windows are written in one transaction, so whatever happens to the process,
a track is there whole or not at all. What is searched is derived from it: in memory, and where that would take long to
fill, kept in search files beside the database. Losing one costs time, never data.
"""

import contextlib
import itertools
import json
import logging
import os
import secrets
import threading
import time
from collections.abc import Iterable, Iterator
from dataclasses import astuple
from pathlib import Path
from typing import Literal

import numpy as np

from kobza.embedding.embedder import normalized_mean
from kobza.atomic import PARTIAL_SUFFIX
from kobza.audio import printable
from kobza.library.address import FolderAddress
from kobza.library.filters.tree import TEXT, Filter, fold, to_sql
from kobza.library.records import LibraryError, FileState, Totals, Track, StoredTrack, refuse_invalid
from kobza.library.stores.lock import writer_lock
from kobza.library.stores.schema import FOLDED, explained, open_for_reading, open_for_writing, transaction

COLUMNS = "path, title, artist, album, genre, year, duration, added"
SCANNED_AT_ONCE = 50  # tracks
MIN_ROWS_FOR_INDEX_FILE = 200_000  # rows: fewer are read from the database in a second or two
LOOSE = 0.25  # a search file is written anew when more than this share of it is masked or missing
log = logging.getLogger("kobza")


def _track(row: tuple) -> Track:
    return Track(os.fsdecode(row[0]), *row[1:])


def vectors_of(blob: bytes, starts: list[float]) -> np.ndarray:
    """(n, dim) float32"""
    return np.frombuffer(blob, np.float16).reshape(len(starts), -1).astype(np.float32)


class SQLiteStore:
    """See `kobza.library.stores.base.Store`. May be shared by threads."""

    flush_interval_seconds = 0.0  # a write takes a millisecond

    def __init__(self, folder: Path, read_only: bool = False):
        self.folder, self.address = folder, FolderAddress(folder)
        self.read_only = read_only
        self._lock = threading.RLock()  # one connection, maybe several threads (a web page's)
        self._indexes, self._versions = {}, {}
        self._db = open_for_reading(folder) if read_only else open_for_writing(folder)

    def _rows(self, sql: str, values: Iterable = ()) -> list[tuple]:
        with self._lock, explained(self.folder):
            return self._db.execute(sql, tuple(values)).fetchall()

    @contextlib.contextmanager
    def _transaction(self, kind: str = "IMMEDIATE") -> Iterator[None]:
        if kind == "IMMEDIATE":
            self._refuse_read_only()
        with self._lock, explained(self.folder), transaction(self._db, kind):
            yield

    def _refuse_read_only(self) -> None:
        if self.read_only:
            name = printable(self.folder)
            raise LibraryError(f"The library {name} was opened read-only; open it without read_only to write.")

    @contextlib.contextmanager
    def writing(self, part: str = "") -> Iterator[None]:
        """Held by the one process that writes, whatever part of the library."""
        self._refuse_read_only()
        with writer_lock(self.folder / "writer.lock", str(self.address)):
            yield

    @property
    def meta(self) -> dict[str, str]:
        return dict(self._rows("SELECT key, value FROM meta"))

    def set_meta(self, **values: str) -> None:
        with self._transaction():
            self._db.executemany("INSERT OR REPLACE INTO meta VALUES (?, ?)", values.items())

    def upsert(self, track: Track, file_state: FileState, starts: list[float], vectors: np.ndarray) -> None:
        """Write a track and all of its windows, in place of what its path held before."""
        self.upsert_many([(track, file_state, starts, vectors)])

    def upsert_many(self, tracks: Iterable[StoredTrack]) -> None:
        """`upsert` for all of them, or if one is refused for none."""
        with self._transaction():
            for one in tracks:
                self._put(*one)

    def _put(self, track: Track, file_state: FileState, starts: list[float], vectors: np.ndarray) -> None:
        halves = vectors.astype(np.float16)
        path, *tags, added = astuple(track)
        key = os.fsencode(path)
        dim = self._db.execute("SELECT length(vector) / 2 FROM vectors LIMIT 1").fetchone() or (None,)
        refuse_invalid(path, starts, halves, *dim)
        before = self._db.execute("SELECT added FROM tracks WHERE path = ?", (key,)).fetchone() or (time.time(),)
        self._db.execute("DELETE FROM tracks WHERE path = ?", (key,))
        folded = [fold(getattr(track, name)) for name in TEXT]
        row = (key, *tags, before[0] if added is None else added, *file_state, *folded)
        track_id = self._db.execute(
            f"INSERT INTO tracks ({COLUMNS}, size, mtime_ns, hash, {FOLDED}) VALUES ({','.join('?' * 15)})", row
        ).lastrowid
        mean = normalized_mean(halves).astype(np.float16)
        blobs = (mean.tobytes(), np.array(starts, np.float64).tobytes(), halves.tobytes())
        self._db.execute("INSERT INTO vectors VALUES (?, ?, ?, ?)", (track_id, *blobs))

    def move(self, path: str, new_path: str, mtime_ns: int) -> None:
        """The same recording under another path (or the same one), last changed at another time."""
        with self._transaction():
            self._db.execute(
                "UPDATE tracks SET path = ?, mtime_ns = ? WHERE path = ?",
                (os.fsencode(new_path), mtime_ns, os.fsencode(path)),
            )

    def delete(self, paths: Iterable[str]) -> int:
        """Forget these tracks; how many there were."""
        with self._transaction():
            keys = [(os.fsencode(path),) for path in paths]
            return max(0, self._db.executemany("DELETE FROM tracks WHERE path = ?", keys).rowcount)

    def file_states(self) -> dict[str, FileState]:
        rows = self._rows("SELECT path, size, mtime_ns, hash FROM tracks")
        return {os.fsdecode(path): FileState(*file_state) for path, *file_state in rows}

    def scan(self, path: str | None = None) -> Iterator[StoredTrack]:
        """Every track (or the one at `path`) with all it has, in the order of paths."""
        columns = f"SELECT {COLUMNS}, size, mtime_ns, hash, starts, windows FROM tracks JOIN vectors ON track_id = id"
        if path is not None:
            parts = iter([self._rows(f"{columns} WHERE path = ?", (os.fsencode(path),)), []])
        else:  # page by page, each as it is at that moment: a writer need not wait for a slow reader
            page = f"{columns} WHERE path > ? ORDER BY path LIMIT {SCANNED_AT_ONCE}"
            first = self._rows(page, (b"",))
            parts = itertools.chain([first], iter(lambda: self._rows(page, (rows[-1][0],)), None))
        while rows := next(parts):
            for row in rows:
                starts = np.frombuffer(row[-2]).tolist()
                yield _track(row[:8]), FileState(*row[8:11]), starts, vectors_of(row[-1], starts)

    def search(
        self, vector: np.ndarray, k: int, where: Filter | None = None, by: Literal["track", "moment"] = "track"
    ) -> list[tuple[float, Track, float]]:
        """The k tracks nearest to `vector` (dim,) of those that pass: see `Store.search`."""
        query = np.ascontiguousarray(vector, np.float32)
        with self._transaction("DEFERRED"):  # all at one moment, whatever is being written
            best = self._searchable(by).nearest_tracks(query, k, self._passing(where) if where is not None else None)
            ids = json.dumps([track_id for _, track_id, _ in best])
            rows = self._rows(
                f"SELECT {COLUMNS}, id, starts, windows FROM tracks JOIN vectors ON track_id = id "
                "WHERE id IN (SELECT value FROM json_each(?))",
                (ids,),
            )
        scores, hits = {track_id: score for score, track_id, _ in best}, []
        for *row, track_id, starts, windows in rows:
            starts = np.frombuffer(starts)
            moment = float(starts[np.argmax(vectors_of(windows, starts) @ query)])
            hits.append((scores[track_id], _track(row), moment))
        return sorted(hits, key=lambda hit: (-hit[0], hit[1].path))  # equal scores in a lasting order

    def _version(self) -> tuple:
        """Another one after any write, by this process or another."""
        return self._rows("PRAGMA data_version"), self._db.total_changes

    def _passing(self, where: Filter) -> np.ndarray:
        """The ids of the tracks that pass. Kept: people change the description more often than the filter."""
        if self._versions.get("filter") != (version := (self._version(), where)):
            condition, values = to_sql(where)
            ids = self._rows(f"SELECT id FROM tracks WHERE {condition}", values)
            self._filtered = np.fromiter(itertools.chain.from_iterable(ids), np.int64, len(ids))
            self._versions["filter"] = version
        return self._filtered

    def _searchable(self, by: str):
        """The index of the tracks' or the windows' vectors, as the database is now."""
        if self._versions.get(by) != (version := self._version()):
            if by not in self._indexes:
                self._indexes[by] = self._opened(by)
            self._indexes[by].refresh(self._db)
            self._versions[by] = version
        return self._indexes[by]

    def search_files(self) -> dict[str, str]:
        """The names of the present ones."""
        return dict(self._rows("SELECT kind, name FROM search_files"))

    def _opened(self, by: str):
        """What the search file holds; an empty index if there is none, or none that can be used."""
        from kobza.library.stores import index_file as search_file
        from kobza.library.stores import vector_index  # here: only a search needs FAISS

        if name := self.search_files().get(by):
            try:
                return vector_index.VectorIndex(by, *search_file.read(self.folder / name))
            except (search_file.DamagedIndexFileError, OSError) as error:
                log.warning(
                    "The search file %s cannot be used (%s). Nothing is lost: the library is searched from its "
                    "database, more slowly, until the file is made anew by the next: kobza sync",
                    printable(name),
                    error,
                )
        return vector_index.VectorIndex(by)

    def _keep_search_file(self, by: str) -> None:
        """Write the search file anew if it is missed, or too much of it is out of date."""
        from kobza.library.stores import index_file as search_file
        from kobza.library.stores import vector_index

        with self._transaction("DEFERRED"):
            index = self._searchable(by)
            rows = sum(len(block.owners) for block in index.blocks)
            if rows < MIN_ROWS_FOR_INDEX_FILE or index.loose <= LOOSE * rows:
                return
            index = vector_index.VectorIndex(by)
            index.refresh(self._db)
        name = f"search-{by}-{secrets.token_hex(8)}.index"
        try:
            search_file.write(self.folder / name, index.tail, index.last)
        except OSError as error:
            log.warning("The search file %s was not written (%s); searches begin more slowly.", name, error)
            return
        with self._transaction():
            self._db.execute("INSERT OR REPLACE INTO search_files VALUES (?, ?)", (by, name))
        parts = self.folder.glob(f".search-{by}-*{PARTIAL_SUFFIX}")  # of a killed process
        for old in (*self.folder.glob(f"search-{by}-*"), *parts):
            if old.name != name:
                old.unlink(missing_ok=True)  # who has it open goes on reading it
        self._indexes.pop(by), self._versions.pop(by)

    def __len__(self) -> int:
        return self.count().tracks

    def count(self) -> Totals:
        with self._transaction("DEFERRED"):
            if self._versions.get("totals") != (version := self._version()):  # asked before every search
                tracks, seconds = self._rows("SELECT count(*), total(duration) FROM tracks")[0]
                windows = self._rows("SELECT coalesce(sum(length(starts)), 0) / 8 FROM vectors")[0][0]
                self._totals, self._versions["totals"] = Totals(tracks, windows, seconds), version
        return self._totals

    def optimize(self) -> None:
        """What makes the next opening and search quick; called once after a run of writing."""
        for by in ("track", "moment"):
            self._keep_search_file(by)
        self._rows("PRAGMA optimize")
        self._rows("PRAGMA wal_checkpoint(TRUNCATE)")

    def close(self) -> None:
        self._db.close()
