"""Opening a library's database, for reading and for writing, on whatever file system it is."""

import contextlib
import errno
import mmap
import os
import shutil
import sqlite3
import tempfile
import urllib.parse
from pathlib import Path

from kobza.audio import printable
from kobza.library.records import LibraryError
from kobza.library.stores import tag_words
from kobza.library.stores.schema import DATABASE, SCHEMA, migrate, schema_version, translate_errors


def sqlite_uri(file: Path, mode: str) -> str:
    """SQLite's URI of a file with any name; `mode` is rwc, ro, or immutable.

    >>> sqlite_uri(Path("/music/100%/kobza.db"), "ro")
    'file:/music/100%25/kobza.db?mode=ro'
    """
    query = "immutable=1" if mode == "immutable" else f"mode={mode}"
    return f"file:{urllib.parse.quote(os.fsencode(file.absolute()))}?{query}"


def connect(name: str) -> sqlite3.Connection:
    db = sqlite3.connect(name, uri=True, isolation_level=None, timeout=10.0, check_same_thread=False)
    try:
        tag_words.register(db)
        db.execute("PRAGMA foreign_keys = ON")
        db.execute("PRAGMA temp_store = MEMORY")  # a reader may have no writable temporary folder
        db.execute("PRAGMA cache_size = -32768")  # KiB; this statement already reads the file
    except sqlite3.Error:
        db.close()  # release its lock for the next attempt
        raise
    return db


def new_database(file: Path) -> sqlite3.Connection:
    """An empty database of the current schema."""
    db = connect(sqlite_uri(file, "rwc"))
    migrate(db, file.parent)
    return db


def open_for_writing(folder: Path) -> sqlite3.Connection:
    """The database in `folder`, created if absent, migrated to the current schema.

    Raises:
        LibraryError: it cannot be opened for writing.
    """
    file = folder / DATABASE
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for path in (folder, file):
            if path.exists() and not os.access(path, os.W_OK):  # SQLite would fail at the first write only
                raise PermissionError(errno.EACCES, "it is read-only")
    except OSError as error:
        raise LibraryError(
            f"The library {printable(folder)} cannot be opened ({error.strerror}); name another folder with --library."
        ) from error
    with translate_errors(folder):
        shared = supports_shared_memory(folder)
        if not shared:
            _disable_wal(file)
        db = connect(sqlite_uri(file, "rwc"))
        if shared:
            db.execute("PRAGMA journal_mode = WAL")  # readers and the writer do not block each other
            db.execute("PRAGMA synchronous = NORMAL")
        migrate(db, folder)
    return db


def supports_shared_memory(folder: Path) -> bool:
    """Whether a file in `folder` can be mapped as shared memory, which WAL needs; not so on many network and FUSE file
    systems."""
    with contextlib.suppress(OSError), tempfile.TemporaryFile(dir=folder) as file:
        file.truncate(mmap.PAGESIZE)
        try:
            mmap.mmap(file.fileno(), mmap.PAGESIZE).close()
        except OSError as error:
            return error.errno not in (errno.ENODEV, errno.EINVAL, errno.ENOTSUP)
    return True  # or nothing can be written there: SQLite will report why


def _disable_wal(file: Path) -> None:
    """Switch a database to a rollback journal.

    In exclusive locking mode, set before anything else, SQLite reads a WAL without shared memory, and so can leave it.
    """
    with contextlib.closing(
        sqlite3.connect(sqlite_uri(file, "rwc"), uri=True, isolation_level=None, timeout=10.0)
    ) as db:
        db.execute("PRAGMA locking_mode = EXCLUSIVE")
        db.execute("PRAGMA journal_mode = DELETE")


def require_library(folder: Path) -> None:
    """LibraryError: there is no library in `folder`."""
    if not (folder / DATABASE).exists():
        raise LibraryError(f"There is no library at {printable(folder)} yet; create one with: kobza index FOLDER")


def open_for_reading(folder: Path) -> sqlite3.Connection:
    """The database in `folder`, read-only; a copy in memory if it cannot be read in place or has an older schema."""
    file = folder / DATABASE
    require_library(folder)
    with translate_errors(folder):
        try:
            db = connect(sqlite_uri(file, "ro"))
            schema = schema_version(db, folder)
        except sqlite3.OperationalError as error:
            # Reading a WAL database needs a writable shared-memory file beside it, which is impossible in a read-only
            # folder, on a full disk, or without shared memory; nor can a reader roll back a killed writer's journal.
            if error.sqlite_errorcode & 0xFF == sqlite3.SQLITE_BUSY:
                raise
            if os.access(folder, os.W_OK) and os.access(file, os.W_OK) and not supports_shared_memory(folder):
                _disable_wal(file)
                db = connect(sqlite_uri(file, "ro"))
            elif any(log.exists() and log.stat().st_size for log in _logs(file)):  # the log has committed data
                return _open_copy(file)
            else:
                db = connect(sqlite_uri(file, "immutable"))
            schema = schema_version(db, folder)
        return db if schema == SCHEMA else _copy_to_memory(db, folder)


def _logs(file: Path) -> list[Path]:
    """The write-ahead log and the rollback journal of a database."""
    return [file.with_name(file.name + end) for end in ("-wal", "-journal")]


def _open_copy(file: Path) -> sqlite3.Connection:
    with tempfile.TemporaryDirectory(prefix="kobza-") as folder:
        for source in filter(Path.exists, [file, *_logs(file)]):
            shutil.copyfile(source, Path(folder) / source.name)
        db = connect(sqlite_uri(Path(folder) / DATABASE, "rwc"))
        db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
        return _copy_to_memory(db, file.parent)


def _copy_to_memory(db: sqlite3.Connection, folder: Path) -> sqlite3.Connection:
    """A copy in memory, migrated to the current schema."""
    memory = connect(":memory:")
    db.backup(memory)
    db.close()
    migrate(memory, folder)
    return memory
