"""A library in a folder of this machine: SQLite, and an index of the vectors.

SQLite is the single source of truth: a track and its windows are written in one transaction, so writes are atomic per
track. The search index is derived from it: built in memory or, where that would take long, kept in index files beside
the database. Losing one costs time, never data.
"""

import contextlib
import json
import os
import threading
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import astuple
from pathlib import Path
from typing import Any, Literal

import numpy as np

from kobza.embedding.embedder import normalized_mean
from kobza.library.address import FolderAddress
from kobza.library.filters.tree import TEXT, Filter, normalize_tag, to_sql
from kobza.library.records import Adjustments, FileState, KnownFailure, StoredTrack, Totals, Track, WordMatch
from kobza.library.stores import tag_words
from kobza.library.stores.connection import open_for_reading, open_for_writing
from kobza.library.stores.failures import read_failures, write_failures
from kobza.library.stores.lock import writer_lock
from kobza.library.stores.removed import RemovedTracks
from kobza.library.stores.rows import COLUMNS, FILE_STATE, TRACK_COLUMNS, to_hit, to_stored_track, to_track
from kobza.library.stores.schema import NORMALIZED_COLUMNS, transaction, translate_errors
from kobza.library.stores.search_indexes import SearchIndexes
from kobza.library.stores.validation import refuse_invalid, refuse_read_only, storable
from kobza.library.stores.word_matches import WordMatches

TRACKS_PER_PAGE = 50
MAX_PATHS_PER_QUERY = 1000  # SQLite has a limit


class SQLiteStore:
    """A `kobza.library.stores.base.Store` in a folder. Threads may share it."""

    has_words = True
    flush_interval_seconds = 0.0  # a write takes a millisecond

    def __init__(self, folder: Path, read_only: bool = False):
        self.folder = folder
        self.address = FolderAddress(folder)
        self.read_only = read_only
        self._lock = threading.RLock()  # for the one connection, which several threads may use (the web server's)
        self.indexes = SearchIndexes(self)
        self._words = WordMatches()
        self._totals: tuple[object, Totals] | None = None  # with the version of the database that they are of
        self._db = open_for_reading(folder) if read_only else open_for_writing(folder)
        self.removed = RemovedTracks(self)

    def _query(self, sql: str, values: Iterable[object] = ()) -> list[tuple[Any, ...]]:
        with self._lock, translate_errors(self.folder):
            return self._db.execute(sql, tuple(values)).fetchall()

    @contextlib.contextmanager
    def _transaction(self, kind: str = "IMMEDIATE") -> Iterator[None]:
        if kind == "IMMEDIATE":
            refuse_read_only(self.read_only, self.address)
        with self._lock, translate_errors(self.folder), transaction(self._db, kind):
            yield

    @contextlib.contextmanager
    def writing(self, part: str = "") -> Iterator[None]:
        """Held by one process for the whole library: SQLite has one writer."""
        refuse_read_only(self.read_only, self.address)
        with writer_lock(self.folder / "writer.lock", str(self.address)):
            yield

    @property
    def meta(self) -> dict[str, str]:
        return dict(self._query("SELECT key, value FROM meta"))

    def set_meta(self, **values: str) -> None:
        with self._transaction():
            self._db.executemany("INSERT OR REPLACE INTO meta VALUES (?, ?)", values.items())

    def upsert(self, track: Track, file_state: FileState, starts: list[float], vectors: np.ndarray) -> None:
        """Write a track and its windows, replacing what its path had before."""
        self.upsert_many([(track, file_state, starts, vectors)])

    def upsert_many(self, tracks: Iterable[StoredTrack]) -> None:
        """`upsert` all of them in one transaction; if one is invalid, none is written."""
        with self._transaction():
            for one in tracks:
                self._put(*one)

    def _put(self, track: Track, file_state: FileState, starts: list[float], vectors: np.ndarray) -> None:
        halves = vectors.astype(np.float16)
        track = storable(track)
        path, *tags, added = astuple(track)
        key = os.fsencode(path)
        (dim,) = self._db.execute("SELECT length(vector) / 2 FROM vectors LIMIT 1").fetchone() or (None,)
        refuse_invalid(path, starts, halves, dim)
        (added_before,) = self._db.execute("SELECT added FROM tracks WHERE path = ?", (key,)).fetchone() or (None,)
        if added is None:
            added = time.time() if added_before is None else added_before
        self._db.execute("DELETE FROM tracks WHERE path = ?", (key,))
        normalized_tags = [normalize_tag(name, getattr(track, name)) for name in TEXT]
        row = (key, *tags, added, *file_state, *normalized_tags)
        placeholders = ", ".join("?" * len(row))
        track_id = self._db.execute(
            f"INSERT INTO tracks ({COLUMNS}, {FILE_STATE}, {NORMALIZED_COLUMNS}) VALUES ({placeholders})", row
        ).lastrowid
        mean = normalized_mean(halves).astype(np.float16)
        blobs = (mean.tobytes(), np.array(starts, np.float64).tobytes(), halves.tobytes())
        self._db.execute("INSERT INTO vectors VALUES (?, ?, ?, ?)", (track_id, *blobs))

    def move(self, path: str, new_path: str, mtime_ns: int) -> None:
        """Change the path (or only the modification time) of a recording whose content is the same."""
        with self._transaction():
            self._db.execute(
                "UPDATE tracks SET path = ?, mtime_ns = ? WHERE path = ?",
                (os.fsencode(new_path), mtime_ns, os.fsencode(path)),
            )

    def set_identities(self, identities: Mapping[str, tuple[int | None, int | None]]) -> None:
        """Update the device and inode of these tracks' files."""
        if identities:
            with self._transaction():
                rows = [(*identity, os.fsencode(path)) for path, identity in identities.items()]
                self._db.executemany("UPDATE tracks SET device = ?, inode = ? WHERE path = ?", rows)

    def failures(self) -> dict[str, KnownFailure]:
        """The files that failed, by path."""
        with self._transaction("DEFERRED"):
            return read_failures(self._db)

    def set_failures(self, failures: Mapping[str, KnownFailure | None]) -> None:
        """Keep the failures of these files, or with None forget them."""
        if failures:
            with self._transaction():
                write_failures(self._db, failures)

    def retag(self, track: Track, file_state: FileState) -> None:
        """Replace what is known of a track and of its file; its windows, and when it was added, stay."""
        track = storable(track)
        values = {name: getattr(track, name) for name in TRACK_COLUMNS if name not in ("path", "added")}
        values |= {f"folded_{name}": normalize_tag(name, getattr(track, name)) for name in TEXT} | file_state._asdict()
        changes = ", ".join(f"[{name}] = ?" for name in values)
        with self._transaction():
            self._db.execute(f"UPDATE tracks SET {changes} WHERE path = ?", (*values.values(), os.fsencode(track.path)))

    def delete(self, paths: Iterable[str]) -> int:
        """Delete these tracks; how many there were."""
        with self._transaction():
            keys = [(os.fsencode(path),) for path in paths]
            return max(0, self._db.executemany("DELETE FROM tracks WHERE path = ?", keys).rowcount)

    def longer_than(self, seconds: float) -> list[str]:
        """The paths of the tracks that are longer, or are a part of what is at least so long."""
        rows = self._query("SELECT path FROM tracks WHERE max(duration, coalesce([end], 0)) > ?", (seconds,))
        return [os.fsdecode(path) for (path,) in rows]

    def file_states(self) -> dict[str, FileState]:
        rows = self._query(f"SELECT path, {FILE_STATE} FROM tracks")
        return {os.fsdecode(path): FileState(*file_state) for path, *file_state in rows}

    def select(self, where: Filter | None = None, limit: int | None = None) -> list[Track]:
        """The (first) tracks that pass the filter, ordered by path; without their windows, so it is quick."""
        condition, values = to_sql(where) if where is not None else ("1", [])
        count = -1 if limit is None else limit
        rows = self._query(f"SELECT {COLUMNS} FROM tracks WHERE {condition} ORDER BY path LIMIT {count:d}", values)
        return [to_track(row) for row in rows]

    def scan(self, paths: str | Sequence[str] | None = None) -> Iterator[StoredTrack]:
        """Every track (or those at `paths`) with its windows, ordered by path.

        It reads page by page, each a snapshot of its own, so that a slow reader does not hold a transaction open.
        """
        columns = f"SELECT {COLUMNS}, {FILE_STATE}, starts, windows FROM tracks JOIN vectors ON track_id = id"
        if paths is not None:
            keys = sorted(map(os.fsencode, {paths} if isinstance(paths, str) else set(paths)))
            for at in range(0, len(keys), MAX_PATHS_PER_QUERY):
                some = keys[at : at + MAX_PATHS_PER_QUERY]
                condition = f"path IN ({', '.join('?' * len(some))})"
                yield from map(to_stored_track, self._query(f"{columns} WHERE {condition} ORDER BY path", some))
            return
        last_path = b""
        while page := self._query(f"{columns} WHERE path > ? ORDER BY path LIMIT {TRACKS_PER_PAGE}", (last_path,)):
            yield from map(to_stored_track, page)
            last_path = page[-1][0]

    def search(
        self,
        vector: np.ndarray,
        k: int,
        where: Filter | None = None,
        by: Literal["track", "moment"] = "track",
        adjustments: Adjustments | None = None,
    ) -> list[tuple[float, Track, float]]:
        """The k tracks nearest to `vector` (dim,) among those that pass the filter: see `Store.search`."""
        query = np.ascontiguousarray(vector, np.float32)
        with self._transaction("DEFERRED"):  # one snapshot, whatever is being written
            allowed = self.indexes.matching(where) if where is not None else None
            best = self.indexes.current(by).best_tracks(query, k, allowed, adjustments)
            rows = self._query(
                f"SELECT {COLUMNS}, id, starts, windows FROM tracks JOIN vectors ON track_id = id "
                "WHERE id IN (SELECT value FROM json_each(?))",
                (json.dumps([track_id for _, track_id in best]),),
            )
        hits = [to_hit(row, query) for row in rows]
        scores = {track_id: score for score, track_id in best}
        found = [(scores[track_id], track, start) for track_id, track, start in hits]
        return sorted(found, key=lambda hit: (-hit[0], hit[1].path))  # a stable order of equal scores

    def match_words(self, words: Sequence[str]) -> list[WordMatch]:
        """Where the words stand in tags and paths: see `tag_words.match_word`."""
        with self._transaction("DEFERRED"):
            return self._words.get(self._db, self.version(), words)

    def tracks_with_words(self, words: Sequence[str]) -> list[Track]:
        condition, values = tag_words.tracks_with_words(words)
        rows = self._query(f"SELECT {COLUMNS} FROM tracks WHERE {condition} ORDER BY path", values)
        return list(map(to_track, rows))

    def sample(self, n: int) -> np.ndarray:
        """(about n, dim) vectors of tracks that stand for all: see `Store.sample`."""
        return self.indexes.sample(n)

    def track_vectors(self) -> tuple[list[str], np.ndarray]:
        """The paths of all tracks, and their vectors (n, dim) float32."""
        return self.indexes.track_vectors()

    def version(self) -> object:
        """Changes after every write, by this process or another."""
        return self._query("PRAGMA data_version"), self._db.total_changes

    def __len__(self) -> int:
        return self.count().tracks

    def count(self) -> Totals:
        with self._transaction("DEFERRED"):
            version = self.version()
            if self._totals is None or self._totals[0] != version:  # cached: every search asks for it
                tracks, seconds = self._query("SELECT count(*), total(duration) FROM tracks")[0]
                windows = self._query("SELECT coalesce(sum(length(starts)), 0) / 8 FROM vectors")[0][0]
                self._totals = version, Totals(tracks, windows, seconds)
            return self._totals[1]

    def optimize(self) -> None:
        """Speed up the next opening and search; called once at the end of a run that writes."""
        for by in ("track", "moment"):
            self.indexes.update_file(by)
        self._query("PRAGMA optimize")
        self._query("PRAGMA wal_checkpoint(TRUNCATE)")

    def close(self) -> None:
        self._db.close()
