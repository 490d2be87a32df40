"""Where the words that were searched for last stand in a library's tags: a search looks each up several times, and many
searches have words in common."""

import sqlite3
from collections import OrderedDict
from collections.abc import Sequence

from kobza.library.records import WordMatch
from kobza.library.stores.tag_words import match_word

MAX_WORDS = 4096  # kept
MAX_TRACK_IDS = 4_000_000  # kept, of all words: 32 MB


class WordMatches:
    """The matches of words in one version of a database. Not for several threads at once."""

    def __init__(self) -> None:
        self._version: object = None
        self._kept: OrderedDict[str, list[WordMatch]] = OrderedDict()
        self._track_ids = 0

    def get(self, db: sqlite3.Connection, version: object, words: Sequence[str]) -> list[WordMatch]:
        """The matches of each word, `tag_words.match_word`, in the order of the words."""
        if version != self._version:
            self._version, self._track_ids = version, 0
            self._kept.clear()
        return [match for word in dict.fromkeys(words) for match in self._of(db, word)]

    def _of(self, db: sqlite3.Connection, word: str) -> list[WordMatch]:
        found = self._kept.get(word)
        if found is None:
            found = self._kept[word] = match_word(db, word)
            self._track_ids += _size(found)
            while len(self._kept) > MAX_WORDS or (self._track_ids > MAX_TRACK_IDS and len(self._kept) > 1):
                self._track_ids -= _size(self._kept.popitem(last=False)[1])
        else:
            self._kept.move_to_end(word)
        return found


def _size(matches: Sequence[WordMatch]) -> int:
    return sum(len(match.track_ids) for match in matches)
