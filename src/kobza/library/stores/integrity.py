"""Checking a library in a folder for damage, and repairing it."""

import contextlib
import json
import os
import sqlite3
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from kobza.atomic import PARTIAL_SUFFIX
from kobza.audio import printable
from kobza.embedding.embedder import normalized_mean
from kobza.library.filters.tree import TEXT, normalize_tag
from kobza.library.stores import index_file
from kobza.library.stores.connection import open_for_reading, require_library
from kobza.library.stores.lock import writer_lock
from kobza.library.stores.recovery import recover
from kobza.library.stores.rows import decode_vectors
from kobza.library.stores.schema import DamagedLibraryError, rewrite_normalized_tags, transaction, translate_errors
from kobza.library.stores.sqlite import SQLiteStore
from kobza.library.stores.tag_words import rebuild_words, words_differ
from kobza.library.stores.validation import validation_error

# How far a number of a track's vector may be from the mean of its windows; float16 rounding causes up to 5e-4.
MEAN_TOLERANCE = 2e-3


@dataclass(frozen=True)
class Problem:
    """`kind`: database, track, mean, orphans, tags, words or index file; `track_id`: of the affected track, if any."""

    kind: str
    message: str
    track_id: int | None = None


def check(folder: Path) -> list[Problem]:
    """All problems of the library in `folder`, which is only read. LibraryError: there is no library."""
    try:
        db = open_for_reading(folder)
        with contextlib.closing(db), translate_errors(folder), transaction(db, "DEFERRED"):
            rows = [row for (row,) in db.execute("PRAGMA integrity_check(10)")]
            if rows != ["ok"]:  # then the results of other queries cannot be trusted
                return [Problem("database", f"The database file is damaged: {row}") for row in rows]
            return [*_check_tables(db), *_check_tracks(db), *_check_index_files(db, folder)]
    except DamagedLibraryError as error:
        return [Problem("database", str(error))]


def _check_tables(db: sqlite3.Connection) -> Iterator[Problem]:
    (orphans,) = db.execute("SELECT count(*) FROM vectors WHERE track_id NOT IN (SELECT id FROM tracks)").fetchone()
    if orphans:
        yield Problem("orphans", f"There are vectors of {orphans} tracks that are not in the library.")
    rows = db.execute("SELECT id, path FROM tracks WHERE id NOT IN (SELECT track_id FROM vectors)")
    for track_id, path in rows:
        yield Problem("track", f"{printable(os.fsdecode(path))} has no vectors.", track_id)
    tags = ", ".join(TEXT)
    normalized_tags = ", ".join(f"folded_{name}" for name in TEXT)
    rows = db.execute(f"SELECT {tags}, {normalized_tags} FROM tracks")
    if stale := sum(tuple(map(normalize_tag, TEXT, row[: len(TEXT)])) != row[len(TEXT) :] for row in rows):
        yield Problem("tags", f"Filters use outdated tags of {stale} tracks.")
    if words_differ(db):
        yield Problem("words", "The index of the words in tags and paths is not that of the tracks.")


def _check_tracks(db: sqlite3.Connection) -> Iterator[Problem]:
    meta = dict(db.execute("SELECT key, value FROM meta"))
    dim = int(meta["dim"]) if "dim" in meta else _most_common_dim(db)
    rows = db.execute(
        "SELECT id, path, duration, vector, starts, windows FROM tracks JOIN vectors ON track_id = id ORDER BY id"
    )
    for track_id, path, duration, vector, starts, windows in rows:
        name = printable(os.fsdecode(path))
        if error := _windows_error(duration, starts, windows, dim, meta.get("windows")):
            yield Problem("track", f"{name} {error}.", track_id)
        elif not _is_near(vector, _encoded_mean(starts, windows)):
            yield Problem("mean", f"{name} has a vector that is not the mean of its windows.", track_id)


def _most_common_dim(db: sqlite3.Connection) -> int | None:
    dims = Counter(dim for (dim,) in db.execute("SELECT length(vector) / 2 FROM vectors"))
    return dims.most_common(1)[0][0] if dims else None


def _encoded_mean(starts: bytes, windows: bytes) -> bytes:
    return normalized_mean(decode_vectors(windows, len(starts) // 8)).astype(np.float16).tobytes()


def _is_near(one: bytes, other: bytes) -> bool:
    if len(one) != len(other):
        return False
    differences = abs(np.frombuffer(one, np.float16) - np.frombuffer(other, np.float16))
    return bool((differences <= MEAN_TOLERANCE).all())


def _windows_error(duration: float, starts: bytes, windows: bytes, dim: int | None, rule: str | None) -> str | None:
    """What is wrong with a track's windows. `rule`: how the library cuts windows (JSON), if it is recorded."""
    n = len(starts) // 8
    if len(starts) % 8 or len(windows) % max(1, 2 * n):
        return "has vectors of invalid length"
    seconds = np.frombuffer(starts).tolist()
    vectors = decode_vectors(windows, n) if n else np.zeros((0, dim or 0))
    if error := validation_error(seconds, vectors, dim):
        return error
    if rule is None:
        return None
    length = json.loads(rule)["window_seconds"]
    min_length = json.loads(rule)["min_window_seconds"]
    full = int(duration / length + 1e-9)
    has_rest = full == 0 or duration - full * length >= min_length - 1e-9
    most = full + int(has_rest)  # silent windows are left out
    if n > most:
        return f"has {n} windows where its {duration:.1f} s have {most}"
    positions = np.round(np.array(seconds) / length)
    is_regular = np.allclose(seconds, length * positions) and positions[-1] < most
    return None if is_regular else "has windows with wrong start times"


def _check_index_files(db: sqlite3.Connection, folder: Path) -> Iterator[Problem]:
    for (name,) in db.execute("SELECT name FROM search_files"):
        try:
            index_file.read(folder / name)
        except (index_file.DamagedIndexFileError, OSError) as error:
            yield Problem("index file", f"The index file {printable(name)} cannot be used ({error}).")


def repair(folder: Path) -> list[str]:
    """Fix the problems that `check` finds; a message for each.

    Damaged tracks are removed from the library, and the next `kobza sync` indexes them again.

    Raises:
        LibraryError: there is no library, it cannot be written, or another process is writing to it.
    """
    require_library(folder)
    with writer_lock(folder / "writer.lock", printable(folder)):
        problems = check(folder)
        done = []
        if any(problem.kind == "database" for problem in problems):
            done.append(recover(folder))
            problems = check(folder)
        store = SQLiteStore(folder)
        try:
            with translate_errors(folder), transaction(store._db):
                done += [_fix(store._db, problem) for problem in problems]
            store.optimize()
            current = {folder / name for name in store.indexes.file_names().values()}
            for unused in {*folder.glob("search-*"), *folder.glob(f".search-*{PARTIAL_SUFFIX}")} - current:
                unused.unlink()
        finally:
            store.close()
    return done


def _fix(db: sqlite3.Connection, problem: Problem) -> str:
    if problem.kind == "track":
        db.execute("DELETE FROM tracks WHERE id = ?", (problem.track_id,))
        return f"{problem.message} It is removed; kobza sync indexes it again."
    if problem.kind == "mean":
        (blobs,) = db.execute("SELECT starts, windows FROM vectors WHERE track_id = ?", (problem.track_id,))
        db.execute("UPDATE vectors SET vector = ? WHERE track_id = ?", (_encoded_mean(*blobs), problem.track_id))
        db.execute("DELETE FROM search_files")  # they have the wrong vector
        return f"{problem.message} It is recomputed from them."
    if problem.kind == "orphans":
        db.execute("DELETE FROM vectors WHERE track_id NOT IN (SELECT id FROM tracks)")
        return f"{problem.message} They are deleted."
    if problem.kind == "tags":
        rewrite_normalized_tags(db)
        return f"{problem.message} They are updated."
    if problem.kind == "words":
        rebuild_words(db)
        return f"{problem.message} It is rebuilt."
    db.execute("DELETE FROM search_files")
    return f"{problem.message} It is rebuilt."
