"""One writer at a time on this machine."""

import contextlib
import sqlite3
from collections.abc import Iterator
from pathlib import Path

from kobza.library.stores.schema import explained


@contextlib.contextmanager
def writer_lock(file: Path, library: str | Path) -> Iterator[None]:
    """Held by the one process that writes to `library`: an SQLite lock in `file`, which ends with its process, however.

    Raises:
        LibraryError: another process holds it.
    """
    with contextlib.closing(sqlite3.connect(file, isolation_level=None, timeout=0)) as lock:
        with explained(library):
            lock.execute("BEGIN EXCLUSIVE")
        yield
