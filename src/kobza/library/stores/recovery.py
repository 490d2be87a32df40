"""Recovering a damaged database: every readable row is copied into a new one; the damaged one is kept beside it."""

import contextlib
import os
import shutil
import sqlite3
from pathlib import Path
from typing import Any

from kobza.atomic import fsync
from kobza.audio import printable
from kobza.library.stores.connection import new_database, sqlite_uri
from kobza.library.stores.schema import DATABASE

PARTIAL_DATABASE = "kobza-rescued.db"  # the new database while it is written; 0.1.0's name, so its leftovers go, too


def recover(folder: Path) -> str:
    """Replace the damaged database by a new one of its readable rows; a message that says what was recovered.

    The caller holds the library's writer lock. Killed at any moment, it leaves the damaged database in place, or the
    new one and a copy of the damaged one.
    """
    damaged = _keep_copy(folder)
    (folder / PARTIAL_DATABASE).unlink(missing_ok=True)  # an earlier attempt was interrupted
    new = new_database(folder / PARTIAL_DATABASE)
    old = sqlite3.connect(sqlite_uri(damaged, "ro"), uri=True)
    with contextlib.closing(new), contextlib.closing(old):
        recovered = _copy_rows(old, new)
    fsync(folder / PARTIAL_DATABASE)
    for suffix in ("-wal", "-shm"):  # of the damaged one: SQLite would apply them to the new one
        (folder / (DATABASE + suffix)).unlink(missing_ok=True)
    os.replace(folder / PARTIAL_DATABASE, folder / DATABASE)
    fsync(folder)
    return (
        f"{recovered} tracks could be read and are in a new database. The damaged one is kept as {printable(damaged)}; "
        "kobza sync indexes the missing ones again."
    )


def _keep_copy(folder: Path) -> Path:
    """Copy the damaged database, with its write-ahead log, to an unused name."""
    number = 1
    while (kept := folder / f"kobza-damaged-{number}.db").exists():
        number += 1
    for suffix in ("", "-wal"):
        source = folder / (DATABASE + suffix)
        if source.exists():
            copy = Path(f"{kept}{suffix}")
            shutil.copyfile(source, copy)
            fsync(copy)
    return kept


def _copy_rows(old: sqlite3.Connection, new: sqlite3.Connection) -> int:
    """Copy every readable row, each by a query of its own, so that a damaged page loses only its rows; how many
    tracks."""
    new.execute("BEGIN")
    for row in _readable(old, "SELECT key, value FROM meta WHERE key <> 'schema'"):
        _insert(new, "meta", ("key", "value"), row)
    track_columns = _column_names(new, "tracks")
    vector_columns = _column_names(new, "vectors")
    for track_id in sorted(_track_ids(old)):
        tracks = _readable(old, f"SELECT [{'], ['.join(track_columns)}] FROM tracks WHERE id = {track_id}")
        vectors = _readable(old, f"SELECT {', '.join(vector_columns)} FROM vectors WHERE track_id = {track_id}")
        if tracks and vectors and _insert(new, "tracks", track_columns, tracks[0]):
            _insert(new, "vectors", vector_columns, vectors[0])
    new.execute("COMMIT")
    count: int = new.execute("SELECT count(*) FROM tracks JOIN vectors ON track_id = id").fetchone()[0]
    return count


def _column_names(db: sqlite3.Connection, table: str) -> tuple[str, ...]:
    return tuple(name for _, name, *_ in db.execute(f"PRAGMA table_info({table})"))


def _track_ids(db: sqlite3.Connection) -> set[int]:
    """The ids of all tracks that any table or index still lists, read from both ends towards the damage."""
    sources = (
        "id FROM tracks NOT INDEXED ORDER BY id",
        "id FROM tracks INDEXED BY sqlite_autoindex_tracks_1 ORDER BY path",
        "track_id FROM vectors ORDER BY track_id",
    )
    rows = [row for source in sources for end in ("", " DESC") for row in _readable(db, f"SELECT {source}{end}")]
    return {track_id for (track_id,) in rows if isinstance(track_id, int)}


def _readable(db: sqlite3.Connection, sql: str) -> list[tuple[Any, ...]]:
    """The rows up to the first that cannot be read."""
    rows = []
    with contextlib.suppress(sqlite3.Error, OverflowError, UnicodeDecodeError):
        for row in db.execute(sql):
            rows.append(row)
    return rows


def _insert(db: sqlite3.Connection, table: str, columns: tuple[str, ...], row: tuple[Any, ...]) -> bool:
    placeholders = ", ".join("?" * len(row))
    try:
        db.execute(f"INSERT INTO {table} ([{'], ['.join(columns)}]) VALUES ({placeholders})", row)
    except sqlite3.Error:
        return False  # a row that violates a constraint: garbage, or a duplicate
    return True
