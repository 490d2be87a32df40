"""What Milvus keeps of a track: the columns of each collection, a track as rows of these, and back.

A text that can only be equal or not is kept to be filtered by as a digest of its folded form (63 bits): Milvus compares
these faster than text and in less memory, and nothing that a person wrote gets into an expression.
"""

import hashlib
import json
import os
import re

import numpy as np
from pymilvus import CollectionSchema, DataType, FieldSchema

from kobza.embedding.embedder import normalized_mean
from kobza.library.filters.tree import TEXT, fold
from kobza.library.records import FileState, Track

LONGEST = 65535  # bytes of text in a column
NO_YEAR = -1e9  # an unknown one: servers before 2.5 know no NULL
TRACK = ("run", "windows", "path", "tags", "duration", "added", "size", "mtime_ns", "hash")  # what `to_track` needs
UTF8 = ("utf-8", "surrogateescape")


def schema(kind: str, dim: int) -> CollectionSchema:
    """The columns of a library's collection of `kind` "tracks", "windows" or "meta"."""
    numbers, whole = ("year", "duration", "added"), (*TEXT, "run", "windows", "size", "mtime_ns")
    columns = {
        "meta": ["value"],
        "windows": ["run", "start", "path", *TEXT, *numbers],
        "tracks": ["run", "windows", "path", "tags", "size", "mtime_ns", "hash", *TEXT, *numbers],
    }

    def column(name: str, **options) -> FieldSchema:
        if name in whole or (name, kind) == ("id", "windows"):
            return FieldSchema(name, DataType.INT64, **options)
        if name in (*numbers, "start"):
            return FieldSchema(name, DataType.DOUBLE)
        return FieldSchema(name, DataType.VARCHAR, max_length=LONGEST, **options)

    vector = FieldSchema("vector", DataType.FLOAT_VECTOR, dim=dim)  # half precision came after 2.3
    return CollectionSchema([column("id", is_primary=True), *map(column, columns[kind]), vector])


def track_id(path: str) -> str:
    """A track's id comes of its path: so a path is there once, whoever writes it."""
    return hashlib.blake2b(os.fsencode(path), digest_size=16).hexdigest()


def to_rows(
    track: Track, file_state: FileState, starts: list[float], vectors: np.ndarray, run: int
) -> tuple[dict, list[dict]]:
    """-> (the row of a track, those of its windows: their ids are the numbers from `run` on)."""
    columns = {field: digest(getattr(track, field)) for field in TEXT} | {
        "year": NO_YEAR if track.year is None else float(track.year),
        "duration": track.duration,
        "added": track.added,
        "path": to_text(track.path),
    }
    halves = vectors.astype(np.float16).astype(np.float32)  # the precision of every store
    windows = [
        {"id": run + i, "run": run, "start": start, "vector": half} | columns
        for i, (start, half) in enumerate(zip(starts, halves, strict=True))
    ]
    tags = json.dumps([track.title, track.artist, track.album, track.genre, track.year])
    row = {"id": track_id(track.path), "run": run, "windows": len(starts), "tags": tags, "hash": file_state.hash.hex()}
    return row | columns | {
        "size": file_state.size,
        "mtime_ns": file_state.mtime_ns,
        "vector": normalized_mean(halves),
    }, windows


def to_track(row: dict) -> Track:
    return Track(to_path(row["path"]), *json.loads(row["tags"]), row["duration"], row["added"])


def to_rev(row: dict) -> FileState:
    return FileState(row["size"], row["mtime_ns"], bytes.fromhex(row["hash"]))


def digest(text: str) -> int:
    return int.from_bytes(hashlib.blake2b(fold(text).encode(), digest_size=8).digest()) >> 1


def to_text(path: str) -> str:
    """A path as text: a byte that is no UTF-8 becomes NUL and two digits, for no path has a NUL. What begins with
    a folder's bytes begins with its text."""
    return re.sub("[\udc80-\udcff]", lambda odd: f"\0{ord(odd[0]) - 0xDC00:02x}", os.fsencode(path).decode(*UTF8))


def to_path(text: str) -> str:
    """What `to_text` was made of."""
    return os.fsdecode(re.sub("\0(..)", lambda odd: chr(0xDC00 + int(odd[1], 16)), text).encode(*UTF8))
