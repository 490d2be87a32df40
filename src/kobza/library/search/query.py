"""Wishes: a description as people type it, taken apart, and its parts' vectors put together into one.

    slow sad piano              one wish: the sentence as it is
    piano -drums                with piano, without drums; -"string quartet" or -(string quartet) for several words
    piano^2 -drums^0.5          weights; "sad strings"^2 or (sad strings)^2 for several words

Only what bears a minus or a weight is taken out of the sentence; a minus within a word (hip-hop, lo-fi) belongs to it.

Vectors are combined, not strings: a text model hears "piano without drums" as piano and drums. Let t be the vector of a
wish, m and C mean and covariance of the vectors of many general descriptions (`strength.py`), and d(t) the direction
(C + ridge)^-1 (t - m) of unit length: what sets t apart from what descriptions have in common. From the direction of
what is wanted, UNWANTED times the part of each unwanted direction that is orthogonal to it is subtracted, so that
what the two have in common stays (Rocchio's query, 1971, with whitened and orthogonal terms). Measured in `measure.py`.
"""

import re
from dataclasses import dataclass

import numpy as np

from kobza.library.calibration import Spread
from kobza.library.records import LibraryError

RIDGE = 3.0  # of the covariance's largest eigenvalue; chosen with UNWANTED on pieces of other seeds than the figures
UNWANTED = 0.8
CHANGE = 1.5  # how far a track is moved by what should be different: recordings lie closer together than sentences

WHAT = r'"[^"]*"|\([^()]*\)|[^\s"()^-][^\s"()^]*'  # a phrase, or a word, which begins with no minus
TERM = re.compile(rf"(?<!\S)(?P<minus>-)?(?P<what>{WHAT})(?:\^(?P<weight>\d*\.?\d+))?(?!\S)")


@dataclass(frozen=True)
class Wish:
    """What should be heard, or with a negative weight should not."""

    text: str
    weight: float = 1.0


def parse_wishes(text: str) -> list[Wish]:
    """The wishes in a description: the sentence that is left when all marked parts are taken out comes first.

    Raises:
        LibraryError: nothing in it, a weight of 0, or a phrase that is not closed.
    """
    marked: list[Wish] = []

    def take(term: re.Match) -> str:
        if not term["minus"] and term["weight"] is None:
            return term.group()
        what, weight = term["what"].strip('"(),; '), float(term["weight"] or 1)
        if not what:
            raise LibraryError(f'There is nothing in "{term.group()}"; write what is wanted or not, like -drums.')
        if not 0 < weight <= 100:
            raise LibraryError(f'The weight in "{term.group()}" must lie above 0, and be 100 at most, as in piano^2.')
        marked.append(Wish(what, -weight if term["minus"] else weight))
        return " "

    sentence = " ".join(TERM.sub(take, text).split())
    if unclosed := re.search(r'(?<!\S)-["(]', sentence):
        raise LibraryError(f'A phrase is not closed after {unclosed.group()}; write -"string quartet".')
    wishes = [Wish(sentence)] * bool(sentence) + marked
    if not wishes:
        raise LibraryError('The description is empty; say what you look for, like "slow sad piano".')
    return wishes


def unit(vector: np.ndarray) -> np.ndarray:
    return vector / max(float(np.linalg.norm(vector)), 1e-12)


def wanted(wishes: list[Wish], vectors: np.ndarray) -> np.ndarray:
    """(wishes, dim) -> (dim,): the weighted mean of what is wanted, of unit length."""
    return unit(sum(wish.weight * vector for wish, vector in zip(wishes, vectors, strict=True) if wish.weight > 0))


def direction(vector: np.ndarray, spread: Spread) -> np.ndarray:
    """What sets a description apart from others: (C + ridge)^-1 (t - m), of unit length."""
    ridge = RIDGE * np.linalg.eigvalsh(spread.covariance)[-1] * np.eye(len(vector))
    return unit(np.linalg.solve(spread.covariance + ridge, vector - spread.mean))


def compose(wishes: list[Wish], vectors: np.ndarray, spread: Spread, track: np.ndarray | None = None) -> np.ndarray:
    """One query (dim,) of unit length out of wishes and their texts' vectors (wishes, dim).

    Args:
        track: (dim,), a recording's vector; then the wishes are what should be different.

    Raises:
        LibraryError: nothing is wanted, or the same is wanted and not wanted.
    """
    pairs = list(zip(wishes, vectors, strict=True))
    if track is not None:
        start, changes, step = track, pairs, CHANGE
    else:
        liked = [(wish, vector) for wish, vector in pairs if wish.weight > 0]
        changes = [(wish, vector) for wish, vector in pairs if wish.weight < 0]
        if not liked:
            raise LibraryError('Nothing is wanted, only unwanted; say first what you look for, like "piano -drums".')
        if not changes:
            return wanted(wishes, vectors)
        start = unit(sum(wish.weight * direction(vector, spread) for wish, vector in liked))
        step = UNWANTED
    query = start.copy()
    for wish, vector in changes:
        towards = direction(vector, spread)
        across = towards - (towards @ start) * start
        if np.linalg.norm(across) < 1e-3:
            raise LibraryError(f'"{wish.text}" is wanted and unwanted at once; leave one of the two out.')
        query = query + step * wish.weight * unit(across)
    return unit(query)
