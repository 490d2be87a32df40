"""A library of recordings: indexing folders, keeping vectors, answering queries."""

from kobza.library.indexing import Progress
from kobza.library.library import MusicLibrary, default_library_path
from kobza.library.locate import Moment, Trace
from kobza.library.records import Failure, Hit, LibraryError, Report, Rev, Totals, Track
from kobza.library.store import Store, open_store

__all__ = [
    "Failure",
    "Hit",
    "LibraryError",
    "Moment",
    "MusicLibrary",
    "Progress",
    "Report",
    "Rev",
    "Store",
    "Totals",
    "Trace",
    "Track",
    "default_library_path",
    "open_store",
]
