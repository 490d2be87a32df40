"""The query language: what to include, exclude and weight in a description, and one vector for all of it.

    slow sad piano              one term: the whole sentence
    piano -drums                piano without drums; -"string quartet" or -(string quartet) for several words
    piano^2 -drums^0.5          weights; "sad strings"^2 or (sad strings)^2 for several words

Only a word or phrase with a leading minus or a weight becomes a term of its own. A minus within a word (hip-hop, lo-fi)
is part of the word.

Terms are combined as vectors, because to a text model "piano without drums" is close to piano and to drums. Let t be
the vector of a term, m and C the mean and covariance of the vectors of many general descriptions (`calibration`), and
d(t) = (C + ridge)^-1 (t - m), normalized: what distinguishes t from other descriptions. For each negative term, the
part of its d(t) that is orthogonal to that of the positive ones is subtracted, so that what the two have in common
stays: Rocchio's query (1971) with whitened, orthogonalized terms. How much is subtracted is measured in the library:
the cosines of all tracks with it are to vary by NEGATIVE_STEP of what those with the positive terms do.
`benchmarks/query_quality.py` measures the effect; `wanted` has a second condition on what such a query finds.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from kobza.library.calibration import MIN_SAMPLE_TRACKS, ScoreCalibration
from kobza.library.records import LibraryError

# Chosen on synthetic pieces of other seeds than those that query_quality.py reports, and on recordings with captions.
RIDGE_FACTOR = 3.0  # ridge in units of the covariance's largest eigenvalue
NEGATIVE_STEP = 0.8
# For changes relative to a track. Larger, because recordings are farther from sentences than sentences from each other.
CHANGE_STEP = 1.5
UNWANTED_STEP = 0.4  # for recordings to avoid; smaller, because recordings are close to each other
MAX_WEIGHT = 100.0
MIN_NORM = 1e-12  # avoids division by zero
MIN_ORTHOGONAL_NORM = 1e-3  # below it a term has the same direction as the query that it should change

PHRASE = r'"[^"]*"|\([^()]*\)|[^\s"()^-][^\s"()^]*'  # in quotes or brackets, or a word without a leading minus
TERM = re.compile(rf"(?<!\S)(?P<minus>-)?(?P<phrase>{PHRASE})(?:\^(?P<weight>\d*\.?\d+))?(?!\S)")


@dataclass(frozen=True)
class QueryTerm:
    """A text to search for; with a negative weight, to avoid. `foreign`: it is not English."""

    text: str
    weight: float = 1.0
    foreign: bool = False


def parse_query(text: str) -> tuple[str, list[QueryTerm]]:
    """What remains of a description without its marked terms, and those.

    >>> parse_query("slow piano -drums^0.5")
    ('slow piano', [QueryTerm(text='drums', weight=-0.5, foreign=False)])

    Raises:
        LibraryError: an empty description or term, a weight out of range, or a phrase that is not closed.
    """
    terms: list[QueryTerm] = []

    def take_marked(match: re.Match[str]) -> str:
        if not match["minus"] and match["weight"] is None:
            return match[0]
        phrase = match["phrase"].strip('"(),; ')
        weight = float(match["weight"] or 1)
        if not phrase:
            raise LibraryError(
                f'"{match[0]}" is an empty term; write what to include or exclude, such as -drums.',
                "query_term_empty",
                term=match[0],
            )
        if not 0 < weight <= MAX_WEIGHT:
            raise LibraryError(
                f'The weight in "{match[0]}" must be above 0 and at most {MAX_WEIGHT:g}, as in piano^2.',
                "query_weight",
                term=match[0],
                most=MAX_WEIGHT,
            )
        terms.append(QueryTerm(phrase, -weight if match["minus"] else weight))
        return " "

    sentence = " ".join(TERM.sub(take_marked, text).split())
    if unclosed := re.search(r'(?<!\S)-["(]', sentence):
        raise LibraryError(
            f'The phrase after {unclosed[0]} is not closed; write, for example, -"string quartet".',
            "query_open",
            start=unclosed[0],
        )
    if not sentence and not terms:
        raise LibraryError(
            'The description is empty; describe what to search for, for example "slow sad piano".', "query_empty"
        )
    return sentence, terms


def normalized(vector: np.ndarray) -> np.ndarray:
    """(dim,) -> (dim,), unit length."""
    unit: np.ndarray = vector / max(float(np.linalg.norm(vector)), MIN_NORM)
    return unit


def positive_mean(terms: list[QueryTerm], vectors: np.ndarray) -> np.ndarray:
    """(terms, dim) -> (dim,): the normalized weighted mean of the terms with a positive weight."""
    positive_weights = np.array([max(term.weight, 0.0) for term in terms], dtype=vectors.dtype)
    return normalized(positive_weights @ vectors)


def whitened_direction(vector: np.ndarray, calibration: ScoreCalibration) -> np.ndarray:
    """What distinguishes a description's vector t from others: (C + ridge)^-1 (t - m), normalized."""
    ridge = RIDGE_FACTOR * np.linalg.eigvalsh(calibration.covariance)[-1] * np.eye(len(vector))
    return normalized(np.linalg.solve(calibration.covariance + ridge, vector - calibration.mean))


def combine_examples(wanted: Sequence[np.ndarray], unwanted: Sequence[np.ndarray]) -> np.ndarray:
    """One query vector (dim,), unit length, from recordings' vectors: the mean of the wanted ones, without what each
    unwanted one has that they have not."""
    start = normalized(np.sum(list(wanted), axis=0))
    query = start
    for vector in unwanted:
        query = query - UNWANTED_STEP * normalized(vector - (vector @ start) * start)
    return normalized(query)


def compose_query(
    terms: list[QueryTerm], vectors: np.ndarray, calibration: ScoreCalibration, tracks: np.ndarray | None = None
) -> np.ndarray:
    """One query vector (dim,), unit length, from terms and the vectors of their texts (terms, dim).

    Args:
        tracks: (n, dim), a sample of the library that is searched.

    Raises:
        LibraryError: no term is positive, or one is included and excluded at once.
    """
    pairs = list(zip(terms, vectors, strict=True))
    positive = [(term, vector) for term, vector in pairs if term.weight > 0]
    negative = [(term, vector) for term, vector in pairs if term.weight < 0]
    if not positive:
        raise LibraryError(
            'The description only says what to exclude; add what to search for, for example "piano -drums".',
            "query_excludes_only",
        )
    start = positive_mean(terms, vectors)
    if not negative:
        return start
    axis = normalized(np.sum([term.weight * whitened_direction(vector, calibration) for term, vector in positive], 0))
    query = start.copy()
    for term, vector in negative:
        direction = _orthogonal_direction(term, vector, axis, calibration)
        query = query + NEGATIVE_STEP * _relative_spread(start, direction, tracks) * term.weight * direction
    return normalized(query)


def compose_changes(
    terms: list[QueryTerm], vectors: np.ndarray, calibration: ScoreCalibration, track: np.ndarray
) -> np.ndarray:
    """One query vector (dim,), unit length, from that of a recording and terms that say what should change in it.

    Raises:
        LibraryError: a term has the direction of the recording itself.
    """
    query = track.copy()
    for term, vector in zip(terms, vectors, strict=True):
        query = query + CHANGE_STEP * term.weight * _orthogonal_direction(term, vector, track, calibration)
    return normalized(query)


def _orthogonal_direction(
    term: QueryTerm, vector: np.ndarray, axis: np.ndarray, calibration: ScoreCalibration
) -> np.ndarray:
    """(dim,), unit length: what distinguishes a term from other descriptions and is not along `axis`."""
    direction = whitened_direction(vector, calibration)
    orthogonal = direction - (direction @ axis) * axis
    if np.linalg.norm(orthogonal) < MIN_ORTHOGONAL_NORM:
        raise LibraryError(f'"{term.text}" is both included and excluded; remove one of the two.')
    return normalized(orthogonal)


def _relative_spread(start: np.ndarray, direction: np.ndarray, tracks: np.ndarray | None) -> float:
    """By how much more the cosines of a library vary along `start` than along `direction`; 1 in a small library."""
    if tracks is None or len(tracks) < MIN_SAMPLE_TRACKS:
        return 1.0
    return float((tracks @ start).std() / max(float((tracks @ direction).std()), MIN_NORM))
