"""A library's map: where each track lies, what colours it, and the names of its neighbourhoods."""

import contextlib
import hashlib
import os
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from kobza.library import Track
from kobza.library.filters.tree import Filter, In, normalize_text
from kobza.webui.errors import PageError
from kobza.webui.map.regions import Region

HUES = 9  # colours of the most common values; the others share one more
NONE = 255  # the colour of a track without a value
MAX_CORNERS = 200  # of an outline
MIN_TAGGED = 0.5  # of the tracks, for a map that is coloured by genre at first


@dataclass(frozen=True)
class Colouring:
    """What colours the points.

    Attributes:
        by: "genre", the tag, or "sound", the kind of music that the model hears.
        names: of the first colours; a colour beyond them stands for all other values.
        colours: (n,) uint8, an index of `names`, `len(names)` for other values, NONE for a track without one.
    """

    by: str
    names: list[str]
    colours: np.ndarray

    @property
    def counts(self) -> list[int]:
        """Tracks of each name, of other values, and without a value."""
        counts = np.bincount(self.colours, minlength=NONE + 1)
        return [*counts[: len(self.names) + 1].tolist(), int(counts[NONE])]


@dataclass(frozen=True)
class LibraryMap:
    """The tracks by their paths (n), positions (n, 2) float32 in the unit square, and what is drawn with them.

    Attributes:
        digest: of the library's state that it shows.
        model: the fingerprint of the vectors.
        fitted: how many tracks there were when all positions were computed together.
    """

    digest: str
    model: str
    fitted: int
    paths: list[str]
    positions: np.ndarray
    colourings: list[Colouring]
    regions: list[Region]

    def __len__(self) -> int:
        return len(self.paths)

    @cached_property
    def version(self) -> str:
        """An identifier of what is drawn, for addresses that browsers may cache."""
        digest = hashlib.sha256(self.digest.encode())
        digest.update(self.positions.tobytes())
        return digest.hexdigest()[:16]

    @property
    def best_colouring(self) -> str:
        """The tag, if most tracks have one; else what the model hears."""
        genre = self.colourings[0]
        return "genre" if len(self) and np.mean(genre.colours != NONE) >= MIN_TAGGED else "sound"

    @cached_property
    def _numbers(self) -> dict[str, int]:
        return {path: i for i, path in enumerate(self.paths)}

    def number(self, path: str) -> int | None:
        """The point of a track; None if the map does not have it."""
        return self._numbers.get(path)

    def numbers(self, paths: Iterable[str]) -> list[int]:
        """The points of those tracks that the map has."""
        return [i for path in paths if (i := self._numbers.get(path)) is not None]

    def area(self, outline: str) -> Filter:
        """The filter for the tracks inside an outline, such as "0.1,0.2 0.3,0.2 0.3,0.4". PageError: it is not one."""
        corners = parse_outline(outline)
        return In("path", tuple(self.paths[i] for i in np.flatnonzero(inside(self.positions, corners))))


def colour(by: str, values: Sequence[str]) -> Colouring:
    """Colours for the values of tracks, "" for a track without one; spellings that filters do not tell apart are one.

    >>> colouring = colour("genre", ["Jazz", "jazz", "", "Rock", "Jazz"])
    >>> colouring.names, colouring.colours.tolist(), colouring.counts
    (['Jazz', 'Rock'], [0, 0, 255, 1, 0], [3, 1, 0, 1])
    """
    keys = [normalize_text(value) for value in values]
    counts = Counter(filter(None, keys))
    common = [key for key, _ in sorted(counts.items(), key=lambda pair: (-pair[1], pair[0]))][:HUES]
    spellings = {key: Counter(value for value, one in zip(values, keys, strict=True) if one == key) for key in common}
    names = [spellings[key].most_common(1)[0][0] for key in common]
    index = {key: i for i, key in enumerate(common)}
    colours = np.array([index.get(key, len(common)) if key else NONE for key in keys], np.uint8)
    return Colouring(by, names, colours)


def first_genre(track: Track) -> str:
    """
    >>> first_genre(Track("a", genre="Jazz; Blues"))
    'Jazz'
    """
    return track.genre.replace(";", ",").split(",")[0].strip()


def library_digest(states: Mapping[str, tuple]) -> str:
    """An identifier of a library's tracks, their tags and sound, the same in every run, from its `file_states`."""
    digest = hashlib.sha256()
    for path in sorted(states):
        size, mtime_ns, *_ = states[path]
        digest.update(os.fsencode(path) + f"\0{size}\0{mtime_ns}\0".encode())
    return digest.hexdigest()[:24]


def parse_outline(text: str) -> np.ndarray:
    """
    >>> parse_outline("0.1,0.2 0.3,0.2 0.3,0.4").tolist()
    [[0.1, 0.2], [0.3, 0.2], [0.3, 0.4]]
    """
    with contextlib.suppress(ValueError):
        corners = np.array([[float(number) for number in corner.split(",")] for corner in text.split()])
        if corners.shape[1:] == (2,) and 3 <= len(corners) <= MAX_CORNERS and np.isfinite(corners).all():
            return corners
    raise PageError("map_area")


def inside(points: np.ndarray, outline: np.ndarray) -> np.ndarray:
    """(n, 2), (corners, 2) -> (n,) bool: whether each point lies inside the outline, by the even-odd rule.

    >>> inside(np.array([[0.5, 0.5], [2.0, 0.5]]), np.array([[0, 0], [1, 0], [1, 1], [0, 1]])).tolist()
    [True, False]
    """
    x, y = points[:, 0], points[:, 1]
    crossings = np.zeros(len(points), bool)
    for (x1, y1), (x2, y2) in zip(outline, np.roll(outline, 1, axis=0), strict=True):
        if y1 != y2:
            crossings ^= ((y1 > y) != (y2 > y)) & (x < (x2 - x1) * (y - y1) / (y2 - y1) + x1)
    return crossings
