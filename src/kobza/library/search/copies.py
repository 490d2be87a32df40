"""Copies of one recording: the same bytes, or the same music in another file or format; and limits for the hits of one
artist or album.

Two files are copies if their bytes are equal, or if their durations differ by `SAME_SECONDS` at most and their vectors
have a cosine of `COPY_COSINE` or more.
"""

import itertools
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import NamedTuple, TypeAlias

import numpy as np

from kobza.embedding.embedder import normalized_mean
from kobza.library.filters.tree import SEPARATOR, normalize_text
from kobza.library.records import Hit, LibraryError, StoredTrack, Track

SAME_SECONDS = 1.0  # encoders add up to a tenth of a second of silence at both ends
COPY_COSINE = 0.97
TRACKS_PER_BLOCK = 2000  # compared at once


class Recording(NamedTuple):
    """What tells whether two tracks are copies: the hash of the file's bytes and, of a part of a file, where it begins;
    the duration in seconds; the vector (dim,)."""

    hash: bytes
    seconds: float
    vector: np.ndarray


# The recordings of tracks, by path, without those that have just been deleted
RecordingsOf: TypeAlias = Callable[[Sequence[Track]], Mapping[str, Recording]]


class Limits(NamedTuple):
    """At most so many hits of one artist, and of one album; None for any number. Unknown ones are not counted."""

    per_artist: int | None = None
    per_album: int | None = None


NO_LIMITS = Limits()


def recording_of(stored: StoredTrack) -> Recording:
    track, file_state, _, vectors = stored
    place = b"" if track.end is None or not file_state.hash else b"#%r" % track.start
    return Recording(file_state.hash + place, track.duration, normalized_mean(vectors))


def are_copies(one: Recording, other: Recording) -> bool:
    """Whether both are the same recording."""
    if one.hash == other.hash and one.hash:
        return True
    return abs(one.seconds - other.seconds) <= SAME_SECONDS and float(one.vector @ other.vector) >= COPY_COSINE


def merge_copies(hits: Sequence[Hit], recordings: RecordingsOf) -> list[Hit]:
    """One hit of each recording, with the paths of the others in its `copies`.

    Of a recording the best hit whose file is there now is kept; if none is, the best.
    """
    known = recordings(_of_equal_length([hit.track for hit in hits]))
    groups: list[list[int]] = []  # the places of hits of one recording, the best first
    may_repeat: list[tuple[Recording, list[int]]] = []
    for place, hit in enumerate(hits):
        found = known.get(hit.track.path)
        group = None if found is None else next((some for one, some in may_repeat if are_copies(one, found)), None)
        if group is not None:
            group.append(place)
            continue
        groups.append([place])
        if found is not None:
            may_repeat.append((found, groups[-1]))
    merged = {}
    for group in groups:
        shown = next((place for place in group if hits[place].available), group[0])
        copies = tuple(hits[place].track.path for place in group if place != shown)
        merged[shown] = replace(hits[shown], copies=copies)
    return [merged[place] for place in sorted(merged)]


def _of_equal_length(tracks: Sequence[Track]) -> list[Track]:
    """The tracks that are as long as another of them.

    >>> tracks = [Track("a", duration=9.0), Track("b", duration=5.0), Track("c", duration=8.5)]
    >>> [track.path for track in _of_equal_length(tracks)]
    ['c', 'a']
    """
    ordered = sorted(tracks, key=lambda track: track.duration)
    close = [b.duration - a.duration <= SAME_SECONDS for a, b in itertools.pairwise(ordered)]
    return [track for i, track in enumerate(ordered) if any(close[max(0, i - 1) : i + 1])]


def without_copies_of(seeds: Sequence[Recording], hits: Sequence[Hit], recordings: RecordingsOf) -> list[Hit]:
    """The hits that are no copies of these recordings."""
    close = [hit.track for hit in hits if any(abs(one.seconds - hit.track.duration) <= SAME_SECONDS for one in seeds)]
    known = recordings(close)
    copies = {path for path, found in known.items() if any(are_copies(seed, found) for seed in seeds)}
    return [hit for hit in hits if hit.track.path not in copies]


def within_limits(hits: Iterable[Hit], limits: Limits) -> list[Hit]:
    """The best hits of each artist and album, as many as the limits allow. A track of several artists counts for each.

    >>> hits = [Hit(1.0 - i / 10, Track(f"/{i}.mp3", artist="Ann"), 0.0) for i in range(3)]
    >>> [hit.track.path for hit in within_limits(hits, Limits(per_artist=2))]
    ['/0.mp3', '/1.mp3']
    """
    for name, limit in limits._asdict().items():
        if limit is not None and limit < 1:
            raise LibraryError(f"{name} is {limit}; allow 1 track or more.")
    if limits == NO_LIMITS:
        return list(hits)
    counts: Counter[tuple[str, ...]] = Counter()
    kept = []
    for hit in hits:
        artists = normalize_text(hit.track.artist).split(SEPARATOR)
        album = normalize_text(hit.track.album)
        keys: list[tuple[str, ...]] = []
        if artists[0] and limits.per_artist:
            keys += [("artist", name) for name in dict.fromkeys(artists)]
        most = {"artist": limits.per_artist or 0, "album": limits.per_album or 0}
        if album and limits.per_album:
            keys.append(("album", album, normalize_text(hit.track.album_artist) or artists[0]))
        if all(counts[key] < most[key[0]] for key in keys):
            counts.update(keys)
            kept.append(hit)
    return kept


def duplicate_groups(stored: Iterable[StoredTrack]) -> list[list[Track]]:
    """The groups of two or more copies among these tracks, each ordered by path, the groups by their first path."""
    tracks = []
    recordings = []
    for one in stored:
        tracks.append(one[0])
        recordings.append(recording_of(one))
    group = list(range(len(tracks)))  # each points to an earlier track of its group, or to itself

    def first_of(i: int) -> int:
        while group[i] != i:
            group[i] = group[group[i]]
            i = group[i]
        return i

    for i, j in _pairs(recordings):
        a, b = sorted((first_of(i), first_of(j)))
        group[b] = a
    members: dict[int, list[Track]] = {}
    for i, track in enumerate(tracks):
        members.setdefault(first_of(i), []).append(track)
    groups = [sorted(some, key=lambda track: track.path) for some in members.values() if len(some) > 1]
    return sorted(groups, key=lambda some: some[0].path)


def _pairs(recordings: Sequence[Recording]) -> Iterable[tuple[int, int]]:
    """Pairs of copies, enough to connect each group."""
    by_hash: dict[bytes, int] = {}
    for i, one in enumerate(recordings):
        if one.hash:
            first = by_hash.setdefault(one.hash, i)
            if first != i:
                yield first, i
    if not recordings:
        return
    seconds = np.array([one.seconds for one in recordings])
    order = np.argsort(seconds, kind="stable")
    seconds = seconds[order]
    vectors = np.stack([recordings[i].vector for i in order])
    for start in range(0, len(order), TRACKS_PER_BLOCK):
        end = min(start + TRACKS_PER_BLOCK, len(order))
        last = int(np.searchsorted(seconds, seconds[end - 1] + SAME_SECONDS, "right"))
        for at in range(start, last, TRACKS_PER_BLOCK):  # the block with itself and the longer ones that may be copies
            until = min(at + TRACKS_PER_BLOCK, last)
            alike = vectors[start:end] @ vectors[at:until].T >= COPY_COSINE
            close = np.abs(seconds[start:end, None] - seconds[None, at:until]) <= SAME_SECONDS
            for row, column in np.argwhere(alike & close):
                if start + row < at + column:
                    yield int(order[start + row]), int(order[at + column])
