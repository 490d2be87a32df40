"""The words of tags and paths: a full-text index (SQLite's FTS5) that triggers keep in step with the table of tracks.

The index holds the words alone, without the text (`content = ''`), as `text_words` gives them: SQLite's own tokenizer
ignores the accents of Latin letters only. It can always be rebuilt from the tracks.
"""

import os
import re
import sqlite3
import unicodedata
from collections.abc import Iterator, Sequence
from itertools import zip_longest

import numpy as np

from kobza.library.records import WORD_FIELDS, WordMatch

FIELDS = tuple(field for fields in WORD_FIELDS.values() for field in fields)
COLUMNS = ", ".join(FIELDS)


def _words_of(row: str) -> str:
    return ", ".join(f"words_of({row}{field})" for field in FIELDS)


OPTIONS = "tokenize = 'unicode61 remove_diacritics 0', prefix = '3 4 5'"
_INSERT = f"INSERT INTO track_words (rowid, {COLUMNS}) VALUES (new.id, {_words_of('new.')})"
_DELETE = f"INSERT INTO track_words (track_words, rowid, {COLUMNS}) VALUES ('delete', old.id, {_words_of('old.')})"
# Each statement ends with ";" and a line break, and has none within.
WORDS = f"""
CREATE VIRTUAL TABLE track_words USING fts5 ({COLUMNS}, content = '', {OPTIONS});
CREATE TRIGGER words_of_new AFTER INSERT ON tracks BEGIN {_INSERT}; END;
CREATE TRIGGER words_of_deleted AFTER DELETE ON tracks BEGIN {_DELETE}; END;
CREATE TRIGGER words_of_changed AFTER UPDATE OF {COLUMNS} ON tracks BEGIN {_DELETE}; {_INSERT}; END;
""".strip()
# Chinese and Japanese are written without spaces: each of their characters is a word.
_CHARACTERS = "\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff"
WORD = re.compile(rf"[{_CHARACTERS}]|[^\W_{_CHARACTERS}]+")
# A word that no tag has is looked for with one letter more, less, changed or swapped; a long one with two.
MIN_NEAR_LENGTH = 4
MIN_PREFIX_LENGTH = 3
LONG_WORD_LENGTH = 8
MAX_NEAR_WORDS = 4


def text_words(text: str) -> list[str]:
    """The words of a text in the form in which they are compared: without case, accents and punctuation.

    >>> text_words("Žižka: AC/DC's Йога 東京")
    ['zizka', 'ac', 'dc', 's', 'иога', '東', '京']
    """
    if text.isascii():  # has no accents; a search looks at thousands of such texts
        return WORD.findall(text.lower())
    decomposed = unicodedata.normalize("NFKD", unicodedata.normalize("NFKD", text).casefold())
    return WORD.findall("".join(letter for letter in decomposed if not unicodedata.combining(letter)))


def register(db: sqlite3.Connection) -> None:
    """Every connection that writes tracks needs the function that the triggers call."""

    def words_of(value: str | bytes) -> str:
        return " ".join(text_words(os.fsdecode(value)))

    db.create_function("words_of", 1, words_of, deterministic=True)


def rebuild_words(db: sqlite3.Connection) -> None:
    db.execute("INSERT INTO track_words (track_words) VALUES ('delete-all')")
    db.execute(f"INSERT INTO track_words (rowid, {COLUMNS}) SELECT id, {_words_of('')} FROM tracks")


def words_differ(db: sqlite3.Connection) -> bool:
    """Whether the index is not that of the tracks: compared with one made anew, in memory."""
    db.execute(f"CREATE VIRTUAL TABLE temp.expected_words USING fts5 ({COLUMNS}, content = '', {OPTIONS})")
    db.execute(f"INSERT INTO expected_words (rowid, {COLUMNS}) SELECT id, {_words_of('')} FROM tracks")
    db.execute("CREATE VIRTUAL TABLE temp.expected_terms USING fts5vocab (temp, expected_words, instance)")
    db.execute("CREATE VIRTUAL TABLE temp.stored_terms USING fts5vocab (main, track_words, instance)")
    stored = db.execute("SELECT * FROM stored_terms")
    expected = db.execute("SELECT * FROM expected_terms")
    try:
        return any(one != other for one, other in zip_longest(stored, expected))
    finally:
        stored.close()
        expected.close()
        for name in ("stored_terms", "expected_terms", "expected_words"):
            db.execute(f"DROP TABLE temp.{name}")


def tracks_with_words(words: Sequence[str]) -> tuple[str, list[str]]:
    """An SQL condition on the table of tracks, and its values: all the words in title, artist or path."""
    if not words:
        return "1", []
    query = "{title artist path} : (" + " AND ".join(f'"{word}"' for word in words) + ")"
    return "id IN (SELECT rowid FROM track_words WHERE track_words MATCH ?)", [query]


def match_word(db: sqlite3.Connection, word: str) -> list[WordMatch]:
    """Where a word stands: itself, as the beginning of a longer word, or, if it is nowhere, nearly so spelled. Several
    words with spaces between them are a phrase, which is looked for as it is."""
    is_long = len(word) >= MIN_PREFIX_LENGTH
    found: list[WordMatch] = []
    if _is_anywhere(db, f'"{word}" *' if is_long else f'"{word}"'):
        found += _in_each_group(db, word, "exact", (word,))
        if is_long:
            found += _in_each_group(db, word, "prefix", (word,))
    if not found and len(word) >= MIN_NEAR_LENGTH and not word.isdecimal() and " " not in word:
        found += _in_each_group(db, word, "near", near_words(db, word))
    return found


def _is_anywhere(db: sqlite3.Connection, expression: str) -> bool:
    """Asked first, because most words of descriptions are in no tag, and a question for each group takes longer."""
    query = "SELECT 1 FROM track_words WHERE track_words MATCH ? LIMIT 1"
    return db.execute(query, (expression,)).fetchone() is not None


def _in_each_group(db: sqlite3.Connection, word: str, kind: str, terms: Sequence[str]) -> Iterator[WordMatch]:
    """`kind`: exact, prefix, or near (any of `terms`)."""
    if not terms:
        return
    expression = " OR ".join(f'"{term}"' for term in terms) + (" *" if kind == "prefix" else "")
    for group, fields in WORD_FIELDS.items():
        query = f"{{{' '.join(fields)}}} : ({expression})"
        # As one text, because a list of a hundred thousand rows takes Python longer than the search.
        (ids,) = db.execute(
            "SELECT group_concat(rowid) FROM track_words WHERE track_words MATCH ?", (query,)
        ).fetchone()
        if ids:
            track_ids = np.fromstring(ids, np.int64, sep=",")
            yield WordMatch(word, kind, group, tuple(terms), np.sort(track_ids))


def near_words(db: sqlite3.Connection, word: str) -> list[str]:
    """Up to `MAX_NEAR_WORDS` words of the index that differ from `word` by one letter, by two if it is long; the
    nearest only. The first letter must be right: so a hundred thousand words are not read."""
    from rapidfuzz.distance import OSA
    from rapidfuzz.process import extract

    db.execute("CREATE VIRTUAL TABLE IF NOT EXISTS temp.vocabulary USING fts5vocab (main, track_words, row)")
    most = 2 if len(word) >= LONG_WORD_LENGTH else 1
    rows = db.execute(
        "SELECT term FROM vocabulary WHERE term >= ? AND term < ? AND length(term) BETWEEN ? AND ?",
        (word[0], chr(ord(word[0]) + 1), len(word) - most, len(word) + most),
    )
    terms = [term for (term,) in rows]
    found = extract(word, terms, scorer=OSA.distance, score_cutoff=most, limit=MAX_NEAR_WORDS)
    return [term for term, distance, _ in found if distance == found[0][1]]
