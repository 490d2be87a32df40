"""Why a track was found, in words."""

from kobza.library.calibration import match_label
from kobza.library.records import FoundWord, Hit
from kobza.library.search.columns import clock


def explanation(hit: Hit) -> str:
    """A sentence for a hit of a description.

    >>> from kobza.library.records import Track
    >>> words = (FoundWord("jaz", "genre", "jazz"), FoundWord("simone", "artist", "simone"))
    >>> explanation(Hit(4.1, Track("/a.mp3", title="Sinnerman"), 70.0, 4.1, 1.9, words))
    'Sinnerman: jaz (jazz) in genre, simone in artist; the sound is a fair match (1.9), best from 1:10; in all 4.1'
    """
    parts = []
    if hit.words:
        parts.append(", ".join(map(_word_and_field, hit.words)))
    else:
        parts.append("no word of the query in its tags")
    if hit.sound is not None:
        label = match_label(hit.sound)
        match = "no match" if label == "none" else f"a {label} match"
        parts.append(f"the sound is {match} ({hit.sound:.1f}), best from {clock(hit.moment)}")
    parts.append(f"in all {hit.score:.1f}")
    return f"{hit.track.title}: {'; '.join(parts)}"


def _word_and_field(found: FoundWord) -> str:
    as_term = "" if found.term == found.word else f" ({found.term})"
    return f"{found.word}{as_term} in {found.field.replace('_', ' ')}"
