"""A library made anew by another checkpoint: built beside the old one, then put in its place at one moment."""

import shutil
from collections.abc import Callable
from pathlib import Path

from kobza.library.ingest.embed import Progress
from kobza.library.ingest.scan import survey
from kobza.library.library import MusicLibrary
from kobza.library.records import LibraryError, Report
from kobza.library.stores.connection import sqlite_uri
from kobza.library.stores.rows import COLUMNS
from kobza.library.stores.schema import DATABASE, NORMALIZED_COLUMNS, transaction, translate_errors
from kobza.library.stores.sqlite import SQLiteStore

BESIDE = "reindexing"  # a library of its own, in the folder of the old one


def reindex(folder: Path, model=None, progress: Callable[[Progress], None] | None = None) -> Report:
    """Embed again all that the library in `folder` was given; the folders, and when tracks came, are kept.

    Until the end the old library is there and can be searched. Interrupted, the next call goes on from there.

    Raises:
        LibraryError: a folder cannot be read, so that its tracks would be lost: nothing is replaced then.
    """
    beside = folder / BESIDE
    with MusicLibrary.open(folder, model) as old, old.store.writing():
        _refuse_unreachable(old)
        _discard_another_checkpoints(beside, old.embedder)
        with MusicLibrary.open(beside, old.embedder) as new:
            report = new.add(old.folders, progress)
            _refuse_unreachable(old)
            new.store.optimize()  # folds its log into the file that is read now
            _take_over(old.store, beside)
        old.store.optimize()
        shutil.rmtree(beside)
    return report


def _refuse_unreachable(library: MusicLibrary) -> None:
    for failure in survey(library.folders, library.store.file_states())[2]:
        raise LibraryError(f"{failure.reason.removesuffix('.')}. Until then the library stays as it was.")


def _discard_another_checkpoints(beside: Path, model) -> None:
    """What an interrupted run left, if it cannot be continued."""
    if beside.exists():
        with MusicLibrary.open(beside) as left:
            fingerprint = left.store.meta.get("fingerprint")
        if fingerprint != model.fingerprint:
            shutil.rmtree(beside)


def _take_over(store: SQLiteStore, beside: Path) -> None:
    """Put all tracks of the library in `beside`, and whose vectors they are, in place of all that `store` has.

    Tracks that were there keep the time at which they came. No id is given twice, so no index is misled.
    """
    names = f"size, mtime_ns, hash, {NORMALIZED_COLUMNS}, {COLUMNS}".removesuffix(", added")
    db = store._db
    with translate_errors(store.folder):
        db.execute("ATTACH ? AS new", (sqlite_uri(beside / DATABASE, "ro"),))
        with transaction(db):
            for statement in (
                "CREATE TEMP TABLE was AS SELECT path, added FROM main.tracks",
                "DELETE FROM main.tracks",
                f"INSERT INTO main.tracks ({names}, added) SELECT {names}, "
                "coalesce((SELECT added FROM was WHERE was.path = new.tracks.path), added) FROM new.tracks ORDER BY id",
                "INSERT INTO main.vectors SELECT here.id, vector, starts, windows FROM main.tracks AS here "
                "JOIN new.tracks AS there USING (path) JOIN new.vectors ON track_id = there.id ORDER BY here.id",
                "DELETE FROM main.search_files",
                "INSERT OR REPLACE INTO main.meta SELECT * FROM new.meta WHERE key NOT IN ('schema', 'folders')",
                "DROP TABLE was",
            ):
                db.execute(statement)
        db.execute("DETACH new")
