"""Exporting what a library knows of its tracks, without their vectors, to a CSV file for spreadsheets."""

import csv
import dataclasses
from pathlib import Path

from kobza.atomic import atomic_path
from kobza.audio import printable
from kobza.library.paths import path_to_text
from kobza.library.records import LibraryError, Track
from kobza.library.search.columns import iso_time
from kobza.library.stores.base import Store

COLUMNS = [field.name for field in dataclasses.fields(Track)]


def export_csv(store: Store, file: Path) -> int:
    """Write a line for each track of `store` to `file`, which must not exist, as UTF-8; how many. Unknown numbers are
    empty, times are ISO 8601.

    Raises:
        LibraryError: the file exists.
    """
    if file.exists():
        raise LibraryError(f"{printable(file)} exists already; name another file, or delete it.")
    written = 0
    with (
        atomic_path(file) as partial,
        # the bytes of paths that are not UTF-8 stay as they are
        partial.open("w", encoding="utf-8", errors="surrogateescape", newline="") as stream,
    ):
        rows = csv.DictWriter(stream, COLUMNS)
        rows.writeheader()
        for track, *_ in store.scan():
            added = iso_time(track.added)
            rows.writerow(dataclasses.asdict(track) | {"path": path_to_text(track.path), "added": added})
            written += 1
    return written
