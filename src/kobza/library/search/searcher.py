"""Questions to a library: by description, by example, where in a recording, and from one track to another."""

import os
from collections.abc import Callable
from functools import cached_property
from typing import Literal, get_args

import numpy as np

from kobza.audio import AudioError, printable
from kobza.library.calibration import Spread, spread_of
from kobza.library.filters.parser import parse_filter
from kobza.library.filters.tree import Filter
from kobza.library.ingest.embed import Progress
from kobza.library.ingest.scan import find_recordings
from kobza.library.ingest.tags import read_tags
from kobza.library.records import Hit, LibraryError, Track, normalised_mean
from kobza.library.remote import absolute
from kobza.library.search.moments import Moment, Trace, embed_part
from kobza.library.search.playlists import smooth_order
from kobza.library.search.query import compose, parse_wishes, wanted
from kobza.library.stores.base import Store

PathLike = str | os.PathLike
By = Literal["track", "moment"]
Where = str | Filter | None


class Answering:
    """What `MusicLibrary` answers; it needs its store, its model, and that it refuses vectors of another maker.

    Everywhere, `where` is a filter as text ("year >= 1980 and genre in (jazz, blues)") or as a tree; `by` ranks tracks
    as wholes, or by their best moments.
    """

    store: Store

    @cached_property
    def spread(self) -> Spread:
        """Of what descriptions score in general, by the library's model."""
        return spread_of(self.text_model)

    def search(self, text: str, k: int = 10, where: Where = None, by: By = "track") -> list[Hit]:
        """The k tracks that a description fits best, best first.

        "piano -drums" and "(slow strings)^2 piano" are several wishes: see `wishes.py`. A hit's strength is that of
        what is wanted alone; of a moment if `by` is "moment".

        Raises:
            LibraryError: an empty description, k below 1, a wrong filter, or a library of another checkpoint.
        """
        wishes, tree = parse_wishes(text), _filter(where)
        _check(k, by)
        if not len(self):
            return []
        self._refuse_others()
        vectors = self.text_model.embed_text([wish.text for wish in wishes])
        query, liked = compose(wishes, vectors, self.spread), wanted(wishes, vectors)
        hits = []
        for score, track, moment in self.store.search(query, k, where=tree, by=by):
            heard = self._heard(track, moment if by == "moment" else None)
            strength = None if heard is None else float(self.spread.strength(liked, heard[None])[0])
            hits.append(Hit(score, track, moment, strength))
        return hits

    def similar(
        self, track: Track | PathLike, k: int = 10, where: Where = None, by: By = "track", but: str | None = None
    ) -> list[Hit]:
        """The k tracks that sound most like `track`: one of the library's, or any recording on the disc. Never itself.

        Args:
            but: what should be different, as wishes: "calmer", "-drums", "more strings -drums".

        Raises:
            LibraryError: there is neither, or the recording cannot be used.
        """
        _check(k, by)
        tree, path = _filter(where), _path(track)
        changes = parse_wishes(but) if but is not None else []
        query = self._heard_at(path)
        if changes:
            self._refuse_others()
            vectors = self.text_model.embed_text([wish.text for wish in changes])
            query = compose(changes, vectors, self.spread, query)
        found = self.store.search(query, k + 1, where=tree, by=by)
        return [Hit(*hit) for hit in found if hit[1].path != path][:k]

    def locate(
        self,
        track: Track | PathLike,
        text: str,
        start: float = 0.0,
        end: float | None = None,
        progress: Callable[[Progress], None] | None = None,
    ) -> Trace:
        """How well a description fits each window of a recording, one of the library's or any on the disc.

        Args:
            start, end: the part that is looked at, in seconds.
            progress: called while a recording that the library does not hold is embedded.

        Raises:
            LibraryError: an empty description or part, a start behind the recording's end, or no such recording.
        """
        wishes, path, until = parse_wishes(text), _path(track), np.inf if end is None else end
        if not 0 <= start < until:
            raise LibraryError(f"From {start:g} s to {until:g} s there is nothing; let the part end after its start.")
        vectors = self.text_model.embed_text([wish.text for wish in wishes])
        query = compose(wishes, vectors, self.spread)
        parts = self._windows_at(path, start, until, progress)
        if not parts:
            raise LibraryError(f"{printable(path)} ends before {start:g} s; let the part start earlier.")
        heard = np.stack([vector for _, _, vector in parts])
        scores, strengths = heard @ query, self.spread.strength(wanted(wishes, vectors), heard)
        rows = zip(parts, scores.tolist(), strengths.tolist(), strict=True)
        return Trace(path, tuple(Moment(at, to, score, strength) for (at, to, _), score, strength in rows))

    def playlist(self, first: Track | PathLike, last: Track | PathLike, k: int = 10, where: Where = None) -> list[Hit]:
        """k tracks of the library (or as many as there are), from one to another by small steps; `where` is for those
        between. A hit's score is the cosine with the track before.

        Raises:
            LibraryError: either is not in the library, both are one, or k is below 2.
        """
        if k < 2:
            raise LibraryError(f"k is {k}; a playlist has its first and its last track, so 2 or more.")
        tree, ends = _filter(where), []
        for path in (_path(first), _path(last)):
            row = next(iter(self.store.scan(path)), None)
            if row is None:
                raise LibraryError(f"{printable(path)} is not in the library; add it with: kobza index PATH")
            ends.append((row[0], normalised_mean(row[3])))
        if ends[0][0].path == ends[1][0].path:
            raise LibraryError(f"{printable(ends[0][0].path)} is both the first and the last track; name two.")
        return smooth_order(*ends, k, lambda vector, n: self.store.search(vector, n, where=tree), self._heard)

    def _heard(self, track: Track, moment: float | None = None) -> np.ndarray | None:
        """The vector of a track or of one of its windows; None if it was deleted a moment ago."""
        for _, _, starts, vectors in self.store.scan(track.path):
            return normalised_mean(vectors) if moment not in starts else vectors[starts.index(moment)]
        return None

    def _heard_at(self, path: str) -> np.ndarray:
        """The vector of a recording, of the library or not."""
        for _, _, _, vectors in self.store.scan(path):
            return normalised_mean(vectors)
        self._refuse_others()
        return normalised_mean(np.stack([vector for _, _, vector in self._windows_at(path, 0.0, np.inf)]))

    def _windows_at(self, path: str, start: float, end: float, progress: Callable | None = None) -> list[tuple]:
        """(start, end, vector) of each window of a recording that touches the part: from the store or from the disc."""
        for track, _, starts, vectors in self.store.scan(path):
            self._refuse_others()
            ends = [min(at + self.model.window_seconds, max(track.duration, at)) for at in starts]
            rows = zip(starts, ends, vectors, strict=True)
            return [row for row in rows if row[0] < end and row[1] > start]
        found, failed = find_recordings(path)
        if failed or path not in found:
            raise LibraryError(failed[0].reason if failed else f"{printable(path)} is a folder; name a recording.")
        seconds = read_tags(path).seconds

        def passed(at: float) -> None:
            if progress is not None:
                progress(Progress(0, 1, min(1.0, at / seconds) if seconds else 0.0, path))

        try:
            return list(embed_part(path, self.model, start, end, passed))
        except AudioError as error:
            raise LibraryError(str(error)) from error
        except ValueError as error:
            raise LibraryError(f"{printable(path)} cannot be embedded: {error}") from error


def _filter(where: Where) -> Filter | None:
    return parse_filter(where) if isinstance(where, str) else where


def _path(track: Track | PathLike) -> str:
    return track.path if isinstance(track, Track) else absolute(track)


def _check(k: int, by: str) -> None:
    if k < 1:
        raise LibraryError(f"k is {k}; ask for 1 track or more.")
    if by not in get_args(By):
        raise LibraryError(f"by is {by!r}; tracks are ranked by one of: {', '.join(get_args(By))}.")
