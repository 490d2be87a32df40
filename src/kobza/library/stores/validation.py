"""What every store refuses, and the values that every store can hold."""

import math
from dataclasses import replace
from itertools import pairwise
from typing import Any

import numpy as np

from kobza.audio import printable
from kobza.library.address import LibraryAddress
from kobza.library.records import LibraryError, Track

NORM_TOLERANCE = 5e-3  # of a vector's length from 1; rounding to half precision changes it by up to 1e-3
MAX_TEXT_LENGTH = 4000  # characters; a row of Milvus holds 64 KiB, and nobody reads a longer title


def storable(track: Track) -> Track:
    """The track with values that every store can hold; the same one if it has no others.

    Texts lose NUL and lone surrogates and end after MAX_TEXT_LENGTH characters; numbers that are not finite or beyond
    64 bits are unknown.

    >>> storable(Track("/a", title="a\\0b", year=10**30)).title, storable(Track("/a", year=10**30)).year
    ('ab', None)
    """
    changed: dict[str, Any] = {}
    for name, value in vars(track).items():
        if isinstance(value, str) and name != "path":
            text = value.replace("\0", "")[:MAX_TEXT_LENGTH].encode("utf-8", "replace").decode("utf-8")
            if text != value:
                changed[name] = text
        elif isinstance(value, int) and not -(2**63) <= value < 2**63:
            changed[name] = None
        elif isinstance(value, float) and not math.isfinite(value):
            changed[name] = 0.0 if name == "duration" else None
    return replace(track, **changed) if changed else track


def validation_error(starts: list[float], vectors: np.ndarray, dim: int | None) -> str | None:
    """Why these are not a track's windows in order, each with a vector of unit length; None if they are.

    `dim`: of the library's other vectors; None for none.
    """
    n, width = vectors.shape
    if not n:
        return "has no windows"
    if n != len(starts):
        return f"has {n} vectors for {len(starts)} windows"
    if dim not in (None, width):
        return f"has vectors of {width} numbers where the library's have {dim}"
    if not all(b > a for a, b in pairwise([-1.0, *starts])):
        return "has windows that are not in order"
    if not np.isfinite(vectors).all():
        return "has a vector that is not finite"
    if (abs(np.linalg.norm(vectors.astype(np.float32), axis=1) - 1) > NORM_TOLERANCE).any():
        return "has a vector that is not of unit length"
    return None


def refuse_invalid(path: str, starts: list[float], vectors: np.ndarray, dim: int | None) -> None:
    """Every store's gate. LibraryError: `validation_error`."""
    if wrong := validation_error(starts, vectors, dim):
        raise LibraryError(f"{printable(path)} cannot be stored: it {wrong}. Index it again.")


def refuse_read_only(read_only: bool, address: LibraryAddress) -> None:
    """LibraryError: the store was opened read-only."""
    if read_only:
        raise LibraryError(f"The library {address} was opened read-only; open it without read_only to write.")
