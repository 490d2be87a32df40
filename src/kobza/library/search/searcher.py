"""Searching a library: by description, by example, and for a playlist between two tracks."""

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np

from kobza.audio import printable
from kobza.embedding.embedder import normalized_mean
from kobza.library.calibration import SAMPLE_TRACKS, ScoreScale, score_scale
from kobza.library.filters.where import Where, filter_tree
from kobza.library.ingest.embed import Progress
from kobza.library.paths import PathLike, shell_word
from kobza.library.records import Hit, LibraryError, Track, WordMatch
from kobza.library.search.copies import NO_LIMITS, Limits, merge_copies, within_limits, without_copies_of
from kobza.library.search.fusion import tag_evidence, to_adjustments
from kobza.library.search.interpretation import Interpretation
from kobza.library.search.options import By, Match, check_match, check_ranking
from kobza.library.search.playlists import smooth_order
from kobza.library.search.queries import Queries
from kobza.library.search.query import combine_examples, parse_query
from kobza.library.search.recordings import MORE_HITS, Seeds, seed_list
from kobza.library.search.transitions import check_smooth, transition_distance
from kobza.library.search.wanted import Wanted, wanted
from kobza.library.search.words import found_words, name_phrase, query_words

RESCORED_PER_HIT = 4  # of a query with negative terms, which has a second condition


class Searcher(Queries):
    """The searches of a `MusicLibrary`, which has the store and the models.

    In every method `where` is a filter, as text ("year >= 1980 and genre in (jazz, blues)") or as a tree, and `by`
    ranks tracks as a whole or by their best moment.
    """

    def search(
        self,
        text: str | Interpretation,
        k: int = 10,
        where: Where = None,
        by: By = "track",
        match: Match | None = None,
        limits: Limits = NO_LIMITS,
        progress: Callable[[Progress], None] | None = None,
    ) -> list[Hit]:
        """The k tracks that match a description best, best first, copies of a recording as one hit.

        The description may have terms to exclude or weight, such as "piano -drums" and "(slow strings)^2 piano"; see
        `query`. It may say what not to find ("no drums") and have typing errors; `interpret` tells how it was read.
        Its words also count where they stand in tags and paths; see `fusion`.

        Args:
            text: the description, or what `interpret` made of it.
            match: "sound", "tags" or "both"; by default both, where the store can find words.
            limits: how many tracks of one artist or album.
            progress: told of the model's loading, where that takes a while.

        Raises:
            LibraryError: an empty description, k below 1, an invalid filter, or vectors of another model.
        """
        if isinstance(text, str):
            parse_query(text)  # what is wrong with it is said before the model is loaded
        tree = filter_tree(where)
        check_ranking(k, by)
        if match is None:
            match = "both" if self.store.has_words else "sound"
        check_match(match)
        if not len(self.store):
            return []
        self._check_fingerprint(self._load_text_embedder(progress))
        interpretation = self.interpret(text) if isinstance(text, str) else text
        terms = interpretation.terms
        sample = self.store.sample(SAMPLE_TRACKS)
        query, scale, positive = self._embedded(interpretation, sample)
        matches: list[WordMatch] = []
        adjustments = None
        if match != "sound":
            words = query_words(term for term in terms if term.weight > 0)
            matches = self.store.match_words(words)
            excluded = self.store.match_words(query_words(term for term in terms if term.weight < 0))
            phrase = name_phrase(term for term in terms if term.weight > 0)
            named = self.store.match_words([phrase]) if phrase else []
            evidence = tag_evidence(words, matches, excluded, len(self.store), named)
            adjustments = to_adjustments(evidence, scale, sound=match == "both")

        limit = None
        if match != "tags" and any(term.weight < 0 for term in terms):
            unit = score_scale(self.calibration, positive, positive, 0.0, sample).unit
            limit = wanted(positive, unit, sample, k, len(self.store))

        def best(n: int) -> list[Hit]:
            found = self.store.search(query, n if limit is None else n * RESCORED_PER_HIT, tree, by, adjustments)
            hits = [Hit(score := scale.score(cosine), track, moment, score) for cosine, track, moment in found]
            return hits if limit is None else self._rescored(hits, limit, matches, by)[:n]

        hits = self._selected(best, k, limits)
        if match == "sound":
            return [replace(hit, sound=hit.score) for hit in hits]
        hits = [replace(hit, words=found_words(hit.track, matches)) for hit in hits]
        return self._with_sound(hits, query, scale, by) if match == "both" else hits

    def _rescored(self, hits: list[Hit], limit: Wanted, matches: list[WordMatch], by: By) -> list[Hit]:
        """The hits of a query with negative terms by the second condition, too; tracks with a word of it meet that."""
        rescored = []
        cosines = self._cosines(hits, limit.vector, by)
        for hit in hits:
            cosine = cosines.get(hit.track.path)
            if cosine is not None and not found_words(hit.track, matches):
                score = hit.score - float(limit.penalty(np.array(cosine)))
                hit = replace(hit, score=score, z_score=score)
            rescored.append(hit)
        return sorted(rescored, key=lambda hit: -hit.score)

    def _cosines(self, hits: Sequence[Hit], vector: np.ndarray, by: By) -> dict[str, float]:
        """Of the hits' sounds with a vector (dim,), by path; without tracks that were deleted meanwhile."""
        stored = self.store.scan([hit.track.path for hit in hits]) if hits else ()
        return {
            track.path: float((vectors @ vector).max() if by == "moment" else normalized_mean(vectors) @ vector)
            for track, _, _, vectors in stored
        }

    def _with_sound(self, hits: Sequence[Hit], query: np.ndarray, scale: ScoreScale, by: By) -> list[Hit]:
        """The hits with the scores of their sounds alone."""
        scores = {path: scale.score(cosine) for path, cosine in self._cosines(hits, query, by).items()}
        return [replace(hit, sound=scores.get(hit.track.path)) for hit in hits]

    def similar(
        self,
        track: Seeds,
        k: int = 10,
        where: Where = None,
        by: By = "track",
        but: str | None = None,
        minus: Seeds = (),
        limits: Limits = NO_LIMITS,
        progress: Callable[[Progress], None] | None = None,
    ) -> list[Hit]:
        """The k tracks most similar to `track`, best first, without itself and its copies; copies are one hit.

        Args:
            track: a track of the library (its path, a part of it or the title, see `seeds`), any recording, or several.
            but: changes relative to the track, in the query language: "calmer", "-drums", "more strings -drums".
            minus: tracks that the results should not sound like.
            progress: called while the model is loaded, and recordings that the library does not hold are embedded.

        Raises:
            LibraryError: a recording does not exist or cannot be embedded, a name fits several tracks, or an argument
                is invalid.
        """
        check_ranking(k, by)
        tree = filter_tree(where)
        if but is not None:
            parse_query(but)  # what is wrong with it is said before the model is loaded
        seeds = [self._seed(one, progress) for one in seed_list(track)]
        unwanted = [self._seed(one, progress) for one in seed_list(minus)]
        if not seeds:
            raise LibraryError("Name a track that the results should sound like.")
        query = combine_examples([one.vector for _, one in seeds], [one.vector for _, one in unwanted])
        if but is not None:
            self._check_fingerprint(self._load_text_embedder(progress))
            query = self._changed(query, but)
        paths = {path for path, _ in (*seeds, *unwanted)}

        def best(n: int) -> list[Hit]:
            hits = [Hit(*found) for found in self.store.search(query, n, where=tree, by=by)]
            others = [hit for hit in hits if hit.track.path not in paths]
            return without_copies_of([one for _, one in seeds], others, self._recordings)

        return self._selected(best, k, limits, len(paths))

    def _selected(self, best: Callable[[int], list[Hit]], k: int, limits: Limits, omitted: int = 0) -> list[Hit]:
        """The first k of the best hits when copies are one and the limits hold.

        Args:
            best: n -> the n best hits, or fewer where the library has no more or some are left out.
        """
        n = 2 * k + MORE_HITS + omitted
        most = len(self.store)
        while True:
            selected = within_limits(merge_copies(best(n), self._recordings), limits)
            if len(selected) >= k or n >= most:
                return selected[:k]
            n *= 4

    def playlist(
        self,
        first: Track | PathLike,
        last: Track | PathLike,
        k: int = 10,
        where: Where = None,
        smooth: Sequence[str] = (),
    ) -> list[Hit]:
        """k recordings of the library, or as many as there are, that move gradually from `first` to `last`.

        A hit's score is the cosine with the previous track. `where` filters the tracks between the ends.

        Args:
            smooth: what must change little from track to track besides the sound: "tempo", "key" (`transitions`).

        Raises:
            LibraryError: `first` or `last` is not in the library, both are the same track, k is below 2, or `smooth`
                has another name.
        """
        if k < 2:
            raise LibraryError(f"k is {k}; a playlist needs 2 tracks or more, the first and the last.")
        check_smooth(smooth)
        tree = filter_tree(where)
        start, end = self._playlist_end(first), self._playlist_end(last)
        if start[0].path == end[0].path:
            raise LibraryError(f"{printable(start[0].path)} is both the first and the last track; choose two.")
        return smooth_order(
            start,
            end,
            k,
            self._other_recordings(tree),
            lambda track: self._stored_vector(track.path),
            (lambda a, b: transition_distance(a, b, smooth)) if smooth else None,
        )

    def _playlist_end(self, name: Track | PathLike) -> tuple[Track, np.ndarray]:
        path = self._path_of(name)
        for track, _, _, vectors in self.store.scan(path):
            return track, normalized_mean(vectors)
        raise LibraryError(f"{printable(path)} is not in the library; add it with: kobza index {shell_word(path)}")
