"""A searchable library of recordings: indexing, stores of vectors, and search."""

from kobza.library.address import FolderAddress, LibraryAddress, MilvusAddress, default_library_address
from kobza.library.ingest.embed import Progress
from kobza.library.library import MusicLibrary
from kobza.library.records import Failure, FileState, Hit, LibraryError, Report, Totals, Track
from kobza.library.search.copies import Limits
from kobza.library.search.moments import Moment, MomentScores
from kobza.library.stores.base import Store, open_store

__all__ = [
    "Failure",
    "FileState",
    "FolderAddress",
    "Hit",
    "LibraryAddress",
    "LibraryError",
    "Limits",
    "MilvusAddress",
    "Moment",
    "MomentScores",
    "MusicLibrary",
    "Progress",
    "Report",
    "Store",
    "Totals",
    "Track",
    "default_library_address",
    "open_store",
]
