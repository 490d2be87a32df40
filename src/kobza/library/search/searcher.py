"""Searching a library: by description, by example, within a recording, and for a playlist between two tracks."""

import json
import os
from abc import ABC, abstractmethod
from collections.abc import Callable
from functools import cached_property
from typing import Literal, get_args

import numpy as np

from kobza.audio import AudioError, printable
from kobza.embedding.embedder import EmbeddedWindow, Embedder, TextEmbedder, embed_recording, normalized_mean
from kobza.library.calibration import ScoreCalibration, calibrate
from kobza.library.filters.parser import parse_filter
from kobza.library.filters.tree import Filter
from kobza.library.ingest.embed import Progress
from kobza.library.ingest.listing import find_recordings
from kobza.library.ingest.tags import read_tags
from kobza.library.paths import absolute, shell_word
from kobza.library.records import Hit, LibraryError, Track
from kobza.library.search.moments import Moment, MomentScores
from kobza.library.search.playlists import smooth_order
from kobza.library.search.query import QueryTerm, compose_query, parse_query, positive_mean
from kobza.library.stores.base import Store

PathLike = str | os.PathLike[str]
By = Literal["track", "moment"]
Where = str | Filter | None


class Searcher(ABC):
    """The searches of a `MusicLibrary`, which has the store and the models.

    In every method `where` is a filter, as text ("year >= 1980 and genre in (jazz, blues)") or as a tree, and `by`
    ranks tracks as a whole or by their best moment.
    """

    store: Store

    @property
    @abstractmethod
    def embedder(self) -> Embedder: ...

    @property
    @abstractmethod
    def text_embedder(self) -> TextEmbedder: ...

    @abstractmethod
    def _load_embedder(self, progress: Callable[[Progress], None] | None) -> Embedder: ...

    @abstractmethod
    def _check_fingerprint(self, embedder: TextEmbedder) -> None:
        """Raises LibraryError if the library's vectors cannot be compared with those of this model."""

    @cached_property
    def calibration(self) -> ScoreCalibration:
        """What descriptions score in general, with the library's model."""
        return calibrate(self.text_embedder)

    def search(self, text: str, k: int = 10, where: Where = None, by: By = "track") -> list[Hit]:
        """The k tracks that match a description best, best first.

        The description may have terms to exclude or weight, such as "piano -drums" and "(slow strings)^2 piano"; see
        `query`. A hit's z-score is that of the positive terms alone: of the track, or with by="moment" of the moment.

        Raises:
            LibraryError: an empty description, k below 1, an invalid filter, or vectors of another model.
        """
        terms, tree = parse_query(text), _filter(where)
        _check(k, by)
        if not len(self.store):
            return []
        self._check_fingerprint(self.text_embedder)
        vectors = self._embed_terms(terms)
        query = compose_query(terms, vectors, self.calibration)
        positive = positive_mean(terms, vectors)
        hits = []
        for score, track, moment in self.store.search(query, k, where=tree, by=by):
            vector = self._stored_vector(track.path, moment if by == "moment" else None)
            z_score = None if vector is None else float(self.calibration.z_scores(positive, vector[None])[0])
            hits.append(Hit(score, track, moment, z_score))
        return hits

    def similar(
        self, track: Track | PathLike, k: int = 10, where: Where = None, by: By = "track", but: str | None = None
    ) -> list[Hit]:
        """The k tracks most similar to `track`, best first: a track of the library or any recording; without itself.

        Args:
            but: changes relative to the track, in the query language: "calmer", "-drums", "more strings -drums".

        Raises:
            LibraryError: the recording does not exist or cannot be embedded, or an argument is invalid.
        """
        _check(k, by)
        tree, path = _filter(where), _path(track)
        changes = parse_query(but) if but is not None else []
        query = self._vector(path)
        if changes:
            self._check_fingerprint(self.text_embedder)
            query = compose_query(changes, self._embed_terms(changes), self.calibration, query)
        found = self.store.search(query, k + 1, where=tree, by=by)
        return [Hit(*hit) for hit in found if hit[1].path != path][:k]

    def locate(
        self,
        track: Track | PathLike,
        text: str,
        start: float = 0.0,
        end: float | None = None,
        progress: Callable[[Progress], None] | None = None,
    ) -> MomentScores:
        """How well a description matches each window of a recording, of the library or not.

        Args:
            start, end: the part to look at, in seconds.
            progress: called while a recording that the library does not hold is embedded.

        Raises:
            LibraryError: an empty description, an empty part or one beyond the recording's end, or no such recording.
        """
        terms, path = parse_query(text), _path(track)
        until = np.inf if end is None else end
        if start < 0:
            raise LibraryError(f"The start is {start:g} s; it must be 0 or later.")
        if not start < until:
            raise LibraryError(f"The end ({until:g} s) must be later than the start ({start:g} s).")
        vectors = self._embed_terms(terms)
        query = compose_query(terms, vectors, self.calibration)
        windows = self._windows(path, start, until, progress)
        if not windows:
            raise LibraryError(f"{printable(path)} ends before {start:g} s; choose an earlier start.")
        window_vectors = np.stack([window.vector for window in windows])
        scores = (window_vectors @ query).tolist()
        z_scores = self.calibration.z_scores(positive_mean(terms, vectors), window_vectors).tolist()
        rows = zip(windows, scores, z_scores, strict=True)
        return MomentScores(path, tuple(Moment(window.start, window.end, score, z) for window, score, z in rows))

    def playlist(self, first: Track | PathLike, last: Track | PathLike, k: int = 10, where: Where = None) -> list[Hit]:
        """k tracks of the library, or as many as there are, that move gradually from `first` to `last`.

        A hit's score is the cosine with the previous track. `where` filters the tracks between the ends.

        Raises:
            LibraryError: `first` or `last` is not in the library, both are the same track, or k is below 2.
        """
        if k < 2:
            raise LibraryError(f"k is {k}; a playlist needs 2 tracks or more, the first and the last.")
        tree = _filter(where)
        start, end = self._playlist_end(_path(first)), self._playlist_end(_path(last))
        if start[0].path == end[0].path:
            raise LibraryError(f"{printable(start[0].path)} is both the first and the last track; choose two.")
        return smooth_order(
            start,
            end,
            k,
            lambda vector, n: self.store.search(vector, n, where=tree),
            lambda track: self._stored_vector(track.path),
        )

    def _playlist_end(self, path: str) -> tuple[Track, np.ndarray]:
        for track, _, _, vectors in self.store.scan(path):
            return track, normalized_mean(vectors)
        raise LibraryError(f"{printable(path)} is not in the library; add it with: kobza index {shell_word(path)}")

    def _embed_terms(self, terms: list[QueryTerm]) -> np.ndarray:
        return self.text_embedder.embed_text([term.text for term in terms])

    def _stored_vector(self, path: str, moment: float | None = None) -> np.ndarray | None:
        """The vector of a track, or of its window that starts at `moment`; None if the library does not hold it."""
        for _, _, starts, vectors in self.store.scan(path):
            if moment in starts:
                window: np.ndarray = vectors[starts.index(moment)]
                return window
            return normalized_mean(vectors)
        return None

    def _vector(self, path: str) -> np.ndarray:
        """The vector of a recording, of the library or not."""
        stored = self._stored_vector(path)
        if stored is not None:
            return stored
        self._check_fingerprint(self.text_embedder)
        return normalized_mean(np.stack([window.vector for window in self._windows(path, 0.0, np.inf)]))

    def _windows(
        self, path: str, start: float, end: float, progress: Callable[[Progress], None] | None = None
    ) -> list[EmbeddedWindow]:
        """The windows of a recording that overlap [start, end): from the store, or embedded now."""
        for track, _, starts, vectors in self.store.scan(path):
            self._check_fingerprint(self.text_embedder)
            # from the library, because to ask the model it would have to be loaded
            seconds = float(json.loads(self.store.meta["windows"])["window_seconds"])
            ends = [min(at + seconds, max(track.duration, at)) for at in starts]
            windows = map(EmbeddedWindow, starts, ends, vectors)
            return [window for window in windows if window.start < end and window.end > start]
        listing = find_recordings(path)
        if listing.failed:
            raise LibraryError(listing.failed[0].reason)
        if path not in listing.files:
            raise LibraryError(f"{printable(path)} is a folder; name a recording.")
        duration = read_tags(path).seconds

        def report(seconds: float) -> None:
            if progress is not None:
                progress(Progress(0, 1, min(1.0, seconds / duration) if duration else 0.0, path))

        try:
            return list(embed_recording(self._load_embedder(progress), path, start, end, report))
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
        raise LibraryError(f"by is {by!r}; it must be one of: {', '.join(get_args(By))}.")
