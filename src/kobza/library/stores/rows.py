"""Rows of the SQLite database as the library's records."""

import os
from dataclasses import fields
from typing import Any

import numpy as np

from kobza.library.records import FileState, StoredTrack, Track

TRACK_COLUMNS = tuple(field.name for field in fields(Track))  # path first
COLUMNS = ", ".join(f"[{name}]" for name in TRACK_COLUMNS)  # brackets: "end" is a word of SQL
FILE_STATE = ", ".join(FileState._fields)


def to_track(row: tuple[Any, ...]) -> Track:
    """`row`: the values of COLUMNS."""
    return Track(os.fsdecode(row[0]), *row[1:])


def to_stored_track(row: tuple[Any, ...]) -> StoredTrack:
    """`row`: the values of COLUMNS, then FILE_STATE, starts, windows."""
    *values, starts, windows = row
    return (
        to_track(tuple(values[: len(TRACK_COLUMNS)])),
        FileState(*values[len(TRACK_COLUMNS) :]),
        np.frombuffer(starts).tolist(),
        decode_vectors(windows, len(starts) // 8),
    )


def to_hit(row: tuple[Any, ...], query: np.ndarray) -> tuple[int, Track, float]:
    """Its id, the track, and the start in seconds of the window nearest to `query` (dim,).

    `row`: the values of COLUMNS, then id, starts, windows.
    """
    *columns, track_id, start_bytes, windows = row
    starts = np.frombuffer(start_bytes)
    return track_id, to_track(tuple(columns)), float(starts[np.argmax(decode_vectors(windows, len(starts)) @ query)])


def decode_vectors(blob: bytes, n: int) -> np.ndarray:
    """(n, dim) float32 of a column of n vectors"""
    return np.frombuffer(blob, np.float16).reshape(n, -1).astype(np.float32)
