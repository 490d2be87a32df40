"""A library kept in one folder of this machine.

SQLite is the only truth: a track and its windows are written in one transaction, so whatever happens to the process,
a track is there whole or not at all. FAISS stands beside it for searching: exact, in memory, filled from SQLite when
first needed and again when anything was written since.
"""

import contextlib
import os
import sqlite3
import threading
import time
import urllib.parse
from collections.abc import Iterable, Iterator
from dataclasses import astuple
from pathlib import Path
from typing import Literal

import numpy as np

from kobza.library.filters import Filter, fold, to_sql
from kobza.library.records import LibraryError, Rev, Totals, Track, normalised_mean
from kobza.library.writer_lock import writer_lock

SCHEMA = 1
DATABASE = "kobza.db"
TABLES = """
CREATE TABLE IF NOT EXISTS meta (key TEXT PRIMARY KEY, value TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS tracks (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    path BLOB NOT NULL UNIQUE,              -- the bytes of the file system: not every name is UTF-8
    size INTEGER NOT NULL, mtime_ns INTEGER NOT NULL, hash BLOB NOT NULL,
    title TEXT NOT NULL, artist TEXT NOT NULL, album TEXT NOT NULL, genre TEXT NOT NULL, year INTEGER,
    duration REAL NOT NULL,                 -- seconds
    added REAL NOT NULL,                    -- seconds since 1970
    vector BLOB NOT NULL                    -- normalised mean of its windows, dim float16
);
CREATE TABLE IF NOT EXISTS windows (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    track_id INTEGER NOT NULL REFERENCES tracks (id) ON DELETE CASCADE,
    start REAL NOT NULL,                    -- seconds
    vector BLOB NOT NULL,                   -- unit length, dim float16
    UNIQUE (track_id, start)
);
"""


COLUMNS = "path, title, artist, album, genre, year, duration, added"


def _track(row: tuple) -> Track:
    return Track(os.fsdecode(row[0]), *row[1:])


def _vectors(blobs: list[bytes]) -> np.ndarray:
    return np.frombuffer(b"".join(blobs), np.float16).reshape(len(blobs), -1).astype(np.float32)


class SQLiteStore:
    def __init__(self, folder: Path, read_only: bool = False):
        self.folder, self.file, self.read_only = folder, folder / DATABASE, read_only
        self._lock = threading.RLock()  # one connection, maybe several threads (a web page's)
        self._indexes, self._version = {}, None
        try:
            self._db = self._connect(read_only)
            self._db.execute("PRAGMA foreign_keys = ON")
            self._db.create_function("fold", 1, fold, deterministic=True)
            if not read_only:
                self._db.execute("PRAGMA journal_mode = WAL")
                self._db.execute("PRAGMA synchronous = NORMAL")
                with self._transaction():
                    for statement in TABLES.split(";\n"):
                        self._db.execute(statement)
                    self._db.execute("INSERT OR IGNORE INTO meta VALUES ('schema', ?)", (str(SCHEMA),))
            schema = int(self.meta["schema"])
        except (sqlite3.Error, OSError, KeyError) as error:
            raise LibraryError(
                f"The library {folder} cannot be opened ({error}); name another folder with --library."
            ) from error
        if schema > SCHEMA:
            raise LibraryError(
                f"The library {folder} was written by a newer Kobza (schema {schema}, this one knows {SCHEMA}); "
                "upgrade Kobza."
            )

    def _connect(self, read_only: bool) -> sqlite3.Connection:
        options = {"isolation_level": None, "timeout": 10.0, "check_same_thread": False}
        if not read_only:
            self.folder.mkdir(parents=True, exist_ok=True)
            return sqlite3.connect(self.file, **options)
        if not self.file.exists():
            raise LibraryError(f"There is no library at {self.folder} yet; make one with: kobza index FOLDER")
        # A reader of a WAL database writes a file beside it; on a read-only disc nobody writes, so none is needed.
        mode = "mode=ro" if os.access(self.folder, os.W_OK) else "immutable=1"
        name = urllib.parse.quote(os.fsencode(self.file.absolute()))
        return sqlite3.connect(f"file:{name}?{mode}", uri=True, **options)

    @contextlib.contextmanager
    def _transaction(self) -> Iterator[None]:
        with self._lock:
            self._db.execute("BEGIN IMMEDIATE")
            try:
                yield
            except BaseException:
                self._db.execute("ROLLBACK")
                raise
            self._db.execute("COMMIT")

    @contextlib.contextmanager
    def writing(self, part: str = "") -> Iterator[None]:
        """Held by the one process that writes, whatever part of the library."""
        if self.read_only:
            raise LibraryError(f"The library {self.folder} was opened read-only; open it without read_only to write.")
        with writer_lock(self.folder / "writer.lock", str(self.folder)):
            yield

    @property
    def meta(self) -> dict[str, str]:
        return dict(self._db.execute("SELECT key, value FROM meta"))

    def set_meta(self, **values: str) -> None:
        with self._transaction():
            self._db.executemany("INSERT OR REPLACE INTO meta VALUES (?, ?)", values.items())

    def upsert(self, track: Track, rev: Rev, starts: list[float], vectors: np.ndarray) -> None:
        """Write a track and all of its windows, in place of what its path held before."""
        self.upsert_many([(track, rev, starts, vectors)])

    def upsert_many(self, tracks: Iterable[tuple[Track, Rev, list[float], np.ndarray]]) -> None:
        """`upsert` for all of them, or if one fails for none."""
        with self._transaction():
            for one in tracks:
                self._put(*one)

    def _put(self, track: Track, rev: Rev, starts: list[float], vectors: np.ndarray) -> None:
        halves = vectors.astype(np.float16)
        path, *tags, added = astuple(track)
        key, mean = os.fsencode(path), normalised_mean(halves).astype(np.float16).tobytes()
        before = self._db.execute("SELECT added FROM tracks WHERE path = ?", (key,)).fetchone() or (time.time(),)
        added = before[0] if added is None else added
        self._db.execute("DELETE FROM tracks WHERE path = ?", (key,))
        track_id = self._db.execute(
            f"INSERT INTO tracks ({COLUMNS}, size, mtime_ns, hash, vector) VALUES ({','.join('?' * 12)})",
            (key, *tags, added, *rev, mean),
        ).lastrowid
        self._db.executemany(
            "INSERT INTO windows (track_id, start, vector) VALUES (?, ?, ?)",
            [(track_id, start, half.tobytes()) for start, half in zip(starts, halves, strict=True)],
        )

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

    def revs(self) -> dict[str, Rev]:
        rows = self._db.execute("SELECT path, size, mtime_ns, hash FROM tracks")
        return {os.fsdecode(path): Rev(*rev) for path, *rev in rows}

    def scan(self, path: str | None = None) -> Iterator[tuple[Track, Rev, list[float], np.ndarray]]:
        """Every track (or the one at `path`) with all it has, in the order of paths."""
        where, values = ("WHERE path = ?", (os.fsencode(path),)) if path is not None else ("", ())
        ids = self._db.execute(f"SELECT id FROM tracks {where} ORDER BY path", values).fetchall()
        for (track_id,) in ids:
            row = self._db.execute(
                f"SELECT {COLUMNS}, size, mtime_ns, hash FROM tracks WHERE id = ?", (track_id,)
            ).fetchone()
            if row is not None:
                yield _track(row[:-3]), Rev(*row[-3:]), *self._windows(track_id)

    def _windows(self, track_id: int) -> tuple[list[float], np.ndarray]:
        rows = self._db.execute("SELECT start, vector FROM windows WHERE track_id = ? ORDER BY start", (track_id,))
        starts, blobs = zip(*rows.fetchall(), strict=True)
        return list(starts), _vectors(blobs)

    def _searchable(self, by: str):
        """(the FAISS index of the tracks' or the windows' vectors, the track that each belongs to)."""
        version = (self._db.execute("PRAGMA data_version").fetchone()[0], self._db.total_changes)
        if self._version != version:
            self._indexes, self._version = {}, version
        if by not in self._indexes:
            import faiss  # here: only a search needs it

            faiss.omp_set_num_threads(1)  # its threads cost more than they give below millions of vectors
            table = {"track": "id, vector FROM tracks", "moment": "track_id, vector FROM windows"}[by]
            rows = self._db.execute(f"SELECT {table} ORDER BY id").fetchall()
            owners, vectors = np.array([owner for owner, _ in rows], np.int64), _vectors([blob for _, blob in rows])
            kind = faiss.ScalarQuantizer.QT_fp16
            index = faiss.IndexScalarQuantizer(vectors.shape[1], kind, faiss.METRIC_INNER_PRODUCT)
            index.add(vectors)
            self._indexes[by] = index, owners
        return self._indexes[by]

    def search(
        self, vector: np.ndarray, k: int, where: Filter | None = None, by: Literal["track", "moment"] = "track"
    ) -> list[tuple[float, Track, float]]:
        """The k tracks nearest to `vector` (dim,) of those that pass: see `Store.search`."""
        import faiss

        condition, values = to_sql(where) if where is not None else ("1", [])
        with self._lock:
            allowed = np.array(self._db.execute(f"SELECT id FROM tracks WHERE {condition}", values).fetchall(), int)
            if not len(allowed):
                return []
            index, owners = self._searchable(by)
            query = np.ascontiguousarray(vector, np.float32)
            among = np.flatnonzero(np.isin(owners, allowed))
            parameters = faiss.SearchParameters(sel=faiss.IDSelectorBatch(among))
            wanted, best = k, {}
            while len(best) < min(k, len(allowed)):
                wanted = min(4 * wanted, len(among))  # a track may hold many of the nearest windows
                scores, places = index.search(query[None], wanted, params=parameters)
                best = {}
                for score, place in zip(scores[0].tolist(), places[0].tolist(), strict=True):
                    best.setdefault(int(owners[place]), score)
            hits = []
            for track_id, score in list(best.items())[:k]:
                row = self._db.execute(f"SELECT {COLUMNS} FROM tracks WHERE id = ?", (track_id,)).fetchone()
                starts, vectors = self._windows(track_id)
                hits.append((score, _track(row), starts[int(np.argmax(vectors @ query))]))
        return sorted(hits, key=lambda hit: (-hit[0], hit[1].path))  # equal scores in a lasting order

    def __len__(self) -> int:
        return self._db.execute("SELECT count(*) FROM tracks").fetchone()[0]

    def count(self) -> Totals:
        tracks, seconds = self._db.execute("SELECT count(*), total(duration) FROM tracks").fetchone()
        return Totals(tracks, self._db.execute("SELECT count(*) FROM windows").fetchone()[0], seconds)

    def optimize(self) -> None:
        """Fold the write-ahead log into the database; called once after a run of writing."""
        self._db.execute("PRAGMA optimize")
        self._db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()

    def close(self) -> None:
        self._db.close()
