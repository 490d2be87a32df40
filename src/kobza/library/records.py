"""The records that a library consists of, the same in every store."""

from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np

from kobza.errors import KobzaError
from kobza.library.calibration import match_label
from kobza.library.paths import is_available


class LibraryError(KobzaError):
    """A request that a library cannot fulfil. The message is a sentence that says why and what to do."""


class FileState(NamedTuple):
    """What a file was when it was indexed: size in bytes, time of change in ns, hash of its bytes, and of its sound
    without the tags (`audio_digest`; b"" if unknown).

    Device and inode tell a renamed file from a copy. They are of this machine only: None if unknown, and not exported.
    """

    size: int
    mtime_ns: int
    hash: bytes
    audio_hash: bytes = b""
    device: int | None = None
    inode: int | None = None


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

    A track that is a part of a file (of an album with a cue sheet, say) has its `start` and `end` in seconds within
    that file, and a path with the part's number behind "#"; `end` is None for a whole file. Windows and moments count
    from the track's start.

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
    start: float = 0.0
    end: float | None = None
    added: float | None = field(default=None, compare=False)

    @property
    def file(self) -> str:
        """The path of the file that holds the track.

        >>> Track("/music/album.flac#3", start=200.0, end=300.0).file
        '/music/album.flac'
        """
        return self.path if self.end is None else self.path.rpartition("#")[0]


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
    def available(self) -> bool:
        """Whether the file is there now; not so if its disc is not connected, or it was deleted since the last sync."""
        return is_available(self.track.file)

    @property
    def match(self) -> str | None:
        """strong, fair, weak or none; None without a z-score"""
        return None if self.z_score is None else match_label(self.z_score)


@dataclass(frozen=True)
class Failure:
    """A path that could not be used, and a sentence that says why.

    `is_lasting`: the file is at fault, so it is not read again until it changes. `is_known`: it was not read again.
    """

    path: str
    reason: str
    is_lasting: bool = False
    is_known: bool = False


class KnownFailure(NamedTuple):
    """A lasting failure as a store keeps it: what the file was, why it failed, and under which version of Kobza."""

    size: int
    mtime_ns: int
    reason: str
    version: str


@dataclass(frozen=True)
class Skipped:
    """A file or folder that was passed over, and the kind of reason in a few words: "trash folder"."""

    path: str
    reason: str


@dataclass
class Report:
    """How many tracks a run added, changed and so on; `failed` and `skipped` have each path with its reason.

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
    excluded: int = 0  # that were in the library and left it
    failed: list[Failure] = field(default_factory=list)
    skipped: list[Skipped] = field(default_factory=list)

    def __str__(self) -> str:
        counts = ("added", "changed", "unchanged", "moved", "removed")
        rare = ("retagged", "analyzed", "excluded")
        some = "".join(f", {getattr(self, name)} {name}" for name in rare if getattr(self, name))
        text = ", ".join(f"{getattr(self, name)} {name}" for name in counts) + f"{some}, {len(self.failed)} failed"
        return text + (f", {len(self.skipped)} skipped" if self.skipped else "")
