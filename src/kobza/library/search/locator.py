"""Searching within recordings: where in them a description fits, or another recording sounds like them."""

from collections.abc import Callable, Iterator, Sequence

import numpy as np

from kobza.audio import printable
from kobza.embedding.embedder import EmbeddedWindow, normalized_mean
from kobza.library.calibration import SAMPLE_TRACKS
from kobza.library.filters.where import Where, filter_tree
from kobza.library.ingest.embed import Progress
from kobza.library.paths import PathLike
from kobza.library.records import Hit, LibraryError, Track
from kobza.library.search.copies import NO_LIMITS, Limits
from kobza.library.search.interpretation import Interpretation
from kobza.library.search.moments import Moment, MomentScores
from kobza.library.search.options import By, check_ranking
from kobza.library.search.query import combine_examples, compose_query, parse_query
from kobza.library.search.recordings import Seeds, seed_list
from kobza.library.search.searcher import Searcher


class Locator(Searcher):
    """The searches of a `MusicLibrary` that look at each window of a recording."""

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
            progress: called while the model is loaded, and a recording that the library does not hold is embedded.

        Raises:
            LibraryError: an empty description, an empty part or one beyond the recording's end, or no such recording.
        """
        parse_query(text)  # what is wrong with it is said before the model is loaded
        path = self._path_of(track)
        until = np.inf if end is None else end
        if start < 0:
            raise LibraryError(f"The start is {start:g} s; it must be 0 or later.")
        if not start < until:
            raise LibraryError(f"The end ({until:g} s) must be later than the start ({start:g} s).")
        self._load_text_embedder(progress)
        query = self.interpret(text)
        # what contradicts itself is said before a long recording is embedded
        compose_query(query.terms, self._embed_terms(query.terms), self.calibration)
        windows = self._windows(path, start, until, progress)
        if not windows:
            raise LibraryError(f"{printable(path)} ends before {start:g} s or is silent there; choose another part.")
        return next(self._moment_scores(query, [(path, windows)]))

    def locate_in_windows(self, windows: Sequence[EmbeddedWindow], text: str) -> MomentScores:
        """`locate` for a recording of these windows (one or more), which the library's model has embedded before.

        Raises:
            LibraryError: an empty description.
        """
        return next(self._moment_scores(self.interpret(text), [("", windows)]))

    def locate_in_tracks(self, tracks: Sequence[Track], text: str) -> list[MomentScores]:
        """`locate` for several tracks of the library; those that are no longer there are left out.

        Raises:
            LibraryError: an empty description.
        """
        query = self.interpret(text)
        stored = [(track.path, self.stored_windows(track)) for track in tracks]
        return list(self._moment_scores(query, [(path, windows) for path, windows in stored if windows]))

    def similar_to_windows(
        self,
        windows: Sequence[EmbeddedWindow],
        k: int = 10,
        where: Where = None,
        by: By = "track",
        but: str | None = None,
        minus: Seeds = (),
        limits: Limits = NO_LIMITS,
    ) -> list[Hit]:
        """`similar` to a recording of these windows (one or more), which the model has embedded before. If the
        library has that recording, it is a hit, too.

        Raises:
            LibraryError: an argument is invalid.
        """
        check_ranking(k, by)
        tree = filter_tree(where)
        unwanted = [self._seed(one) for one in seed_list(minus)]
        example = normalized_mean(np.stack([window.vector for window in windows]))
        query = combine_examples([example], [one.vector for _, one in unwanted])
        if but is not None:
            query = self._changed(query, but)
        paths = {path for path, _ in unwanted}

        def best(n: int) -> list[Hit]:
            hits = [Hit(*found) for found in self.store.search(query, n, where=tree, by=by)]
            return [hit for hit in hits if hit.track.path not in paths]

        return self._selected(best, k, limits, len(paths))

    def _moment_scores(
        self, interpretation: Interpretation, recordings: Sequence[tuple[str, Sequence[EmbeddedWindow]]]
    ) -> Iterator[MomentScores]:
        """The scores of (path, windows); the description is embedded once. Each recording has a window or more."""
        sample = self.store.sample(SAMPLE_TRACKS)
        vectors = [np.stack([window.vector for window in windows]) for _, windows in recordings]
        rows_of_scale = sample if len(sample) or not vectors else np.concatenate(vectors)
        query = self._embedded(interpretation, rows_of_scale)
        for (path, windows), rows in zip(recordings, vectors, strict=True):
            scores = zip(windows, query.scale.scores(rows @ query.vector).tolist(), strict=True)
            yield MomentScores(path, tuple(Moment(window.start, window.end, score, score) for window, score in scores))
