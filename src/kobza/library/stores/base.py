"""The interface of a library's storage, and how a store is opened."""

import contextlib
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Literal, Protocol

import numpy as np

from kobza.extras import needs
from kobza.library.address import LibraryAddress, MilvusAddress, library_address
from kobza.library.filters.tree import Filter
from kobza.library.records import (
    Adjustments,
    FileState,
    KnownFailure,
    StoredTrack,
    Totals,
    Track,
    WordMatch,
)
from kobza.library.stores.removed import RemovedTracks
from kobza.library.stores.sqlite import SQLiteStore


class Store(Protocol):
    """Tracks with the vectors of their windows, (n, dim) float32 of unit length; writes are atomic per track.

    `search` returns at most k distinct tracks, best first: (cosine, track, start in seconds of its best window). The
    cosine is that of the track's vector or, with by="moment", that of its best window. Results are exact, with and
    without a filter, but for a library in Milvus that was made with an approximate index. With `adjustments`, which a
    store with `has_words` accepts, tracks are ranked by their adjusted scores, and these are returned.

    What this process wrote is seen at once, what others write within seconds. `scan` gives every track, or those at
    some paths that it has, ordered by path. `select` gives all tracks (or the first
    `limit`) that pass a filter, ordered by path; `retag` replaces what is known of a track and its file, not its
    windows. `match_words` says where words stand in tags and paths; `tracks_with_words` gives at least the tracks with
    all of these words in title, artist or path. `sample` gives the vectors (about n, dim) of tracks that stand for all;
    `track_vectors` gives those of all tracks, with their paths. `writing` is held by one process for each part of the
    library.

    `version` tells whether tracks have come or gone since an earlier one, by this process or another; it has no other
    meaning.

    `set_identities` updates the device and inode of files whose content is the same; a store may ignore it.
    `set_failures` keeps the failures of files, or with None forgets them.

    Attributes:
        has_words: whether it can find words; where not, `match_words` raises a LibraryError.
        flush_interval_seconds: how long embedded tracks are collected before they are written together; 0 writes each
            at once.
        removed: the tracks that were removed in the last hour; None if the store does not keep them.
    """

    has_words: bool
    flush_interval_seconds: float

    @property
    def removed(self) -> RemovedTracks | None: ...

    @property
    def address(self) -> LibraryAddress: ...
    @property
    def meta(self) -> dict[str, str]: ...
    def set_meta(self, **values: str) -> None: ...
    def writing(self, part: str = "") -> contextlib.AbstractContextManager[None]: ...
    def upsert(self, track: Track, file_state: FileState, starts: list[float], vectors: np.ndarray) -> None: ...
    def upsert_many(self, tracks: Iterable[StoredTrack]) -> None: ...
    def move(self, path: str, new_path: str, mtime_ns: int) -> None: ...
    def retag(self, track: Track, file_state: FileState) -> None: ...
    def delete(self, paths: Iterable[str]) -> int: ...
    def search(
        self,
        vector: np.ndarray,
        k: int,
        where: Filter | None = None,
        by: Literal["track", "moment"] = "track",
        adjustments: Adjustments | None = None,
    ) -> list[tuple[float, Track, float]]: ...
    def match_words(self, words: Sequence[str]) -> list[WordMatch]: ...
    def tracks_with_words(self, words: Sequence[str]) -> list[Track]: ...
    def sample(self, n: int) -> np.ndarray: ...
    def track_vectors(self) -> tuple[list[str], np.ndarray]: ...
    def set_identities(self, identities: Mapping[str, tuple[int | None, int | None]]) -> None: ...
    def failures(self) -> dict[str, KnownFailure]: ...
    def set_failures(self, failures: Mapping[str, KnownFailure | None]) -> None: ...
    def longer_than(self, seconds: float) -> list[str]: ...
    def file_states(self) -> dict[str, FileState]: ...
    def select(self, where: Filter | None = None, limit: int | None = None) -> list[Track]: ...
    def scan(self, paths: str | Sequence[str] | None = None) -> Iterator[StoredTrack]: ...
    def __len__(self) -> int: ...
    def count(self) -> Totals: ...
    def version(self) -> object: ...
    def optimize(self) -> None: ...
    def close(self) -> None: ...


def open_store(address: LibraryAddress | str | os.PathLike[str], read_only: bool = False) -> Store:
    """Open the store at an address, a folder or milvus://HOST:PORT/NAME; created if absent, unless `read_only`.

    Raises:
        LibraryError: it cannot be opened.
        MissingPackageError: it is in Milvus, whose client is not installed.
    """
    address = library_address(address)
    if isinstance(address, MilvusAddress):
        with needs("A library in Milvus", "milvus"):
            from kobza.library.stores.milvus.store import MilvusStore
        return MilvusStore(address, read_only)
    return SQLiteStore(address.folder, read_only)
