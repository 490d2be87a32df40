"""What is to be said of an answer besides its hits. The page has its own sentence for each code; `text` is English."""

from collections.abc import Sequence

from kobza.library import Hit, MusicLibrary
from kobza.library.filters.tree import Filter
from kobza.library.search.denials import denied_terms, with_exclusions
from kobza.library.search.formats import no_good_match

Note = dict[str, str]


def denial_note(text: str) -> list[Note]:
    """What a model hears in "piano without drums" is piano and drums.

    >>> denial_note("piano without drums")
    [{'code': 'denied', 'text': 'drums', 'query': 'piano -drums'}]
    """
    denied = denied_terms(text)
    return [{"code": "denied", "text": ", ".join(denied), "query": with_exclusions(text)}] if denied else []


def match_note(hits: Sequence[Hit]) -> list[Note]:
    """Of hits of a description: whether none of them is a good match."""
    return [{"code": "no_good_match", "text": "No track is a good match."}] if no_good_match(hits) else []


def filter_notes(library: MusicLibrary, where: Filter | None, hits: Sequence[Hit]) -> list[Note]:
    """A sentence for each value of the filter that no track has."""
    sentences = library.unknown_values(where, [hit.track for hit in hits])
    return [{"code": "unknown_value", "text": sentence} for sentence in sentences]
