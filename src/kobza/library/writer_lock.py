"""One writer at a time on this machine."""

import contextlib
import sqlite3
from collections.abc import Iterator
from pathlib import Path

from kobza.library.records import LibraryError


@contextlib.contextmanager
def writer_lock(file: Path, library: str) -> Iterator[None]:
    """Held by the one process that writes: an SQLite lock in `file`, which ends with its process, however.

    Raises:
        LibraryError: another process holds it; the sentence calls the library by its name.
    """
    lock = sqlite3.connect(file, isolation_level=None, timeout=0)
    try:
        lock.execute("BEGIN EXCLUSIVE")
    except sqlite3.OperationalError as error:
        lock.close()
        if "locked" not in str(error):
            raise
        raise LibraryError(f"Another kobza is writing to {library}; wait until it has finished.") from error
    try:
        yield
    finally:
        lock.close()
