"""The words of a query that may stand in tags and paths, and where they stand in a track's."""

from collections.abc import Iterable, Sequence

from kobza.library.records import WORD_FIELDS, FoundWord, Track, WordMatch
from kobza.library.search.query import QueryTerm
from kobza.library.stores.tag_words import text_words

MAX_WORDS = 16  # of a query, that are looked up
# Words that say how the others belong together, or that a query is about music.
_STOP_WORDS = """
a an and are as at be but by for from i in into is it its like me my no not of on or so some something that the
their this to up very was what when which while who will with without you your
music song songs track tracks tune piece recording sound sounds sounding
в від для до з за і із и к на не о от по про с та у что это как музика музыка пісня песня песні песни
de der die das den dem des ein eine und mit von zu le la les d du et un une el los las y con del il lo gli e di da
"""
STOP_WORDS = frozenset(text_words(_STOP_WORDS))


def query_words(terms: Iterable[QueryTerm]) -> list[str]:
    """The words of these terms that say something; all of them if none does ("The The").

    >>> query_words([QueryTerm("sad piano by Žižka")])
    ['sad', 'piano', 'zizka']
    """
    words = list(dict.fromkeys(word for term in terms for word in text_words(term.text)))
    return ([word for word in words if word not in STOP_WORDS] or words)[:MAX_WORDS]


def name_phrase(terms: Iterable[QueryTerm]) -> str | None:
    """All words of the description in their order, if `query_words` leaves some out: it may be the name "Song 2".

    >>> name_phrase([QueryTerm("Song 2")]), name_phrase([QueryTerm("sad piano")])
    ('song 2', None)
    """
    phrases = [text_words(term.text) for term in terms]
    if len(phrases) != 1 or not 1 < len(phrases[0]) <= MAX_WORDS or STOP_WORDS.isdisjoint(phrases[0]):
        return None
    return " ".join(phrases[0])


def found_words(track: Track, matches: Sequence[WordMatch]) -> tuple[FoundWord, ...]:
    """The query's words that stand in the track's tags or path, each once, in the field that says most.

    >>> import numpy as np
    >>> match = WordMatch("jaz", "prefix", "genre", ("jaz",), np.array([1]))
    >>> found_words(Track("/a.mp3", genre="Jazz"), [match])
    (FoundWord(word='jaz', field='genre', term='jazz'),)
    """
    found: dict[str, FoundWord] = {}
    words_in = {
        field: text_words(getattr(track, field))
        for group in {match.group for match in matches}
        for field in WORD_FIELDS[group]
    }
    for match in matches:  # the exact ones of a word come first
        for field in WORD_FIELDS[match.group]:
            for term in words_in[field]:
                stands = term.startswith(match.word) if match.kind == "prefix" else term in match.terms
                if stands:
                    found.setdefault(match.word, FoundWord(match.word, field, term))
    return tuple(found.values())
