"""The tables of a library's database, how it is opened, and what its errors mean.

Each schema but the first is made of the one before by a migration, in one transaction: a library is of the old schema
or of the new one, whatever happens to the process.
"""

import contextlib
import errno
import itertools
import mmap
import os
import shutil
import sqlite3
import tempfile
import urllib.parse
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np

from kobza.audio import printable
from kobza.library.filters.tree import TEXT, normalize_text
from kobza.library.records import LibraryError

SCHEMA = 2
DATABASE = "kobza.db"
FOLDED = ", ".join(f"folded_{name}" for name in TEXT)
TABLES = """
CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL);
CREATE TABLE tracks (
    id INTEGER PRIMARY KEY AUTOINCREMENT,   -- never given twice: the search files rely on it
    path BLOB NOT NULL UNIQUE,              -- the bytes of the file system: not every name is UTF-8
    size INTEGER NOT NULL, mtime_ns INTEGER NOT NULL, hash BLOB NOT NULL,
    title TEXT NOT NULL, artist TEXT NOT NULL, album TEXT NOT NULL, genre TEXT NOT NULL, year INTEGER,
    duration REAL NOT NULL,                 -- seconds
    added REAL NOT NULL,                    -- seconds since 1970
    folded_genre TEXT NOT NULL DEFAULT '', folded_artist TEXT NOT NULL DEFAULT '',  -- for filters: SQLite itself
    folded_album TEXT NOT NULL DEFAULT '', folded_title TEXT NOT NULL DEFAULT ''    -- folds no case but A to Z
);
CREATE TABLE vectors (                      -- apart from tracks, so that a filter reads little
    track_id INTEGER PRIMARY KEY REFERENCES tracks (id) ON DELETE CASCADE,
    vector BLOB NOT NULL,                   -- normalised mean of the windows, dim float16
    starts BLOB NOT NULL,                   -- seconds, n float64
    windows BLOB NOT NULL                   -- of unit length, n x dim float16
);
CREATE TABLE search_files (kind TEXT PRIMARY KEY, name TEXT NOT NULL);
INSERT INTO meta VALUES ('schema', '2');
"""


def _to_2(db: sqlite3.Connection) -> None:
    """Windows were rows: to read a million of them took ten seconds, at every opening."""
    for table in TABLES.split(";\n"):
        if table.startswith(("CREATE TABLE vectors", "CREATE TABLE search_files")):
            db.execute(table)
    rows = db.execute("SELECT track_id, start, vector FROM windows ORDER BY track_id, start")
    for track_id, group in itertools.groupby(rows, key=lambda row: row[0]):
        _, starts, blobs = zip(*group, strict=True)
        db.execute(
            "INSERT INTO vectors SELECT id, vector, ?, ? FROM tracks WHERE id = ?",
            (np.array(starts, np.float64).tobytes(), b"".join(blobs), track_id),
        )
    db.execute("DROP TABLE windows")
    db.execute("ALTER TABLE tracks DROP COLUMN vector")
    for name in TEXT:
        db.execute(f"ALTER TABLE tracks ADD COLUMN folded_{name} TEXT NOT NULL DEFAULT ''")
    refold(db)


MIGRATIONS: dict[int, Callable[[sqlite3.Connection], None]] = {2: _to_2}


def refold(db: sqlite3.Connection) -> None:
    """Write again what filters compare with."""
    db.create_function("fold", 1, normalize_text, deterministic=True)
    db.execute(f"UPDATE tracks SET {', '.join(f'folded_{name} = fold({name})' for name in TEXT)}")


class DamagedLibraryError(LibraryError):
    """SQLite cannot make sense of the database file."""


@contextlib.contextmanager
def explained(folder: Path) -> Iterator[None]:
    """SQLite's errors as sentences about the library in `folder`."""
    try:
        yield
    except sqlite3.Error as error:
        code, name = getattr(error, "sqlite_errorcode", 0) & 0xFF, printable(folder)
        if code in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB):
            raise DamagedLibraryError(
                f"The library {name} is damaged ({error}); see how far with: kobza library check, and save what is "
                "whole with: kobza library repair"
            ) from error
        if code in (sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR):
            what = f"cannot be written or read ({error}): the disc is full or failing"
            what += ". What was finished is stored; make room and do the same again"
        elif code == sqlite3.SQLITE_BUSY:
            what = "is being written by another kobza; wait until that has finished"
        elif code in (sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CANTOPEN):
            what = f"cannot be opened ({error}); check its permissions, or name another folder with --library"
        else:
            what = f"cannot be used ({error}); see what is wrong with: kobza library check"
        raise LibraryError(f"The library {name} {what}.") from error


@contextlib.contextmanager
def transaction(db: sqlite3.Connection, kind: str = "IMMEDIATE") -> Iterator[None]:
    """All of what is done within, or nothing. With kind DEFERRED to read: all is seen as it was at one moment."""
    db.execute(f"BEGIN {kind}")
    try:
        yield
        db.execute("COMMIT")
    except BaseException:
        if db.in_transaction:  # SQLite itself may have taken all back, as on a full disc
            db.execute("ROLLBACK")
        raise


def _schema(db: sqlite3.Connection, folder: Path) -> int:
    """0 for an empty database. LibraryError: a newer one than this Kobza knows, or no library."""
    if not db.execute("SELECT count(*) FROM sqlite_schema").fetchone()[0]:
        return 0
    tables = {name for (name,) in db.execute("SELECT name FROM sqlite_schema")}
    found = db.execute("SELECT value FROM meta WHERE key = 'schema'").fetchone() if "meta" in tables else None
    if found is None:
        raise LibraryError(
            f"{printable(folder / DATABASE)} is no library of Kobza; name another folder with --library."
        )
    if int(found[0]) > SCHEMA:
        raise LibraryError(
            f"The library {printable(folder)} was written by a newer Kobza (schema {found[0]}, this one knows "
            f"{SCHEMA}); upgrade Kobza."
        )
    return int(found[0])


def _bring_up_to_date(db: sqlite3.Connection, folder: Path) -> None:
    if _schema(db, folder) == SCHEMA:
        return
    with transaction(db):
        schema = _schema(db, folder)  # again: another process may have been quicker
        if schema == 0:
            for statement in TABLES.split(";\n"):
                db.execute(statement)
            return
        for number in range(schema + 1, SCHEMA + 1):
            MIGRATIONS[number](db)
            db.execute("UPDATE meta SET value = ? WHERE key = 'schema'", (str(number),))


def address(file: Path, mode: str) -> str:
    """The file as SQLite's URI, whatever its name: `mode` is rwc, ro, or immutable."""
    how = "immutable=1" if mode == "immutable" else f"mode={mode}"
    return f"file:{urllib.parse.quote(os.fsencode(file.absolute()))}?{how}"


def _connect(name: str) -> sqlite3.Connection:
    db = sqlite3.connect(name, uri=True, isolation_level=None, timeout=10.0, check_same_thread=False)
    try:
        db.execute("PRAGMA foreign_keys = ON")
        db.execute("PRAGMA cache_size = -32768")  # KiB; already looks into the file
    except sqlite3.Error:
        db.close()  # a lock that it kept would be in the way of another attempt
        raise
    return db


def new_database(file: Path) -> sqlite3.Connection:
    """An empty one of the present schema."""
    db = _connect(address(file, "rwc"))
    _bring_up_to_date(db, file.parent)
    return db


def open_for_writing(folder: Path) -> sqlite3.Connection:
    """The database in `folder`, made if absent, of the present schema. LibraryError: it cannot be."""
    file = folder / DATABASE
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for path in (folder, file):
            if path.exists() and not os.access(path, os.W_OK):  # SQLite would find out at the first write only
                raise PermissionError(errno.EACCES, "it may only be read")
    except OSError as error:
        raise LibraryError(
            f"The library {printable(folder)} cannot be opened ({error.strerror}); name another folder with --library."
        ) from error
    with explained(folder):
        shared = shares_memory(folder)
        if not shared:
            _leave_wal(file)
        db = _connect(address(file, "rwc"))
        if shared:
            db.execute("PRAGMA journal_mode = WAL")  # readers and the writer never wait for each other
            db.execute("PRAGMA synchronous = NORMAL")
        _bring_up_to_date(db, folder)
    return db


def shares_memory(folder: Path) -> bool:
    """Whether processes can share memory through a file in `folder`, which WAL needs; many network and FUSE file
    systems cannot."""
    with contextlib.suppress(OSError), tempfile.TemporaryFile(dir=folder) as file:
        file.truncate(mmap.PAGESIZE)
        try:
            mmap.mmap(file.fileno(), mmap.PAGESIZE).close()
        except OSError as error:
            return error.errno not in (errno.ENODEV, errno.EINVAL, errno.ENOTSUP)
    return True  # or nothing can be written there now: whatever the reason, SQLite will say


def _leave_wal(file: Path) -> None:
    """Let a database have a rollback journal. In exclusive mode, asked for before all else, SQLite reads a WAL without
    shared memory, and so can leave it."""
    with contextlib.closing(sqlite3.connect(address(file, "rwc"), uri=True, isolation_level=None, timeout=10.0)) as db:
        db.execute("PRAGMA locking_mode = EXCLUSIVE")
        db.execute("PRAGMA journal_mode = DELETE")


def refuse_absent(folder: Path) -> None:
    if not (folder / DATABASE).exists():
        raise LibraryError(f"There is no library at {printable(folder)} yet; make one with: kobza index FOLDER")


def open_for_reading(folder: Path) -> sqlite3.Connection:
    """The database in `folder`, from which nothing is written; a copy in memory if it cannot be read where it lies."""
    file = folder / DATABASE
    refuse_absent(folder)
    with explained(folder):
        try:
            db = _connect(address(file, "ro"))
            schema = _schema(db, folder)
        except sqlite3.OperationalError as error:
            # A reader of a WAL database writes a file beside it, and here it cannot: a read-only folder, a full disc, a
            # file system that shares no memory. Nor can it undo what a killed writer left unfinished in a journal.
            if error.sqlite_errorcode & 0xFF == sqlite3.SQLITE_BUSY:
                raise
            if os.access(folder, os.W_OK) and os.access(file, os.W_OK) and not shares_memory(folder):
                _leave_wal(file)
                db = _connect(address(file, "ro"))
            elif any(log.exists() and log.stat().st_size for log in _logs(file)):  # what is in it must be seen, too
                return _copied(file)
            else:
                db = _connect(address(file, "immutable"))
            schema = _schema(db, folder)
        return db if schema == SCHEMA else _in_memory(db, folder)


def _logs(file: Path) -> list[Path]:
    """The write-ahead log and the rollback journal of a database."""
    return [file.with_name(file.name + end) for end in ("-wal", "-journal")]


def _copied(file: Path) -> sqlite3.Connection:
    with tempfile.TemporaryDirectory(prefix="kobza-") as folder:
        for source in filter(Path.exists, [file, *_logs(file)]):
            shutil.copyfile(source, Path(folder) / source.name)
        db = _connect(address(Path(folder) / DATABASE, "rwc"))
        db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
        return _in_memory(db, file.parent)


def _in_memory(db: sqlite3.Connection, folder: Path) -> sqlite3.Connection:
    """A copy of the present schema, away from the disc."""
    memory = _connect(":memory:")
    db.backup(memory)
    db.close()
    _bring_up_to_date(memory, folder)
    return memory
