"""What a library asks of the place where its tracks and vectors are, and how such a place is opened."""

import contextlib
import os
from collections.abc import Iterable, Iterator
from typing import Literal, Protocol

import numpy as np

from kobza.library.address import LibraryAddress, MilvusAddress, library_address
from kobza.library.filters.tree import Filter
from kobza.library.records import LibraryError, FileState, Totals, Track, StoredTrack
from kobza.library.stores.sqlite import SQLiteStore


class Store(Protocol):
    """What a library asks of the place where its vectors are. Vectors are (n, dim) float32 of unit length.

    `search` gives at most k tracks, each once, best first: (cosine, track, start in seconds of its best window). The
    cosine is that of the track's vector, or with by="moment" that of its best window. It is exact, with and without a
    filter. A track's `added` comes out as it went in; see `Track`. `writing` is held by one process for each part.
    """

    meta: dict[str, str]
    address: LibraryAddress
    flush_interval_seconds: float  # for how long embedded tracks are gathered before they are written at once

    def set_meta(self, **values: str) -> None: ...
    def writing(self, part: str = "") -> contextlib.AbstractContextManager: ...
    def upsert(self, track: Track, file_state: FileState, starts: list[float], vectors: np.ndarray) -> None: ...
    def upsert_many(self, tracks: Iterable[StoredTrack]) -> None: ...
    def move(self, path: str, new_path: str, mtime_ns: int) -> None: ...
    def delete(self, paths: Iterable[str]) -> int: ...
    def search(
        self, vector: np.ndarray, k: int, where: Filter | None = None, by: Literal["track", "moment"] = "track"
    ) -> list[tuple[float, Track, float]]: ...
    def file_states(self) -> dict[str, FileState]: ...
    def scan(self, path: str | None = None) -> Iterator[StoredTrack]: ...
    def __len__(self) -> int: ...
    def count(self) -> Totals: ...
    def optimize(self) -> None: ...
    def close(self) -> None: ...


def open_store(address: LibraryAddress | str | os.PathLike[str], read_only: bool = False) -> Store:
    """The store at an address, a folder or milvus://HOST:PORT/NAME; made if absent (not if `read_only`).

    Raises:
        LibraryError: it cannot be opened.
    """
    address = library_address(address)
    if isinstance(address, MilvusAddress):
        try:
            from kobza.library.stores.milvus.store import MilvusStore  # here: most libraries need no such thing
        except ImportError as error:
            raise LibraryError(
                "A library in Milvus needs its client; get it with: pip install 'kobza[milvus]'"
            ) from error
        return MilvusStore(address, read_only)
    return SQLiteStore(address.folder, read_only)
