"""The three collections of a library in Milvus: creating and loading them, reading and writing their rows.

How fresh a read is: a strongly consistent one sees everything that was written before it began, and waits for the
server's clock, some 0.2 s. A bounded one does not wait, and may miss what was written in the last seconds (the
server's `common.gracefulTime`, 5 s by default). Reads are strong where it matters: the first of each collection by a
`Collections` object, those soon after this process wrote to the library, and all while it holds the writers' lock.
"Session" consistency, the server's own way to see one's own writes, would not show deletions (Milvus 2.3.5).
"""

import contextlib
import json
import time
from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Any, TypeVar

import numpy as np
from pymilvus import MilvusClient

from kobza.library.records import LibraryError
from kobza.library.stores.milvus.client import Client, ConnectionParameters
from kobza.library.stores.milvus.indexes import DEFAULT_INDEX, INDEXES
from kobza.library.stores.milvus.rows import schema

MAX_ATTEMPTS = 20  # to create a collection that other shards may be creating, too
ROWS_PER_REQUEST = 4000  # with vectors some 4 MB; servers accept and return up to 64
MAX_RESULTS = 16384  # rows that a server returns at most
STRONG_SECONDS = 10.0  # after a write of this process; twice the time by which bounded reads may be late

# Of each library, when this process last wrote to it (by `time.monotonic`), through whatever object.
_last_writes: dict[tuple[str, str, str], float] = {}

Row = dict[str, Any]
T = TypeVar("T")


def is_in(field: str, values: Iterable[object]) -> str:
    """An expression of Milvus.

    >>> is_in("run", [1, 2])
    'run in [1, 2]'
    """
    return f"{field} in {json.dumps(list(values))}"


def batches(items: Iterable[T], size: int) -> Iterator[list[T]]:
    """Consecutive lists of at most `size` items.

    >>> list(batches("abcde", 2))
    [['a', 'b'], ['c', 'd'], ['e']]
    """
    iterator = iter(items)
    while batch := list(islice(iterator, size)):
        yield batch


class Collections:
    """The collections of kind "tracks", "windows" and "meta" that belong to one library."""

    def __init__(self, parameters: ConnectionParameters):
        self.client = Client(parameters)
        self.index = parameters.index_name or DEFAULT_INDEX
        self.writing = False  # whether all reads are strong
        self._library = parameters.library
        self._prefix = parameters.name
        self._loaded: set[str] = set()
        self._read: set[str] = set()
        self._dim: int | None = None

    def name(self, kind: str) -> str:
        return f"{self._prefix}_{kind}"

    def exists(self, kind: str) -> bool:
        """Whether the collection exists; one that another process has created is loaded."""
        if kind not in self._loaded and self.client.has_collection(self.name(kind)):
            self.ensure(kind)
        return kind in self._loaded

    def ensure(self, kind: str, dim: int = 0) -> None:
        """Create the collection, or complete what a killed process left of creating it."""
        name = self.name(kind)
        if kind in self._loaded:
            return
        for attempts in range(MAX_ATTEMPTS, 0, -1):
            try:
                if not self.client.has_collection(name):
                    self.client.create_collection(name, schema=schema(kind, dim), consistency_level="Strong")
                if not self.client.list_indexes(name):
                    index = MilvusClient.prepare_index_params()
                    chosen = INDEXES[self.index if kind != "meta" else DEFAULT_INDEX]
                    index.add_index("vector", index_type=chosen.type, metric_type="IP", params=chosen.build)
                    self.client.create_index(name, index)
                break
            except LibraryError:  # another shard may be creating it at the same moment
                if attempts == 1:
                    raise
                time.sleep(0.1)
        self.client.load_collection(name)
        self._loaded.add(kind)

    def dim(self) -> int | None:
        """Of the stored vectors; None if there are none."""
        if self._dim is None and self.exists("tracks"):
            fields = self.client.describe_collection(self.name("tracks"))["fields"]
            self._dim = next(int(field["params"]["dim"]) for field in fields if field["name"] == "vector")
        return self._dim

    def _consistency(self, kind: str, latest: bool) -> str:
        last_write = _last_writes.get(self._library)
        just_written = last_write is not None and time.monotonic() - last_write < STRONG_SECONDS
        strong = latest or self.writing or just_written or kind not in self._read
        return "Strong" if strong else "Bounded"

    def rows(self, kind: str, condition: str = "", fields: Iterable[str] = (), latest: bool = False) -> Iterator[Row]:
        """All rows that match; with vectors in smaller pages.

        Args:
            latest: read strongly (see above).
        """
        if self.exists(kind):
            page_size = ROWS_PER_REQUEST if "vector" in fields else MAX_RESULTS
            consistency = self._consistency(kind, latest)
            for row in self.client.rows(self.name(kind), condition, ["id", *fields], page_size, consistency):
                self._read.add(kind)
                yield row
            self._read.add(kind)

    def nearest(
        self, kind: str, query: np.ndarray, k: int, condition: str, fields: Iterable[str], latest: bool = False
    ) -> list[tuple[float, Row]]:
        """(cosine, row) of the k rows nearest to `query` (dim,) among those that match, best first."""
        (found,) = self.client.search(
            self.name(kind),
            [query],
            condition,
            limit=k,
            output_fields=list(fields),
            search_params=INDEXES[self.index].search_parameters(k, bool(condition)),
            consistency_level=self._consistency(kind, latest),
        )
        self._read.add(kind)
        return [(hit["distance"], hit["entity"]) for hit in found]

    def count(self, kind: str) -> int:
        if not self.exists(kind):
            return 0
        consistency = self._consistency(kind, False)
        rows = self.client.query(self.name(kind), "", ["count(*)"], consistency_level=consistency)
        self._read.add(kind)
        return int(rows[0]["count(*)"])

    def insert(self, kind: str, rows: list[Row]) -> None:
        for some in batches(rows, ROWS_PER_REQUEST):
            with self._written():
                self.client.insert(self.name(kind), some)

    def upsert(self, kind: str, rows: list[Row]) -> None:
        with self._written():
            self.client.upsert(self.name(kind), rows)

    def delete(self, kind: str, ids: Iterable[object]) -> None:
        for some in batches(ids, ROWS_PER_REQUEST):
            with self._written():
                self.client.delete(self.name(kind), filter=is_in("id", some))

    @contextlib.contextmanager
    def _written(self) -> Iterator[None]:
        try:
            yield
        finally:  # a request that failed may have been carried out
            _last_writes[self._library] = time.monotonic()

    def close(self) -> None:
        self.client.close()
