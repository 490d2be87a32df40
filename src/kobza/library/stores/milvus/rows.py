"""The library's records as rows of Milvus: the columns of each collection, and conversions both ways.

What filters compare for equality only, text, is stored as 63-bit digests, each of a field's name and one of its
normalized values, all in one column `texts`: Milvus compares these faster than text and in less memory, a tag with
several values needs nothing more, and no user input gets into expressions.
"""

import hashlib
import json
import os
import re
from dataclasses import fields
from typing import Any

import numpy as np
from pymilvus import CollectionSchema, DataType, FieldSchema

from kobza.embedding.embedder import normalized_mean
from kobza.library.filters.tree import SEPARATOR, SEVERAL_VALUES, normalize_text
from kobza.library.paths import path_from_text, path_to_text
from kobza.library.records import FileState, Track

SCHEMA = 2
MAX_TEXT_BYTES = 65535  # Milvus's limit for a VARCHAR
MAX_VALUES = 1024  # of the texts of one track; further ones cannot be filtered by
NO_NUMBER = -1e9  # stands for an unknown number: servers before 2.5 have no NULL
TEXT_FIELDS = ("genre", "artist", "album", "title", "album_artist", "composer", "format", "key")
NUMBER_FIELDS = ("duration", "added", "year", "track_number", "bitrate", "sample_rate", "bpm", "loudness", "energy")
# What `to_track` and `to_file_state` need
TRACK_FIELDS = ("run", "windows", "path", "tags", "duration", "added", "size", "mtime_ns", "hash")
TAGS_OF_SCHEMA_1 = ("title", "artist", "album", "genre", "year")
TAGS = tuple(field.name for field in fields(Track) if field.name not in ("path", "duration", "added"))
UNKNOWN = {field.name: field.default for field in fields(Track)}  # which need not be stored
INTEGER_COLUMNS = ("run", "windows", "size", "mtime_ns")


def schema(kind: str, dim: int) -> CollectionSchema:
    """The columns of a library's collection of `kind` "tracks", "windows" or "meta"."""
    columns = {
        "meta": ["value"],
        "windows": ["run", "start", "path", "texts", *NUMBER_FIELDS],
        "tracks": ["run", "windows", "path", "tags", "size", "mtime_ns", "hash", "texts", *NUMBER_FIELDS],
    }

    def column(name: str, is_primary: bool = False) -> FieldSchema:
        if name in INTEGER_COLUMNS or (name, kind) == ("id", "windows"):
            return FieldSchema(name, DataType.INT64, is_primary=is_primary)
        if name in (*NUMBER_FIELDS, "start"):
            return FieldSchema(name, DataType.DOUBLE)
        if name == "texts":
            return FieldSchema(name, DataType.ARRAY, element_type=DataType.INT64, max_capacity=MAX_VALUES)
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
    numbers = {field: getattr(track, field) for field in NUMBER_FIELDS}
    columns = {field: NO_NUMBER if number is None else float(number) for field, number in numbers.items()} | {
        "path": to_text(track.path),
        "texts": text_digests(track),
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
        "tags": tags_json(track),
        "size": file_state.size,
        "mtime_ns": file_state.mtime_ns,
        "hash": file_state.hash.hex(),
        "vector": normalized_mean(halves),
    }
    return row, windows


def tags_json(track: Track) -> str:
    """The tags that are known, as JSON of at most MAX_TEXT_BYTES: the longest texts are cut until it fits.

    >>> tags_json(Track("/a.mp3", title="A", year=1999))
    '{"title": "A", "year": 1999}'
    """
    tags = {name: getattr(track, name) for name in TAGS if getattr(track, name) != UNKNOWN[name]}
    while len(text := json.dumps(tags)) > MAX_TEXT_BYTES:
        longest = max(tags, key=lambda name: len(json.dumps(tags[name])))
        tags[longest] = tags[longest][: len(tags[longest]) // 2]
    return text


def to_track(row: dict[str, Any]) -> Track:
    tags = json.loads(row["tags"])
    if isinstance(tags, list):
        tags = dict(zip(TAGS_OF_SCHEMA_1, tags, strict=True))
    return Track(to_path(row["path"]), duration=row["duration"], added=row["added"], **tags)


def to_file_state(row: dict[str, Any]) -> FileState:
    return FileState(row["size"], row["mtime_ns"], bytes.fromhex(row["hash"]))


def text_digests(track: Track) -> list[int]:
    """What `texts` has of a track: a digest of each text and, where a tag may have several, of each value."""
    texts = [(field, normalize_text(getattr(track, field))) for field in TEXT_FIELDS]
    values = [(field, value) for field, text in texts if field in SEVERAL_VALUES for value in text.split(SEPARATOR)]
    return list(dict.fromkeys(digest(field, value) for field, value in texts + values))[:MAX_VALUES]


def digest(field: str, value: str) -> int:
    """Of a value, normalized, of a text field."""
    return int.from_bytes(hashlib.blake2b(f"{field}\0{value}".encode(), digest_size=8).digest()) >> 1


def to_text(path: str) -> str:
    """A path as valid Unicode: a byte that is not UTF-8 becomes NUL and two hexadecimal digits.

    No path contains NUL, so this is reversible; and it keeps prefixes: a path inside a folder begins with its text.
    """
    return re.sub("[\udc80-\udcff]", lambda match: f"\0{ord(match[0]) - 0xDC00:02x}", path_to_text(path))


def to_path(text: str) -> str:
    """The inverse of `to_text`."""
    return path_from_text(re.sub("\0(..)", lambda match: chr(0xDC00 + int(match[1], 16)), text))
