"""Looking after a library in a folder: what in it is not whole, and mending that."""

import contextlib
import json
import os
import sqlite3
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from kobza.embedding.embedder import normalized_mean
from kobza.atomic import PARTIAL_SUFFIX
from kobza.audio import printable
from kobza.library.filters.tree import TEXT, fold
from kobza.library.records import validation_error
from kobza.library.stores import index_file as search_file
from kobza.library.stores.lock import writer_lock
from kobza.library.stores.recovery import rescue
from kobza.library.stores.schema import (
    DamagedLibraryError,
    explained,
    open_for_reading,
    refold,
    refuse_absent,
    transaction,
)
from kobza.library.stores.sqlite import SQLiteStore, vectors_of

MEAN = 2e-3  # how far a track's vector may be from the mean of its windows; half precision takes up to 5e-4


@dataclass(frozen=True)
class Problem:
    """`kind`: database, track, mean, orphans, folded or search file; `track`: its id, where there is one."""

    kind: str
    sentence: str
    track: int | None = None


def check(folder: Path) -> list[Problem]:
    """All that is wrong with the library in `folder`, which is only read. LibraryError: there is none."""
    try:
        db = open_for_reading(folder)
        with contextlib.closing(db), explained(folder), transaction(db, "DEFERRED"):
            rows = [row for (row,) in db.execute("PRAGMA integrity_check(10)")]
            if rows != ["ok"]:  # no other answer can be relied on
                return [Problem("database", f"The database file is damaged: {row}") for row in rows]
            return [*_of_tables(db), *_of_tracks(db), *_of_search_files(db, folder)]
    except DamagedLibraryError as error:
        return [Problem("database", str(error))]


def _of_tables(db: sqlite3.Connection) -> Iterator[Problem]:
    (orphans,) = db.execute("SELECT count(*) FROM vectors WHERE track_id NOT IN (SELECT id FROM tracks)").fetchone()
    if orphans:
        yield Problem("orphans", f"The vectors of {orphans} tracks are there, the tracks are not.")
    rows = db.execute("SELECT id, path FROM tracks WHERE id NOT IN (SELECT track_id FROM vectors)")
    for track_id, path in rows:
        yield Problem("track", f"{printable(os.fsdecode(path))} has no vectors.", track_id)
    names = [(row[:4], row[4:]) for row in db.execute(f"SELECT {_columns('')}, {_columns('folded_')} FROM tracks")]
    if stale := sum(tuple(map(fold, plain)) != folded for plain, folded in names):
        yield Problem("folded", f"Filters do not see the present tags of {stale} tracks.")


def _columns(prefix: str) -> str:
    return ", ".join(prefix + name for name in TEXT)


def _of_tracks(db: sqlite3.Connection) -> Iterator[Problem]:
    meta = dict(db.execute("SELECT key, value FROM meta"))
    widths = Counter(width for (width,) in db.execute("SELECT length(vector) / 2 FROM vectors"))
    dim = int(meta["dim"]) if "dim" in meta else widths.most_common(1)[0][0] if widths else None
    rows = db.execute(
        "SELECT id, path, duration, vector, starts, windows FROM tracks JOIN vectors ON track_id = id ORDER BY id"
    )
    for track_id, path, duration, vector, starts, windows in rows:
        name = printable(os.fsdecode(path))
        if wrong := _fault(duration, starts, windows, dim, meta.get("windows")):
            yield Problem("track", f"{name} {wrong}.", track_id)
        elif not _near(vector, _mean(starts, windows)):
            yield Problem("mean", f"{name} has a vector that is not the mean of its windows.", track_id)


def _mean(starts: bytes, windows: bytes) -> bytes:
    return normalized_mean(vectors_of(windows, np.frombuffer(starts))).astype(np.float16).tobytes()


def _near(one: bytes, other: bytes) -> bool:
    if len(one) != len(other):
        return False
    return bool((abs(np.frombuffer(one, np.float16) - np.frombuffer(other, np.float16)) <= MEAN).all())


def _fault(duration: float, starts: bytes, windows: bytes, dim: int, rule: str | None) -> str | None:
    """What is wrong with a track's windows. `rule`: how the library cuts them, if it says."""
    if len(starts) % 8 or len(windows) % max(1, len(starts) // 8 * 2):
        return "has vectors of broken lengths"
    places = np.frombuffer(starts).tolist()
    if wrong := validation_error(places, vectors_of(windows, places) if places else np.zeros((0, dim)), dim):
        return wrong
    if rule is None:
        return None
    length, least = json.loads(rule)["window_seconds"], json.loads(rule)["min_window_seconds"]
    whole = int(duration / length + 1e-9)
    expected = whole + (whole == 0 or duration - whole * length >= least - 1e-9)
    if len(places) != expected:
        return f"has {len(places)} windows, and {expected} belong to its {duration:.1f} s"
    return None if np.allclose(places, length * np.arange(expected)) else "has windows in the wrong places"


def _of_search_files(db: sqlite3.Connection, folder: Path) -> Iterator[Problem]:
    for (name,) in db.execute("SELECT name FROM search_files"):
        try:
            search_file.read(folder / name)
        except (search_file.DamagedIndexFileError, OSError) as error:
            yield Problem("search file", f"The search file {printable(name)} cannot be used ({error}).")


def repair(folder: Path) -> list[str]:
    """Mend what `check` finds; a sentence for each thing done.

    Tracks that are not whole are forgotten, and the next `kobza sync` indexes them again.

    Raises:
        LibraryError: there is no library, it cannot be written, or another process is writing to it.
    """
    refuse_absent(folder)
    with writer_lock(folder / "writer.lock", printable(folder)):
        problems, done = check(folder), []
        if any(problem.kind == "database" for problem in problems):
            done.append(rescue(folder))
            problems = check(folder)
        store = SQLiteStore(folder)
        try:
            with explained(folder), transaction(store._db):
                done += [_mend(store._db, problem) for problem in problems]
            store.optimize()
            used = {folder / name for name in store.search_files().values()}
            for stray in {*folder.glob("search-*"), *folder.glob(f".search-*{PARTIAL_SUFFIX}")} - used:
                stray.unlink()
        finally:
            store.close()
    return done


def _mend(db: sqlite3.Connection, problem: Problem) -> str:
    if problem.kind == "track":
        db.execute("DELETE FROM tracks WHERE id = ?", (problem.track,))
        return f"{problem.sentence} It is forgotten; kobza sync indexes it again."
    if problem.kind == "mean":
        (blobs,) = db.execute("SELECT starts, windows FROM vectors WHERE track_id = ?", (problem.track,))
        db.execute("UPDATE vectors SET vector = ? WHERE track_id = ?", (_mean(*blobs), problem.track))
        db.execute("DELETE FROM search_files")  # they have the wrong one
        return f"{problem.sentence} It is made anew from them."
    if problem.kind == "orphans":
        db.execute("DELETE FROM vectors WHERE track_id NOT IN (SELECT id FROM tracks)")
        return f"{problem.sentence} They are deleted."
    if problem.kind == "folded":
        refold(db)
        return f"{problem.sentence} They are written again."
    db.execute("DELETE FROM search_files")
    return f"{problem.sentence} It is made anew."
