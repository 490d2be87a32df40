"""Moving a library to another store, its vectors as they are."""

import json
import os
from collections.abc import Callable
from contextlib import closing
from typing import NamedTuple

from kobza.library.address import LibraryAddress
from kobza.library.ingest.embed import Progress
from kobza.library.records import LibraryError
from kobza.library.stores.base import open_store

AT_ONCE = 200  # tracks
OWN = ("schema",)  # what each store's meta says of the store itself


class Copied(NamedTuple):
    """In tracks: those written, and those that were there already from the same file."""

    copied: int
    there: int

    def __str__(self) -> str:
        return f"{self.copied} copied, {self.there} there already"


def copy_library(
    source: LibraryAddress | str | os.PathLike[str],
    target: LibraryAddress | str | os.PathLike[str],
    progress: Callable[[Progress], None] | None = None,
) -> Copied:
    """Bring all tracks of one library into another, made if absent. What is in the target alone stays.

    Args:
        source, target: folders or addresses of libraries. The target must be of the same checkpoint, or empty.

    Raises:
        LibraryError: one cannot be opened, the source is empty, or their vectors cannot be compared.
    """
    with closing(open_store(source, read_only=True)) as old, closing(open_store(target)) as new:
        meta, theirs = {k: v for k, v in old.meta.items() if k not in OWN}, new.meta
        if not len(old) or "fingerprint" not in meta:
            raise LibraryError(f"The library {old.address} is empty: there is nothing to copy.")
        if len(new) and theirs.get("fingerprint") != meta["fingerprint"]:
            raise LibraryError(
                f"The library {new.address} was made with {theirs.get('model')} (fingerprint "
                f"{theirs.get('fingerprint')}), {old.address} with {meta.get('model')} "
                f"({meta['fingerprint']}), and their vectors cannot be compared; copy into a new library."
            )
        with new.writing():
            folders = set(json.loads(meta.get("folders", "[]"))) | set(json.loads(theirs.get("folders", "[]")))
            new.set_meta(**meta | {"folders": json.dumps(sorted(folders))})
            have, total = new.file_states(), len(old)
            there, held, done = 0, [], 0
            for done, whole in enumerate(old.scan(), 1):
                track, file_state, *_ = whole
                if have.get(track.path) == file_state:
                    there += 1
                else:
                    held.append(whole)
                if len(held) == AT_ONCE:
                    new.upsert_many(held)
                    held = []
                if progress is not None:
                    progress(Progress(done, total, min(1.0, done / total), track.path))
            if held:
                new.upsert_many(held)
            new.optimize()
    return Copied(done - there, there)
