"""Copying a library to another store without embedding its recordings again."""

import os
from collections.abc import Callable
from contextlib import closing
from typing import NamedTuple

from kobza.library import arithmetic
from kobza.library.address import LibraryAddress
from kobza.library.exclusions import Exclusions
from kobza.library.ingest.embed import Progress
from kobza.library.paths import merge_paths_json
from kobza.library.records import LibraryError, StoredTrack
from kobza.library.stores.base import open_store

TRACKS_PER_WRITE = 200
STORE_KEYS = ("schema", "index", "failures")  # what a library's meta says about its store


class CopyResult(NamedTuple):
    """In tracks: those written, and those that the target had already from the same file."""

    copied: int
    already_present: int

    def __str__(self) -> str:
        return f"{self.copied} copied, {self.already_present} there already"


def copy_library(
    source: LibraryAddress | str | os.PathLike[str],
    target: LibraryAddress | str | os.PathLike[str],
    progress: Callable[[Progress], None] | None = None,
) -> CopyResult:
    """Copy all tracks of one library into another, created if absent. The target's other tracks stay.

    Args:
        source, target: folders or addresses of libraries. The target must be of the same model, or empty.

    Raises:
        LibraryError: one cannot be opened, the source is empty, or their vectors cannot be compared.
    """
    with closing(open_store(source, read_only=True)) as old, closing(open_store(target)) as new:
        meta = {key: value for key, value in old.meta.items() if key not in STORE_KEYS}
        target_meta = new.meta
        total = len(old)
        if not total or "fingerprint" not in meta:
            raise LibraryError(f"The library {old.address} is empty: there is nothing to copy.")
        if len(new) and target_meta.get("fingerprint") != meta["fingerprint"]:
            raise LibraryError(
                f"The library {new.address} was made with {target_meta.get('model')} (fingerprint "
                f"{target_meta.get('fingerprint')}), {old.address} with {meta.get('model')} "
                f"({meta['fingerprint']}), and their vectors cannot be compared; copy into a new library."
            )
        with new.writing():
            folders = merge_paths_json(meta.get("folders", "[]"), target_meta.get("folders", "[]"))
            exclusions = Exclusions.from_meta(meta) | Exclusions.from_meta(target_meta)
            settings = {} if exclusions.is_empty else exclusions.to_meta()
            note = arithmetic.joined(arithmetic.noted(meta), arithmetic.noted(target_meta) if len(new) else "")
            new.set_meta(**meta | {"folders": folders, arithmetic.KEY: note} | settings)
            present = new.file_states()
            already_present = 0
            copied = 0
            pending: list[StoredTrack] = []
            for done, stored in enumerate(old.scan(), 1):
                track, file_state, _, _ = stored
                if track.path in present and present[track.path][:3] == file_state[:3]:  # device and inode may differ
                    already_present += 1
                else:
                    pending.append(stored)
                    copied += 1
                if len(pending) == TRACKS_PER_WRITE:
                    new.upsert_many(pending)
                    pending = []
                if progress is not None:
                    progress(Progress(done, total, min(1.0, done / total), track.path))
            if pending:
                new.upsert_many(pending)
            new.optimize()
    return CopyResult(copied, already_present)
