"""The three collections of a library in Milvus: creating and loading them, reading and writing their rows."""

import json
import time
from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Any, TypeVar

import numpy as np
from pymilvus import MilvusClient

from kobza.library.records import LibraryError
from kobza.library.stores.milvus.client import Client, ConnectionParameters
from kobza.library.stores.milvus.rows import schema

MAX_ATTEMPTS = 20  # to create a collection that other shards may be creating, too
ROWS_PER_REQUEST = 4000  # with vectors some 4 MB; servers accept and return up to 64
MAX_RESULTS = 16384  # rows that a server returns at most

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
        self._prefix = parameters.name
        self._loaded: set[str] = set()
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
                    index.add_index("vector", index_type="FLAT", metric_type="IP")
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

    def rows(self, kind: str, condition: str = "", fields: Iterable[str] = ()) -> Iterator[Row]:
        """All rows that match; with vectors in smaller pages."""
        if self.exists(kind):
            page_size = ROWS_PER_REQUEST if "vector" in fields else MAX_RESULTS
            yield from self.client.rows(self.name(kind), condition, ["id", *fields], page_size)

    def nearest(
        self, kind: str, query: np.ndarray, k: int, condition: str, fields: Iterable[str]
    ) -> list[tuple[float, Row]]:
        """(cosine, row) of the k rows nearest to `query` (dim,) among those that match, best first."""
        (found,) = self.client.search(self.name(kind), [query], condition, limit=k, output_fields=list(fields))
        return [(hit["distance"], hit["entity"]) for hit in found]

    def count(self, kind: str) -> int:
        if not self.exists(kind):
            return 0
        return int(self.client.query(self.name(kind), "", ["count(*)"])[0]["count(*)"])

    def insert(self, kind: str, rows: list[Row]) -> None:
        for some in batches(rows, ROWS_PER_REQUEST):
            self.client.insert(self.name(kind), some)

    def upsert(self, kind: str, rows: list[Row]) -> None:
        self.client.upsert(self.name(kind), rows)

    def delete(self, kind: str, ids: Iterable[object]) -> None:
        for some in batches(ids, ROWS_PER_REQUEST):
            self.client.delete(self.name(kind), filter=is_in("id", some))

    def close(self) -> None:
        self.client.close()
