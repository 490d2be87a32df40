"""The table of the files that failed, so that they are not read again until they change."""

import os
import sqlite3
from collections.abc import Mapping

from kobza.library.records import KnownFailure


def read_failures(db: sqlite3.Connection) -> dict[str, KnownFailure]:
    """The failures by path."""
    if not db.execute("SELECT 1 FROM sqlite_schema WHERE name = 'failures'").fetchone():
        return {}  # a library of an older version, opened read-only
    rows = db.execute("SELECT path, size, mtime_ns, reason, version FROM failures ORDER BY path")
    return {os.fsdecode(path): KnownFailure(*failure) for path, *failure in rows}


def write_failures(db: sqlite3.Connection, changes: Mapping[str, KnownFailure | None]) -> None:
    """Keep the failures of these files, or with None forget them."""
    db.executemany("DELETE FROM failures WHERE path = ?", [(os.fsencode(path),) for path in changes])
    rows = [(os.fsencode(path), *failure) for path, failure in changes.items() if failure is not None]
    db.executemany("INSERT INTO failures VALUES (?, ?, ?, ?, ?)", rows)
