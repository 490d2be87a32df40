"""Which of a server's tracks is a track of the library: the server knows it under another path, or by its tags only."""

import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass

from kobza.library.filters.tree import normalize_text
from kobza.library.paths import path_to_text
from kobza.library.records import Track

MAX_SECONDS_APART = 3.0  # of one file's duration, as two programs read it: some round, some estimate


@dataclass(frozen=True)
class Candidate:
    """A track as a server describes it. An unknown text is "", an unknown duration (seconds) None.

    Attributes:
        id: what the server calls it.
        path: relative to a folder that only the server knows; some servers make it up from the tags.
    """

    id: str
    path: str = ""
    title: str = ""
    artist: str = ""
    album: str = ""
    duration: float | None = None


def file_name(path: str) -> str:
    """The last part of a path, as servers write it (UTF-8, composed letters).

    >>> file_name("/music/jazz/a.mp3")
    'a.mp3'
    """
    return _parts(path)[-1]


def best_match(track: Track, candidates: Iterable[Candidate]) -> Candidate | None:
    """The candidate that is this track; None if no one is.

    Those are: a file of the same name in a folder of the same name; a file of the same name and title; a track of the
    same title and artist. Each only with the same duration, where the server says one; a file that a part of is meant
    may be longer. Of several, the one that has most of the path in common, then of the tags.

    >>> track = Track("/home/ann/music/blue/01.mp3", "Low", "Ann", duration=95.4)
    >>> best_match(track, [Candidate("1", "red/01.mp3", "Up"), Candidate("2", "blue/01.mp3", "Low")]).id
    '2'
    """
    ranked = []
    for candidate in candidates:
        path = _common_end(_parts(track.file), _parts(candidate.path))
        if not (_same_duration(track, candidate) or (path and _has_part(candidate, track))):
            continue
        title, artist, album = (
            _same(getattr(track, name), getattr(candidate, name)) for name in ("title", "artist", "album")
        )
        if path > 1 or (path and (title or _is_untitled(candidate))) or (title and artist):
            ranked.append(((path, title, artist, album), candidate))
    return max(ranked, key=lambda pair: pair[0])[1] if ranked else None


def _is_untitled(candidate: Candidate) -> bool:
    """Without a title tag; some servers give the file's name instead."""
    name = _parts(candidate.path)[-1]
    return candidate.title in ("", name, name.rpartition(".")[0])


def _parts(path: str) -> list[str]:
    return unicodedata.normalize("NFC", path_to_text(path)).split("/")


def _common_end(a: list[str], b: list[str]) -> int:
    """How many parts two paths have in common, from the file's name on."""
    n = 0
    while n < min(len(a), len(b)) and a[-n - 1] == b[-n - 1]:
        n += 1
    return n


def _same(a: str, b: str) -> bool:
    return bool(a) and normalize_text(a) == normalize_text(b)


def _has_part(candidate: Candidate, track: Track) -> bool:
    """Whether the candidate may be the whole file of which the track is a part."""
    if track.end is None or candidate.duration is None:
        return False
    return candidate.duration >= track.end - MAX_SECONDS_APART


def _same_duration(track: Track, candidate: Candidate) -> bool:
    if not track.duration or candidate.duration is None:
        return True
    return abs(track.duration - candidate.duration) <= MAX_SECONDS_APART
