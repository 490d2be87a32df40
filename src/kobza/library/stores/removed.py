"""Tracks that were removed from a library in SQLite, kept aside for an hour: for `undo`, and for files that come back.

A removal is one row of `removals` with its tracks in `removed_tracks`, and the settings that it changed. Tracks leave
the library, and settings change, in one transaction; so they do on the way back.
"""

import json
import os
import sqlite3
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from kobza.library.paths import file_of
from kobza.library.records import FileState, StoredTrack, Track
from kobza.library.stores.rows import COLUMNS, FILE_STATE, decode_vectors, to_stored_track

if TYPE_CHECKING:
    from kobza.library.stores.sqlite import SQLiteStore

UNDO_SECONDS = 3600.0
HASHES = ("hash", "audio_hash")  # of a file's state; JSON has no bytes


class Removal(NamedTuple):
    """`details`: what `RemovedTracks.remove` was given."""

    id: int
    time: float
    command: str
    details: dict[str, Any]


class RemovedTracks:
    """The removed tracks of one store."""

    def __init__(self, store: "SQLiteStore") -> None:
        self._store = store

    def remove(
        self, paths: Iterable[str], command: str, details: Mapping[str, Any], meta: Mapping[str, str] | None = None
    ) -> int:
        """Remove these tracks and set `meta`, in one transaction; how many tracks there were.

        Args:
            command: the command that removes them, such as "remove".
            details: JSON values that are needed to take the removal back.
        """
        with self._store._transaction():
            db = self._store._db
            removal = db.execute(
                "INSERT INTO removals (time, command, details) VALUES (?, ?, ?)",
                (time.time(), command, json.dumps(dict(details))),
            ).lastrowid
            count = sum(self._take_aside(db, removal, os.fsencode(path)) for path in paths)
            db.executemany("INSERT OR REPLACE INTO meta VALUES (?, ?)", (meta or {}).items())
            if not count and not meta:
                db.execute("DELETE FROM removals WHERE id = ?", (removal,))
        return count

    @staticmethod
    def _take_aside(db: sqlite3.Connection, removal: int | None, key: bytes) -> bool:
        """Move one track into the removal; whether there was one."""
        row = db.execute(
            f"SELECT {COLUMNS}, {FILE_STATE}, starts, windows FROM tracks JOIN vectors ON track_id = id WHERE path = ?",
            (key,),
        ).fetchone()
        if row is not None:
            *_, starts, windows = row
            track, file_state, _, _ = to_stored_track(row)
            fields = asdict(track) | {"path": None}
            state = file_state._asdict() | {name: getattr(file_state, name).hex() for name in HASHES}
            db.execute(
                "INSERT INTO removed_tracks VALUES (?, ?, ?, ?, ?, ?)",
                (removal, key, json.dumps(fields), json.dumps(state), starts, windows),
            )
        return db.execute("DELETE FROM tracks WHERE path = ?", (key,)).rowcount > 0

    def last(self, command: str) -> Removal | None:
        """The last removal by this command that can still be taken back."""
        rows = self._store._query(
            "SELECT id, time, command, details FROM removals WHERE command = ? AND time > ? ORDER BY id DESC LIMIT 1",
            (command, time.time() - UNDO_SECONDS),
        )
        return next((Removal(number, at, by, json.loads(details)) for number, at, by, details in rows), None)

    def take_back(self, removal: Removal, meta: Mapping[str, str]) -> int:
        """Put the tracks of a removal into the library again and set `meta`, in one transaction; how many tracks.

        A track that the library has at the same path by now stays as it is.
        """
        with self._store._transaction():
            db = self._store._db
            rows = db.execute(
                "SELECT path, track, file_state, starts, windows FROM removed_tracks WHERE removal = ? "
                "AND path NOT IN (SELECT path FROM tracks)",
                (removal.id,),
            ).fetchall()
            for row in rows:
                self._store._put(*_from_removed(row))
            db.execute("DELETE FROM removals WHERE id = ?", (removal.id,))
            db.executemany("INSERT OR REPLACE INTO meta VALUES (?, ?)", meta.items())
        return len(rows)

    def bring_back(
        self, found: Mapping[str, tuple[int, int]], fingerprint: str, wanted: Callable[[str], bool]
    ) -> set[str]:
        """Put the removed tracks whose files are there again, unchanged, into the library; their paths.

        Args:
            found: {path: (size in bytes, modification time in ns)} of files that the library does not have.
            fingerprint: of the model; the vectors of another one are not used.
            wanted: whether a track with this path may come back.
        """
        back = set()
        with self._store._transaction():
            db = self._store._db
            rows = db.execute(
                "SELECT removed_tracks.path, file_state, removed_tracks.rowid, json_extract(details, '$.fingerprint') "
                "FROM removed_tracks JOIN removals ON removals.id = removal ORDER BY removals.id DESC"
            ).fetchall()
            for key, state, rowid, maker in rows:
                path, fields = os.fsdecode(key), json.loads(state)
                same = found.get(file_of(path, found)) == (fields["size"], fields["mtime_ns"])
                if not same or path in back or maker != fingerprint or not wanted(path):
                    continue
                row = db.execute(
                    "SELECT path, track, file_state, starts, windows FROM removed_tracks WHERE rowid = ?", (rowid,)
                ).fetchone()
                self._store._put(*_from_removed(row))
                db.execute("DELETE FROM removed_tracks WHERE rowid = ?", (rowid,))
                back.add(path)
        return back

    def purge(self) -> None:
        """Delete for good what was removed over an hour ago."""
        with self._store._transaction():
            self._store._db.execute("DELETE FROM removals WHERE time <= ?", (time.time() - UNDO_SECONDS,))


def _from_removed(row: tuple[Any, ...]) -> StoredTrack:
    """`row`: path, track, file_state, starts, windows."""
    key, track, state, starts, windows = row
    fields = json.loads(state)
    return (
        Track(**json.loads(track) | {"path": os.fsdecode(key)}),
        FileState(**fields | {name: bytes.fromhex(fields[name]) for name in HASHES}),
        np.frombuffer(starts).tolist(),
        decode_vectors(windows, len(starts) // 8),
    )
