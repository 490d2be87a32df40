"""The records that a library consists of, the same in every store."""

from dataclasses import dataclass, field
from itertools import pairwise
from typing import NamedTuple

import numpy as np

from kobza.audio import printable
from kobza.errors import KobzaError
from kobza.library.calibration import match_label

NORM_TOLERANCE = 5e-3  # of a vector's length from 1; rounding to half precision changes it by up to 1e-3


class LibraryError(KobzaError):
    """A request that a library cannot fulfil. The message is a sentence that says why and what to do."""


class FileState(NamedTuple):
    """What a file was when it was indexed: size in bytes, time of change in ns, hash of its bytes, and of its sound
    without the tags (`audio_digest`; b"" if unknown)."""

    size: int
    mtime_ns: int
    hash: bytes
    audio_hash: bytes = b""


class Totals(NamedTuple):
    tracks: int
    windows: int
    seconds: float


@dataclass(frozen=True)
class Track:
    """A recording of the library. An unknown text is "", an unknown number None.

    A tag with several values (genre, artist, album_artist, composer) has them joined by "; ". The units: duration in
    seconds, bitrate in kbit/s, sample_rate in Hz, bpm in beats per minute, loudness in LUFS (integrated), energy from 0
    to 1; key is such as "A minor".

    `added` is when the track was first added, in seconds since 1970. A store keeps it when a track is replaced or
    moved, and uses the current time for a new track without it. It does not count in comparisons of tracks.
    """

    path: str
    title: str = ""
    artist: str = ""
    album: str = ""
    genre: str = ""
    year: int | None = None
    duration: float = 0.0
    album_artist: str = ""
    composer: str = ""
    comment: str = ""
    track_number: int | None = None
    format: str = ""
    bitrate: int | None = None
    sample_rate: int | None = None
    bpm: float | None = None
    key: str = ""
    loudness: float | None = None
    energy: float | None = None
    added: float | None = field(default=None, compare=False)


# A track with all that a store holds of it: its windows' starts in seconds, their vectors (n, dim) float32.
StoredTrack = tuple[Track, FileState, list[float], np.ndarray]


# The fields whose words a search looks at, by how far a word in them can be trusted (`search/fusion.py`).
WORD_FIELDS = {
    "name": ("title", "artist", "album_artist", "album", "composer"),
    "genre": ("genre",),
    "path": ("path",),
    "comment": ("comment",),
}


class WordMatch(NamedTuple):
    """A word of a query in the tags or paths of a library.

    Attributes:
        kind: exact; prefix, the beginning of a longer word; or near, spelled nearly like one of `terms`.
        group: the key of `WORD_FIELDS` that it stands in.
        track_ids: (n,) int64, the store's own numbers of the tracks, in ascending order.
    """

    word: str
    kind: str
    group: str
    terms: tuple[str, ...]
    track_ids: np.ndarray


class Adjustments(NamedTuple):
    """What a search adds to the cosines of some tracks: their score is offset + max(cosine, floor).

    Attributes:
        track_ids: (n,) int64, the store's own numbers of the tracks, in ascending order.
        offsets, floors: (n,) float64.
        only: whether the search finds no other tracks.
    """

    track_ids: np.ndarray
    offsets: np.ndarray
    floors: np.ndarray
    only: bool = False


class FoundWord(NamedTuple):
    """Why a track was found: a word of the query stands in this field, as `term`."""

    word: str
    field: str
    term: str


@dataclass(frozen=True)
class Hit:
    """A track found by a search.

    Attributes:
        score: what hits are ranked by. For a description the strength of the match (`calibration`), of sound and words
            together; for an example the cosine with it, in [-1, 1].
        moment: the start of the track's best window, in seconds.
        z_score: the score, where it is the strength of a match; None for a search without a description.
        sound: how strongly the sound alone matches; None where it was not asked for.
        words: the words of the query that stand in the track's tags or path.
        copies: the paths of other files of the same recording, which the search would have found as well.
    """

    score: float
    track: Track
    moment: float
    z_score: float | None = None
    sound: float | None = None
    words: tuple[FoundWord, ...] = ()
    copies: tuple[str, ...] = ()

    @property
    def match(self) -> str | None:
        """strong, fair, weak or none; None without a z-score"""
        return None if self.z_score is None else match_label(self.z_score)


@dataclass(frozen=True)
class Failure:
    """A path that could not be used, and a sentence that says why."""

    path: str
    reason: str


@dataclass
class Report:
    """How many tracks a run added, changed and so on; `failed` has each path with its reason.

    `retagged`: of the files that sound as before, and have other tags. They count neither as changed nor as unchanged.
    `analyzed`: of the unchanged ones, those whose tempo, key, loudness and energy were found now.
    """

    added: int = 0
    changed: int = 0
    unchanged: int = 0
    moved: int = 0
    removed: int = 0
    retagged: int = 0
    analyzed: int = 0
    failed: list[Failure] = field(default_factory=list)

    def __str__(self) -> str:
        counts = ("added", "changed", "unchanged", "moved", "removed")
        some = "".join(f", {getattr(self, name)} {name}" for name in ("retagged", "analyzed") if getattr(self, name))
        return ", ".join(f"{getattr(self, name)} {name}" for name in counts) + f"{some}, {len(self.failed)} failed"


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
