"""Saving what can be read of a damaged database: row by row into a new one, while the damaged one is kept beside it."""

import contextlib
import os
import shutil
import sqlite3
from pathlib import Path

from kobza.atomic import flush
from kobza.audio import printable
from kobza.library.stores.schema import DATABASE, address, new_database

RESCUED = "kobza-rescued.db"  # while it is being written


def rescue(folder: Path) -> str:
    """Put a whole database in the place of the damaged one; a sentence on what was saved, and where the old one is.

    To be called by whoever holds the library's writer lock. Killed at any moment, it leaves the damaged database, or a
    copy of it and the new one.
    """
    damaged = _keep(folder)
    (folder / RESCUED).unlink(missing_ok=True)  # an earlier attempt was interrupted
    new = new_database(folder / RESCUED)
    old = sqlite3.connect(address(damaged, "ro"), uri=True)
    with contextlib.closing(new), contextlib.closing(old):
        saved = _copy_rows(old, new)
    flush(folder / RESCUED)
    for end in ("-wal", "-shm"):  # of the damaged one: the new one must not meet them
        (folder / (DATABASE + end)).unlink(missing_ok=True)
    os.replace(folder / RESCUED, folder / DATABASE)
    flush(folder)
    return (
        f"{saved} tracks could be read and are in a new database. The damaged one is kept as {printable(damaged)}; "
        "kobza sync indexes again what is missing."
    )


def _keep(folder: Path) -> Path:
    """A copy of the damaged database, with its write-ahead log, under a name that was not there."""
    number = 1
    while (kept := folder / f"kobza-damaged-{number}.db").exists():
        number += 1
    for end in ("", "-wal"):
        source = folder / (DATABASE + end)
        if source.exists():
            copy = Path(f"{kept}{end}")
            shutil.copyfile(source, copy)
            flush(copy)
    return kept


def _copy_rows(old: sqlite3.Connection, new: sqlite3.Connection) -> int:
    """Every row that can be read, each asked for alone: a damaged page hides only its own. How many tracks."""
    new.execute("BEGIN")
    for row in _readable(old, "SELECT key, value FROM meta WHERE key <> 'schema'"):
        _insert(new, "meta", ("key", "value"), row)
    tracks, vectors = (
        tuple(name for _, name, *_ in new.execute(f"PRAGMA table_info({table})")) for table in ("tracks", "vectors")
    )
    for track_id in sorted(_ids(old)):
        row = _readable(old, f"SELECT {', '.join(tracks)} FROM tracks WHERE id = {track_id}")
        blobs = _readable(old, f"SELECT {', '.join(vectors)} FROM vectors WHERE track_id = {track_id}")
        if row and blobs and _insert(new, "tracks", tracks, row[0]):
            _insert(new, "vectors", vectors, blobs[0])
    new.execute("COMMIT")
    return new.execute("SELECT count(*) FROM tracks JOIN vectors ON track_id = id").fetchone()[0]


def _ids(db: sqlite3.Connection) -> set[int]:
    """Of all tracks that any table or index still knows, read from both ends towards what is damaged."""
    sources = (
        "id FROM tracks NOT INDEXED ORDER BY id",
        "id FROM tracks INDEXED BY sqlite_autoindex_tracks_1 ORDER BY path",
        "track_id FROM vectors ORDER BY track_id",
    )
    rows = [row for source in sources for end in ("", " DESC") for row in _readable(db, f"SELECT {source}{end}")]
    return {track_id for (track_id,) in rows if isinstance(track_id, int)}


def _readable(db: sqlite3.Connection, sql: str) -> list[tuple]:
    """The rows up to the first that cannot be read."""
    rows = []
    with contextlib.suppress(sqlite3.Error, OverflowError, UnicodeDecodeError):
        for row in db.execute(sql):
            rows.append(row)
    return rows


def _insert(db: sqlite3.Connection, table: str, names: tuple[str, ...], row: tuple) -> bool:
    marks = ", ".join("?" * len(row))
    try:
        db.execute(f"INSERT INTO {table} ({', '.join(names)}) VALUES ({marks})", row)
    except sqlite3.Error:
        return False  # what was read makes no sense, or twice
    return True
