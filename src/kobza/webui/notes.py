"""What is to be said of an answer besides its hits. The page has its own sentence for each code; `text` is English."""

from collections.abc import Sequence

from kobza.library import Hit, MusicLibrary
from kobza.library.filters.tree import Filter
from kobza.library.search.formats import no_good_match
from kobza.library.search.interpretation import Interpretation

Note = dict[str, str]


def query_notes(query: Interpretation) -> list[Note]:
    """How a description was read, where that is not as it stands; what it denies is shown as its terms.

    >>> from kobza.library.search.interpretation import QueryNote
    >>> query_notes(Interpretation([], (QueryNote("corrected", ("gutar", "guitar")),)))[0]["to"]
    'guitar'
    """
    return [
        {"code": note.kind, "text": str(note), "from": note.values[0], "to": note.values[-1]}
        for note in query.notes
        if note.kind != "unwanted"
    ]


def match_note(hits: Sequence[Hit]) -> list[Note]:
    """Of hits of a description: whether none of them is a good match."""
    return [{"code": "no_good_match", "text": "No track is a good match."}] if no_good_match(hits) else []


def filter_notes(library: MusicLibrary, where: Filter | None, hits: Sequence[Hit]) -> list[Note]:
    """A sentence for each value of the filter that no track has."""
    sentences = library.unknown_values(where, [hit.track for hit in hits])
    return [{"code": "unknown_value", "text": sentence} for sentence in sentences]
