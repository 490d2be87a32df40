"""Descriptions as vectors: how they are read, embedded and scored."""

from functools import cached_property
from typing import NamedTuple

import numpy as np

from kobza.embedding.embedder import EnglishEmbedder
from kobza.embedding.multilingual import Multilingual, is_installed
from kobza.library.calibration import LEAST_FAMILIARITY, ScoreCalibration, ScoreScale, calibrate, score_scale
from kobza.library.search.interpretation import Interpretation, LanguageSupport, Vocabulary, interpret
from kobza.library.search.query import QueryTerm, compose_changes, compose_query, positive_mean
from kobza.library.search.recordings import Recordings


class EmbeddedQuery(NamedTuple):
    """A description's vector (dim,), its scale of scores, and the vector (dim,) of its positive terms alone."""

    vector: np.ndarray
    scale: ScoreScale
    positive: np.ndarray


class Queries(Recordings):
    """What all searches with a description share."""

    @cached_property
    def calibration(self) -> ScoreCalibration:
        """What descriptions score in general, with the library's model."""
        return calibrate(self.text_embedder)

    @cached_property
    def _languages(self) -> Multilingual | None:
        """What embeds descriptions in other languages than English; None without the extra `kobza[languages]`."""
        return Multilingual.for_embedder(self.text_embedder)

    def interpret(self, text: str, changes: bool = False) -> Interpretation:
        """How a description is read: its terms, and what is to be said to whoever typed it (`notes`).

        Args:
            changes: it says what should change in a track, as in `similar(but=...)`.

        Raises:
            LibraryError: it is empty or not written as the query language says.
        """
        embedder = self.text_embedder
        knows_word = embedder.knows_word if isinstance(embedder, EnglishEmbedder) else None
        find = self.store.match_words if self.store.has_words else lambda words: []
        return interpret(text, Vocabulary(knows_word, find, self._language_support), changes)

    def _language_support(self) -> LanguageSupport:
        if self._languages is not None:
            return "ready"
        return "none" if is_installed() else "not installed"

    def _embed_terms(self, terms: list[QueryTerm]) -> np.ndarray:
        texts = [term.text for term in terms]
        if any(term.foreign for term in terms) and self._languages is not None:
            return self._languages.embed_text(texts)
        return self.text_embedder.embed_text(texts)

    def _changed(self, vector: np.ndarray, but: str) -> np.ndarray:
        """The vector (dim,) of a recording, changed as a description says: "calmer, no drums"."""
        changes = self.interpret(but, changes=True).terms
        return compose_changes(changes, self._embed_terms(changes), self.calibration, vector)

    def _embedded(self, query: Interpretation, tracks: np.ndarray) -> EmbeddedQuery:
        """A description's vector, and its scale of scores among `tracks` (n, dim)."""
        vectors = self._embed_terms(query.terms)
        vector = compose_query(query.terms, vectors, self.calibration, tracks)
        positive = positive_mean(query.terms, vectors)
        are_positive = [i for i, term in enumerate(query.terms) if term.weight > 0]
        unfamiliarity = float(self.calibration.unfamiliarity(vectors[are_positive]).mean())
        if not query.understood:
            unfamiliarity = LEAST_FAMILIARITY  # whatever the model makes of it, its scores mean nothing
        scale = score_scale(self.calibration, vector, positive, unfamiliarity, tracks)
        return EmbeddedQuery(vector, scale, positive)
