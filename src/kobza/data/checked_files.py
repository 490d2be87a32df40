"""Which files have been decoded to their end before, so that a folder is checked once and not in every run."""

import contextlib
import os
import sqlite3
from collections.abc import Iterable
from pathlib import Path

from kobza.folders import cache_folder

FILE = "decodable.sqlite"
VERSION = 1  # increase it when `decoding_check` asks more of a file


class CheckedFiles:
    """Files that could be decoded, by path, size and time of change, in an SQLite database in the cache folder.

    Only good files are kept: one that failed is tried again. Without a usable database every file is unknown.
    """

    def __init__(self, folder: Path | None = None):
        self.path = (folder or cache_folder()) / FILE

    @contextlib.contextmanager
    def _database(self):
        database = sqlite3.connect(self.path, timeout=30)
        try:
            with database:
                database.execute(
                    "CREATE TABLE IF NOT EXISTS decodable (path TEXT PRIMARY KEY, size INTEGER, changed INTEGER, "
                    "version INTEGER) WITHOUT ROWID"
                )
                yield database
        finally:
            database.close()

    def unknown(self, paths: Iterable[Path]) -> list[Path]:
        """Those of the paths that are not known to be good as they are now."""
        paths = list(paths)
        try:
            with self._database() as database:
                known = {path: rest for path, *rest in database.execute("SELECT * FROM decodable")}
        except sqlite3.Error:
            return paths
        return [path for path in paths if known.get(_name(path)) != [*_state(path), VERSION]]

    def add(self, paths: Iterable[Path]) -> None:
        """Note that files are good."""
        rows = [(_name(path), *_state(path), VERSION) for path in paths]
        with contextlib.suppress(sqlite3.Error), self._database() as database:
            database.executemany("INSERT OR REPLACE INTO decodable VALUES (?, ?, ?, ?)", rows)


def _name(path: Path) -> str:
    return os.path.abspath(path).encode(errors="surrogateescape").decode(errors="backslashreplace")


def _state(path: Path) -> tuple[int, int]:
    try:
        status = path.stat()
    except OSError:
        return -1, -1
    return status.st_size, status.st_mtime_ns
