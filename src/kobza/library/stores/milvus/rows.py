"""The library's records as rows of Milvus: the columns of each collection, and conversions both ways.

Text that filters compare for equality only is stored as a 63-bit digest of its normalized form: Milvus compares these
faster than text and in less memory, and no user input gets into expressions.
"""

import hashlib
import json
import os
import re
from typing import Any

import numpy as np
from pymilvus import CollectionSchema, DataType, FieldSchema

from kobza.embedding.embedder import normalized_mean
from kobza.library.filters.tree import TEXT, normalize_text
from kobza.library.paths import path_from_text, path_to_text
from kobza.library.records import FileState, Track

MAX_TEXT_BYTES = 65535  # Milvus's limit for a VARCHAR
NO_YEAR = -1e9  # stands for an unknown year: servers before 2.5 have no NULL
TRACK_FIELDS = ("run", "windows", "path", "tags", "duration", "added", "size", "mtime_ns", "hash")  # for `to_track`
DOUBLE_FIELDS = ("year", "duration", "added")
INTEGER_FIELDS = (*TEXT, "run", "windows", "size", "mtime_ns")


def schema(kind: str, dim: int) -> CollectionSchema:
    """The columns of a library's collection of `kind` "tracks", "windows" or "meta"."""
    columns = {
        "meta": ["value"],
        "windows": ["run", "start", "path", *TEXT, *DOUBLE_FIELDS],
        "tracks": ["run", "windows", "path", "tags", "size", "mtime_ns", "hash", *TEXT, *DOUBLE_FIELDS],
    }

    def column(name: str, is_primary: bool = False) -> FieldSchema:
        if name in INTEGER_FIELDS or (name, kind) == ("id", "windows"):
            return FieldSchema(name, DataType.INT64, is_primary=is_primary)
        if name in (*DOUBLE_FIELDS, "start"):
            return FieldSchema(name, DataType.DOUBLE)
        return FieldSchema(name, DataType.VARCHAR, max_length=MAX_TEXT_BYTES, is_primary=is_primary)

    vector = FieldSchema("vector", DataType.FLOAT_VECTOR, dim=dim)  # float16 needs Milvus 2.4
    return CollectionSchema([column("id", is_primary=True), *map(column, columns[kind]), vector])


def track_id(path: str) -> str:
    """A track's id is derived from its path, so a path is stored once, whoever writes it."""
    return hashlib.blake2b(os.fsencode(path), digest_size=16).hexdigest()


def to_rows(
    track: Track, file_state: FileState, starts: list[float], vectors: np.ndarray, run: int
) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """-> (the row of a track, the rows of its windows, whose ids are the n numbers from `run` on)."""
    columns = {field: digest(getattr(track, field)) for field in TEXT} | {
        "year": NO_YEAR if track.year is None else float(track.year),
        "duration": track.duration,
        "added": track.added,
        "path": to_text(track.path),
    }
    halves = vectors.astype(np.float16).astype(np.float32)  # rounded as in every store
    windows = [
        {"id": run + i, "run": run, "start": start, "vector": half} | columns
        for i, (start, half) in enumerate(zip(starts, halves, strict=True))
    ]
    row = columns | {
        "id": track_id(track.path),
        "run": run,
        "windows": len(starts),
        "tags": json.dumps([track.title, track.artist, track.album, track.genre, track.year]),
        "size": file_state.size,
        "mtime_ns": file_state.mtime_ns,
        "hash": file_state.hash.hex(),
        "vector": normalized_mean(halves),
    }
    return row, windows


def to_track(row: dict[str, Any]) -> Track:
    title, artist, album, genre, year = json.loads(row["tags"])
    return Track(to_path(row["path"]), title, artist, album, genre, year, row["duration"], row["added"])


def to_file_state(row: dict[str, Any]) -> FileState:
    return FileState(row["size"], row["mtime_ns"], bytes.fromhex(row["hash"]))


def digest(text: str) -> int:
    return int.from_bytes(hashlib.blake2b(normalize_text(text).encode(), digest_size=8).digest()) >> 1


def to_text(path: str) -> str:
    """A path as valid Unicode: a byte that is not UTF-8 becomes NUL and two hexadecimal digits.

    No path contains NUL, so this is reversible; and it keeps prefixes: a path inside a folder begins with its text.
    """
    return re.sub("[\udc80-\udcff]", lambda match: f"\0{ord(match[0]) - 0xDC00:02x}", path_to_text(path))


def to_path(text: str) -> str:
    """The inverse of `to_text`."""
    return path_from_text(re.sub("\0(..)", lambda match: chr(0xDC00 + int(match[1], 16)), text))
