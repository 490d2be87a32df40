"""Sound and words together: one score for each track, on the scale of `calibration`.

Words in tags are evidence beside the sound, and evidence adds up as logarithms of odds (naive Bayes). A word w of the
query that stands in the tags of a fraction f(w) of all tracks, and of a fraction p of those that are wanted, is worth

    ln(p / f(w)) / NATS_PER_SCORE

in units of the score: rare words say more, and a word that every track has says nothing. Then, for a track,

    tags  = the sum over the words in its genre, or, if that is more, over all its words times the fraction of the query
            that they make up (one common word of a long description in a title is no more than chance)
    score = tags + max(sound, NAME_SCORE times that fraction)

A query that is a name ("Nina Simone") says nothing of the sound, so a track whose tags have all of it is a fair match
before its words are counted, whatever it sounds like; "piano by Nina Simone" is decided by both. Of "-live", the word
is no evidence; a track whose genre or names say it loses EXCLUDED_SCORE, and half of that if its comment does.

`benchmarks/hybrid_search.py` measures what it brings.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from kobza.library.calibration import ScoreScale
from kobza.library.records import Adjustments, WordMatch

HIT_RATE = 0.7  # p: tags are missing or wrong in the rest
NATS_PER_SCORE = 2.5
NAME_SCORE = 2.0  # called fair, so that a name with a word of some worth is a strong match
EXCLUDED_SCORE = 3.0
# A library is too small to say how rare a word is: it counts as part of one with so many more tracks, without the word.
OTHER_TRACKS = 100
# How much of an exact match's evidence others are; and of a match in each group of fields.
KIND_WEIGHTS = {"exact": 1.0, "prefix": 0.7, "near": 0.6}
GROUP_WEIGHTS = {"name": 1.0, "genre": 1.0, "path": 0.8, "comment": 0.5}
MAX_PATH_FRACTION = 0.5  # a word in more paths is of the folder that all music is in


class TagEvidence(NamedTuple):
    """What tags and paths say for the tracks `track_ids` (n,) int64, in ascending order.

    Attributes:
        tags: (n,) the evidence in units of the score; negative where an excluded word stands.
        coverage: (n,) the fraction of the query that stands in them, 0..1.
    """

    track_ids: np.ndarray
    tags: np.ndarray
    coverage: np.ndarray


def word_value(tracks: int, library: int) -> float:
    """What it is worth that a word which `tracks` of a library have stands in a track's tags.

    >>> round(word_value(20, 100_000), 2), round(word_value(60_000, 100_000), 2)
    (3.25, 0.06)
    """
    return max(0.0, float(np.log(HIT_RATE * (library + OTHER_TRACKS) / (tracks + 1)))) / NATS_PER_SCORE


def tag_evidence(
    words: Sequence[str],
    matches: Sequence[WordMatch],
    excluded: Sequence[WordMatch],
    library: int,
    named: Sequence[WordMatch] = (),
) -> TagEvidence:
    """The evidence of matches of `words`, and of those of negative terms, in a library of so many tracks.

    Args:
        named: where the whole description stands as a phrase. What it has besides `words`, such as the "song" of
            "Song 2", tells apart the tracks that have all of these.
    """
    counting = [match for match in matches if _counts(match, library)]
    denied = [match for match in excluded if match.group != "path" and match.kind == "exact"]
    ids = [match.track_ids for match in (*counting, *denied)]
    mentioned = np.zeros(1 + max((int(some[-1]) for some in ids), default=-1), bool)
    for some in ids:
        mentioned[some] = True
    track_ids = np.flatnonzero(mentioned)
    row_of = np.cumsum(mentioned) - 1  # of each track id
    total = np.zeros(len(track_ids))
    genre = np.zeros(len(track_ids))
    whole = 0.0  # what the whole query would be worth
    for word in dict.fromkeys(words):
        best = {"genre": np.zeros(len(track_ids)), "other": np.zeros(len(track_ids))}
        worth = 0.0
        for match in (match for match in counting if match.word == word):
            value = word_value(len(match.track_ids), library) * KIND_WEIGHTS[match.kind] * GROUP_WEIGHTS[match.group]
            values = best["genre" if match.group == "genre" else "other"]
            rows = row_of[match.track_ids]
            values[rows] = np.maximum(values[rows], value)
            # A comment tells of the music and is not its name: a query that is all in it still goes by the sound.
            worth = max(worth, value / GROUP_WEIGHTS["comment"] if match.group == "comment" else value)
        genre += best["genre"]
        total += np.maximum(best["genre"], best["other"])
        # A word that nearly every track has tells nothing; one that none has was asked for all the same.
        whole += worth if any(match.word == word for match in matches) else word_value(0, library)
    for match in named:
        if match.group == "name" and match.kind == "exact":
            rows = row_of[np.intersect1d(match.track_ids, track_ids)]
            total[rows] += word_value(len(match.track_ids), library)
    coverage = np.minimum(1.0, total / whole) if whole else np.zeros(len(track_ids))
    tags = np.maximum(genre, total * coverage)
    for match in denied:
        tags[row_of[match.track_ids]] -= EXCLUDED_SCORE * GROUP_WEIGHTS[match.group]
    return TagEvidence(track_ids, tags, coverage)


def _counts(match: WordMatch, library: int) -> bool:
    if not word_value(len(match.track_ids), library):
        return False
    return match.group != "path" or len(match.track_ids) <= MAX_PATH_FRACTION * library


def to_adjustments(evidence: TagEvidence, scale: ScoreScale, sound: bool) -> Adjustments:
    """The evidence in cosines, for `Store.search`. Without `sound` the score is that of the tags alone."""
    floors = NAME_SCORE * evidence.coverage
    if sound:
        floor_cosines = np.where(evidence.coverage > 0, scale.cosines(floors), -np.inf)
        return Adjustments(evidence.track_ids, evidence.tags * scale.unit, floor_cosines)
    found = (evidence.tags > 0) & (evidence.coverage > 0)
    cosines = scale.cosines(evidence.tags + floors)[found]
    # No cosine is above the floor of 2, so it does not count.
    return Adjustments(evidence.track_ids[found], cosines - 2.0, np.full(len(cosines), 2.0), only=True)
