"""The settings of a library in NAME_meta, its layout among them."""

import json
from collections.abc import Mapping
from typing import NamedTuple

from kobza.library.address import MilvusAddress
from kobza.library.paths import path_from_text, path_to_text
from kobza.library.records import KnownFailure, LibraryError
from kobza.library.stores.milvus.collections import Collections, batches
from kobza.library.stores.milvus.indexes import DEFAULT_INDEX
from kobza.library.stores.milvus.journal import NOT_JOURNAL
from kobza.library.stores.milvus.rows import MAX_TEXT_BYTES, SCHEMA


class Layout(NamedTuple):
    """The version of a library's collections, and the kind of its search indexes."""

    schema: int
    index_name: str


def read_meta(collections: Collections) -> dict[str, str]:
    rows = collections.rows("meta", NOT_JOURNAL, ["value"])
    parts = {row["id"]: row["value"] for row in rows}
    return {key: "".join(parts[part] for part in json.loads(ids)) for key, ids in parts.items() if "/" not in key}


def write_meta(collections: Collections, values: Mapping[str, str]) -> None:
    """A long value (a list of thousands of files) takes several rows, which the row of its key lists in order."""
    rows: dict[str, str] = {}
    for key, value in values.items():
        parts = {f"{key}/{i}": "".join(part) for i, part in enumerate(batches(value, MAX_TEXT_BYTES // 4))}
        rows |= parts | {key: json.dumps(list(parts))}
    entries = [{"id": key, "value": value, "vector": [0.0, 0.0]} for key, value in rows.items()]
    collections.upsert("meta", entries)


def stored_layout(meta: Mapping[str, str], address: MilvusAddress) -> Layout:
    """The layout that the settings say. LibraryError: it is that of a newer Kobza."""
    schema = int(meta.get("schema", SCHEMA))
    if schema > SCHEMA:
        raise LibraryError(
            f"The library {address} was written by a newer Kobza (schema {schema}, this one supports up to {SCHEMA}); "
            "upgrade Kobza."
        )
    return Layout(schema, meta.get("index", DEFAULT_INDEX))


def check_index(asked: str, stored: str, address: MilvusAddress) -> None:
    """LibraryError: the address asks for another kind of index than the library has. `asked`: "" for any."""
    if asked not in ("", stored):
        raise LibraryError(
            f"The library {address} was made with the index {stored}; for another one copy the library: "
            "kobza library copy OLD_ADDRESS NEW_ADDRESS?index=..."
        )


def failures_from_json(text: str) -> dict[str, KnownFailure]:
    """
    >>> failures_from_json('{"/a.mp3": [9, 5, "is empty", "0.3.0"]}')["/a.mp3"].reason
    'is empty'
    """
    return {path_from_text(path): KnownFailure(*row) for path, row in json.loads(text).items()}


def failures_to_json(failures: Mapping[str, KnownFailure | None]) -> str:
    """The inverse of `failures_from_json`, without those that are None."""
    return json.dumps({path_to_text(path): failure for path, failure in failures.items() if failure is not None})
