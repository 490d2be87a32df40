"""Which files have been decoded to their end before, and the keys of their sounds, so that a folder is read once and
not in every run."""

import contextlib
import os
import sqlite3
from collections.abc import Iterable, Mapping
from pathlib import Path

from kobza.data.recording_identity import KEY_BYTES
from kobza.folders import cache_folder

FILE = "decodable.sqlite"
VERSION = 2  # increase it when `decoding_check` asks more of a file


class CheckedFiles:
    """Files that could be decoded, by path, size and time of change, in an SQLite database in the cache folder,
    each with the key of its sound (`kobza.data.recording_identity`).

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
                    "CREATE TABLE IF NOT EXISTS checked (path TEXT PRIMARY KEY, size INTEGER, changed INTEGER, "
                    "version INTEGER, key BLOB) WITHOUT ROWID"
                )
                yield database
        finally:
            database.close()

    def known(self, paths: Iterable[Path]) -> dict[Path, int]:
        """Those of the paths that are known to be good as they are now, and their keys."""
        try:
            with self._database() as database:
                kept = {path: rest for path, *rest in database.execute("SELECT * FROM checked")}
        except sqlite3.Error:
            return {}
        found = {path: kept.get(_name(path)) for path in paths}
        return {
            path: int.from_bytes(row[-1], "little")
            for path, row in found.items()
            if row is not None and row[:-1] == [*_state(path), VERSION]
        }

    def add(self, keys: Mapping[Path, int]) -> None:
        """Note that files are good, and their keys."""
        rows = [(_name(path), *_state(path), VERSION, key.to_bytes(KEY_BYTES, "little")) for path, key in keys.items()]
        with contextlib.suppress(sqlite3.Error), self._database() as database:
            database.executemany("INSERT OR REPLACE INTO checked VALUES (?, ?, ?, ?, ?)", rows)


def _name(path: Path) -> str:
    return os.path.abspath(path).encode(errors="surrogateescape").decode(errors="backslashreplace")


def _state(path: Path) -> tuple[int, int]:
    try:
        status = path.stat()
    except OSError:
        return -1, -1
    return status.st_size, status.st_mtime_ns
