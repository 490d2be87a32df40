"""A library's database: its tables, migrations, transactions, and its errors as messages for users.

A migration runs in one transaction, so a killed process leaves the old schema or the new one.
"""

import contextlib
import itertools
import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np

from kobza.audio import printable
from kobza.library.filters.tree import TEXT, normalize_tag
from kobza.library.records import LibraryError
from kobza.library.stores.tag_words import WORDS, rebuild_words

SCHEMA = 3
DATABASE = "kobza.db"
TEXT_IN_SCHEMA_2 = ("genre", "artist", "album", "title")
NORMALIZED_COLUMNS = ", ".join(f"folded_{name}" for name in TEXT)
# Narrower than the table, so that a filter takes a third less time; in the order in which tracks are added.
FILTER_INDEX = (
    "CREATE INDEX tracks_by_filters ON tracks (added, year, duration, folded_genre, folded_artist, bpm, loudness, "
    "energy, bitrate, sample_rate, track_number, folded_key, folded_format, folded_album, folded_album_artist, "
    "folded_composer)"
)
TABLES = f"""
CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL);
CREATE TABLE tracks (
    id INTEGER PRIMARY KEY AUTOINCREMENT,   -- never reused: the index files rely on it
    path BLOB NOT NULL UNIQUE,              -- the file system's bytes: not every name is UTF-8
    size INTEGER NOT NULL, mtime_ns INTEGER NOT NULL, hash BLOB NOT NULL,
    title TEXT NOT NULL, artist TEXT NOT NULL, album TEXT NOT NULL, genre TEXT NOT NULL, year INTEGER,
    duration REAL NOT NULL,                 -- seconds
    added REAL NOT NULL,                    -- seconds since 1970
    album_artist TEXT NOT NULL DEFAULT '', composer TEXT NOT NULL DEFAULT '', comment TEXT NOT NULL DEFAULT '',
    track_number INTEGER, format TEXT NOT NULL DEFAULT '', bitrate INTEGER, sample_rate INTEGER,
    bpm REAL, key TEXT NOT NULL DEFAULT '', loudness REAL, energy REAL,
    folded_genre TEXT NOT NULL DEFAULT '', folded_artist TEXT NOT NULL DEFAULT '',  -- for filters: SQLite itself
    folded_album TEXT NOT NULL DEFAULT '', folded_title TEXT NOT NULL DEFAULT '',   -- ignores the case of A to Z only
    folded_album_artist TEXT NOT NULL DEFAULT '', folded_composer TEXT NOT NULL DEFAULT '',
    folded_comment TEXT NOT NULL DEFAULT '', folded_format TEXT NOT NULL DEFAULT '',
    folded_key TEXT NOT NULL DEFAULT '',
    audio_hash BLOB NOT NULL DEFAULT x'',   -- of the sound without the tags; empty: unknown
    start REAL NOT NULL DEFAULT 0, [end] REAL,  -- seconds within the file, of a track that is a part of one
    device INTEGER, inode INTEGER           -- of this machine's file systems: tell a renamed file from a copy
);
CREATE TABLE vectors (                      -- separate from tracks, so that filters read little
    track_id INTEGER PRIMARY KEY REFERENCES tracks (id) ON DELETE CASCADE,
    vector BLOB NOT NULL,                   -- normalized mean of the windows, dim float16
    starts BLOB NOT NULL,                   -- seconds, n float64
    windows BLOB NOT NULL                   -- of unit length, n x dim float16
);
CREATE TABLE search_files (kind TEXT PRIMARY KEY, name TEXT NOT NULL);
CREATE TABLE failures (                     -- files that are not read again until they change
    path BLOB PRIMARY KEY, size INTEGER NOT NULL, mtime_ns INTEGER NOT NULL,
    reason TEXT NOT NULL, version TEXT NOT NULL
);
CREATE INDEX tracks_by_genre ON tracks (folded_genre, year);
CREATE INDEX tracks_by_artist ON tracks (folded_artist);
{FILTER_INDEX};
CREATE TABLE removals (                     -- of the last hour: `removed.py`
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    time REAL NOT NULL,                     -- seconds since 1970
    command TEXT NOT NULL,                  -- remove or sync
    details TEXT NOT NULL                   -- JSON: the settings that the removal changed, and the model
);
CREATE TABLE removed_tracks (
    removal INTEGER NOT NULL REFERENCES removals (id) ON DELETE CASCADE,
    path BLOB NOT NULL,
    track TEXT NOT NULL,                    -- JSON, as is the file's state: their fields may become more
    file_state TEXT NOT NULL,
    starts BLOB NOT NULL, windows BLOB NOT NULL,
    PRIMARY KEY (removal, path)
);
{WORDS}
INSERT INTO meta VALUES ('schema', '3');
"""


def _create_tables(db: sqlite3.Connection, *names: str) -> None:
    for statement in TABLES.split(";\n"):
        if statement.startswith(tuple(f"CREATE TABLE {name} " for name in names)):
            db.execute(statement)


def _migrate_to_2(db: sqlite3.Connection) -> None:
    """One row per track instead of one per window: reading a million windows took ten seconds at every opening."""
    _create_tables(db, "vectors", "search_files")
    rows = db.execute("SELECT track_id, start, vector FROM windows ORDER BY track_id, start")
    for track_id, group in itertools.groupby(rows, key=lambda row: row[0]):
        _, starts, blobs = zip(*group, strict=True)
        db.execute(
            "INSERT INTO vectors SELECT id, vector, ?, ? FROM tracks WHERE id = ?",
            (np.array(starts, np.float64).tobytes(), b"".join(blobs), track_id),
        )
    db.execute("DROP TABLE windows")
    db.execute("ALTER TABLE tracks DROP COLUMN vector")
    for name in TEXT_IN_SCHEMA_2:
        db.execute(f"ALTER TABLE tracks ADD COLUMN folded_{name} TEXT NOT NULL DEFAULT ''")


def _migrate_to_3(db: sqlite3.Connection) -> None:
    """More tags, what a file's header says, what an analysis finds, and what was removed in the last hour."""
    for column in (
        "album_artist TEXT NOT NULL DEFAULT ''",
        "composer TEXT NOT NULL DEFAULT ''",
        "comment TEXT NOT NULL DEFAULT ''",
        "track_number INTEGER",
        "format TEXT NOT NULL DEFAULT ''",
        "bitrate INTEGER",
        "sample_rate INTEGER",
        "bpm REAL",
        "key TEXT NOT NULL DEFAULT ''",
        "loudness REAL",
        "energy REAL",
        "start REAL NOT NULL DEFAULT 0",
        "[end] REAL",
        "device INTEGER",
        "inode INTEGER",
        "audio_hash BLOB NOT NULL DEFAULT x''",
        *(f"folded_{name} TEXT NOT NULL DEFAULT ''" for name in TEXT if name not in TEXT_IN_SCHEMA_2),
    ):
        db.execute(f"ALTER TABLE tracks ADD COLUMN {column}")
    _create_tables(db, "failures", "removals", "removed_tracks")
    db.execute("CREATE INDEX tracks_by_genre ON tracks (folded_genre, year)")
    db.execute("CREATE INDEX tracks_by_artist ON tracks (folded_artist)")
    db.execute(FILTER_INDEX)
    rewrite_normalized_tags(db)
    for statement in WORDS.split(";\n"):
        db.execute(statement)
    rebuild_words(db)


MIGRATIONS: dict[int, Callable[[sqlite3.Connection], None]] = {2: _migrate_to_2, 3: _migrate_to_3}


def rewrite_normalized_tags(db: sqlite3.Connection) -> None:
    """Recompute the columns that filters compare with."""
    db.create_function("normalize_tag", 2, normalize_tag, deterministic=True)
    changes = ", ".join(f"folded_{name} = normalize_tag('{name}', {name})" for name in TEXT)
    db.execute(f"UPDATE tracks SET {changes}")


class DamagedLibraryError(LibraryError):
    """The database file is corrupt."""


@contextlib.contextmanager
def translate_errors(folder: Path) -> Iterator[None]:
    """Raise SQLite's errors as LibraryError, with a message about the library in `folder` and what to do."""
    try:
        yield
    except sqlite3.Error as error:
        code = getattr(error, "sqlite_errorcode", 0) & 0xFF  # the low byte is the primary result code
        name = printable(folder)
        if code in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB):
            raise DamagedLibraryError(
                f"The library {name} is damaged ({error}); see the extent with: kobza library check, and recover what "
                "can be read with: kobza library repair"
            ) from error
        if code in (sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR):
            problem = (
                f"cannot be written or read ({error}): the disk is full or failing. What was finished is stored; free "
                "some space and run the same command again"
            )
        elif code == sqlite3.SQLITE_BUSY:
            problem = "is being written by another kobza; wait until that has finished"
        elif code in (sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CANTOPEN):
            problem = f"cannot be opened ({error}); check its permissions, or name another folder with --library"
        else:
            problem = f"cannot be used ({error}); look for damage with: kobza library check"
        raise LibraryError(f"The library {name} {problem}.") from error


@contextlib.contextmanager
def transaction(db: sqlite3.Connection, kind: str = "IMMEDIATE") -> Iterator[None]:
    """A transaction, rolled back if the block fails. With kind "DEFERRED", all reads see one snapshot."""
    db.execute(f"BEGIN {kind}")
    try:
        yield
        db.execute("COMMIT")
    except BaseException:
        if db.in_transaction:  # SQLite may have rolled back itself, as on a full disk
            db.execute("ROLLBACK")
        raise


def schema_version(db: sqlite3.Connection, folder: Path) -> int:
    """0 for an empty database. LibraryError: newer than this Kobza supports, or not a library."""
    if not db.execute("SELECT count(*) FROM sqlite_schema").fetchone()[0]:
        return 0
    tables = {name for (name,) in db.execute("SELECT name FROM sqlite_schema")}
    found = db.execute("SELECT value FROM meta WHERE key = 'schema'").fetchone() if "meta" in tables else None
    if found is None:
        raise LibraryError(
            f"{printable(folder / DATABASE)} is not a Kobza library; name another folder with --library."
        )
    if int(found[0]) > SCHEMA:
        raise LibraryError(
            f"The library {printable(folder)} was written by a newer Kobza (schema {found[0]}, this one supports "
            f"up to {SCHEMA}); upgrade Kobza."
        )
    return int(found[0])


def migrate(db: sqlite3.Connection, folder: Path) -> None:
    if schema_version(db, folder) == SCHEMA:
        return
    with transaction(db):
        schema = schema_version(db, folder)  # again: another process may have migrated it meanwhile
        if schema == 0:
            for statement in TABLES.split(";\n"):
                db.execute(statement)
            return
        for number in range(schema + 1, SCHEMA + 1):
            MIGRATIONS[number](db)
            db.execute("UPDATE meta SET value = ? WHERE key = 'schema'", (str(number),))
