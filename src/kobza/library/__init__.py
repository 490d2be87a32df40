"""A library of recordings: indexing folders, keeping vectors, answering queries."""

from kobza.library.address import FolderAddress, LibraryAddress, MilvusAddress, default_library_address
from kobza.library.ingest.embed import Progress
from kobza.library.library import MusicLibrary
from kobza.library.records import Failure, Hit, LibraryError, Report, Rev, Totals, Track
from kobza.library.search.moments import Moment, Trace
from kobza.library.stores.base import Store, open_store

__all__ = [
    "Failure",
    "FolderAddress",
    "Hit",
    "LibraryAddress",
    "LibraryError",
    "MilvusAddress",
    "Moment",
    "MusicLibrary",
    "Progress",
    "Report",
    "Rev",
    "Store",
    "Totals",
    "Trace",
    "Track",
    "default_library_address",
    "open_store",
]
