"""Rebuilding a library with another model: beside the old one, which it replaces in one transaction."""

import shutil
from collections.abc import Callable
from pathlib import Path

from kobza.embedding.embedder import Embedder
from kobza.library.ingest.embed import Progress
from kobza.library.ingest.scan import survey
from kobza.library.library import MusicLibrary
from kobza.library.records import LibraryError, Report
from kobza.library.stores.connection import sqlite_uri
from kobza.library.stores.rows import COLUMNS, FILE_STATE
from kobza.library.stores.schema import DATABASE, NORMALIZED_COLUMNS, transaction, translate_errors
from kobza.library.stores.sqlite import SQLiteStore

NEW_LIBRARY = "reindexing"  # a folder in that of the old library


def reindex(
    folder: Path, model: Embedder | str | None = None, progress: Callable[[Progress], None] | None = None
) -> Report:
    """Embed all of the library's recordings again; its folders, and when each track was added, are kept.

    The old library stays usable until this finishes. After an interruption, the next call continues.

    Raises:
        LibraryError: a folder cannot be read, so its tracks would be lost; nothing is replaced.
    """
    beside = folder / NEW_LIBRARY
    with MusicLibrary.open(folder, model) as old, old.store.writing():
        store = old.store
        assert isinstance(store, SQLiteStore)  # as in every folder
        _refuse_unreachable(old)
        _discard_if_of_another_model(beside, old._load_embedder(progress))
        with MusicLibrary.open(beside, old.embedder) as new:
            new.store.set_meta(**old.exclusions.to_meta())
            report = new.add(old.folders, progress)
            _refuse_unreachable(old)
            new.store.optimize()  # moves its write-ahead log into the file that is read now
            _take_over(store, beside)
        old.store.optimize()
        shutil.rmtree(beside)
    return report


def _refuse_unreachable(library: MusicLibrary) -> None:
    for failure in survey(library.folders, library.store.file_states()).failed:
        raise LibraryError(f"{failure.reason.removesuffix('.')}. Until then the library stays as it was.")


def _discard_if_of_another_model(beside: Path, embedder: Embedder) -> None:
    """Delete what an interrupted run left, if this run cannot continue it."""
    if beside.exists():
        with MusicLibrary.open(beside) as left:
            fingerprint = left.store.meta.get("fingerprint")
        if fingerprint != embedder.fingerprint:
            shutil.rmtree(beside)


def _take_over(store: SQLiteStore, beside: Path) -> None:
    """Replace all tracks of `store`, and the record of their model, by those of the library in `beside`.

    Tracks keep the time when they were added, and what an analysis found in the same sound. Ids are not reused, so
    indexes stay valid.
    """
    names = f"{FILE_STATE}, {NORMALIZED_COLUMNS}, {COLUMNS}".removesuffix(", [added]")
    db = store._db
    with translate_errors(store.folder):
        db.execute("ATTACH ? AS new", (sqlite_uri(beside / DATABASE, "ro"),))
        with transaction(db):
            for statement in (
                "CREATE TEMP TABLE old AS SELECT path, added, hash, bpm, key, folded_key, loudness, energy "
                "FROM main.tracks",
                "DELETE FROM main.tracks",
                f"INSERT INTO main.tracks ({names}, added) SELECT {names}, "
                "coalesce((SELECT added FROM old WHERE old.path = new.tracks.path), added) FROM new.tracks ORDER BY id",
                "INSERT INTO main.vectors SELECT here.id, vector, starts, windows FROM main.tracks AS here "
                "JOIN new.tracks AS there USING (path) JOIN new.vectors ON track_id = there.id ORDER BY here.id",
                "DELETE FROM main.search_files",
                "DELETE FROM main.failures",
                "INSERT INTO main.failures SELECT * FROM new.failures",
                "INSERT OR REPLACE INTO main.meta SELECT * FROM new.meta WHERE key NOT IN ('schema', 'folders')",
                "UPDATE main.tracks AS now SET bpm = coalesce(now.bpm, old.bpm), loudness = old.loudness, "
                "energy = old.energy, key = iif(now.key = '', old.key, now.key), "
                "folded_key = iif(now.key = '', old.folded_key, now.folded_key) "
                "FROM old WHERE old.path = now.path AND old.hash = now.hash AND now.energy IS NULL",
                "DROP TABLE old",
            ):
                db.execute(statement)
        db.execute("DETACH new")
