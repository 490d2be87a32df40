"""Filters as trees: which tracks a search may return, such as "year >= 1980 and genre in (jazz, blues)".

`parser.parse_filter` reads them from text. They mean the same in every store; `matches` is the reference:
- text (title, album, comment, format, key): equal or not, or containing, ignoring case and Unicode composition
  (`normalize_text`); an unknown tag is "".
- text with several values (genre, artist, album_artist, composer), joined by "; ": the same, and a track passes if any
  of its values does. The whole text passes, too, and so do some of its values that follow one another.
- numbers (year, duration in seconds, track_number, bitrate, ...): a track whose number is unknown fails each of
  = in < <= > >=. `!=` and `not` are plain negation, so it passes `year != 1980`, and `not year > 0` selects the tracks
  without a year.
- path: equal or not, byte by byte; `under` a folder selects the folder and everything in it, `under` a file its tracks,
  too (album.flac#3). "~" and relative paths are resolved.
- added: when the track was first added to the library, by days in local time: `added >= 2024-05-01`.
"""

import json
import os
import unicodedata
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from kobza.library.paths import has_parts, under_or_part
from kobza.library.records import Track

# Fields of a track by how they are compared
TEXT = ("genre", "artist", "album", "title", "album_artist", "composer", "comment", "format", "key")
SEVERAL_VALUES = ("genre", "artist", "album_artist", "composer")  # of TEXT
OPTIONAL_NUMBERS = ("year", "track_number", "bitrate", "sample_rate", "bpm", "loudness", "energy")  # None: unknown
NUMBERS = (*OPTIONAL_NUMBERS, "duration", "added")
SEPARATOR = "; "  # of a tag's values
MAX_CHAINED_VALUES = 200  # of a list, in SQL
MAX_PARAMETERS = 1000  # of a statement, by this one condition: SQLite limits them


@dataclass(frozen=True)
class Compare:
    """`op` is eq, ne, contains (text), lt, le, gt, ge (numbers) or under (a path); `added` is in seconds since 1970."""

    field: str
    op: str
    value: str | float


@dataclass(frozen=True)
class In:
    field: str
    values: tuple[str | float, ...]


@dataclass(frozen=True)
class And:
    parts: tuple["Filter", ...]


@dataclass(frozen=True)
class Or:
    parts: tuple["Filter", ...]


@dataclass(frozen=True)
class Not:
    part: "Filter"


Filter = Compare | In | And | Or | Not
SqlValue = str | bytes | float


def normalize_text(text: str) -> str:
    """Text in the form in which it is compared: Unicode's canonical caseless matching.

    >>> normalize_text("STRASSE") == normalize_text("Straße")
    True
    """
    text = unicodedata.normalize("NFD", unicodedata.normalize("NFD", text).casefold())
    return text.encode("utf-8", "replace").decode()


def normalize_tag(field: str, text: str) -> str:
    """A track's text as it is compared; several values stand between separators, so that each can be found whole.

    >>> normalize_tag("genre", "Rock; Jazz"), normalize_tag("genre", "Rock"), normalize_tag("title", "A; B")
    ('; rock; jazz; ', 'rock', 'a; b')
    """
    text = normalize_text(text)
    return f"{SEPARATOR}{text}{SEPARATOR}" if field in SEVERAL_VALUES and SEPARATOR in text else text


OPERATIONS: dict[str, Callable[[Any, Any], bool]] = {
    "eq": lambda actual, value: actual == value,
    "lt": lambda actual, value: actual < value,
    "le": lambda actual, value: actual <= value,
    "gt": lambda actual, value: actual > value,
    "ge": lambda actual, value: actual >= value,
    "under": under_or_part,
}


def matches(tree: Filter, track: Track) -> bool:
    """Whether the track passes the filter: the reference for every store."""
    if isinstance(tree, And):
        return all(matches(part, track) for part in tree.parts)
    if isinstance(tree, Or):
        return any(matches(part, track) for part in tree.parts)
    if isinstance(tree, Not):
        return not matches(tree.part, track)
    if isinstance(tree, In):
        return any(matches(Compare(tree.field, "eq", value), track) for value in tree.values)
    if tree.op == "ne":
        return not matches(Compare(tree.field, "eq", tree.value), track)
    actual, value = getattr(track, tree.field), tree.value
    if actual is None:
        return False
    if tree.field in TEXT:
        actual, text = normalize_tag(tree.field, actual), normalize_text(str(value))
        if tree.op == "contains":
            return text in actual
        return actual == text or (tree.field in SEVERAL_VALUES and f"{SEPARATOR}{text}{SEPARATOR}" in actual)
    return OPERATIONS[tree.op](actual, value)


def to_sql(tree: Filter) -> tuple[str, list[SqlValue]]:
    """The filter as an SQL condition on the table of tracks, with a "?" for each value, and the values.

    >>> to_sql(Compare("year", "ge", 1980))
    ('(year IS NOT NULL AND year >= ?)', [1980])
    """
    if isinstance(tree, And | Or):
        return _joined([to_sql(part) for part in tree.parts], "AND" if isinstance(tree, And) else "OR")
    if isinstance(tree, Not):
        condition, values = to_sql(tree.part)
        return f"NOT ({condition})", values
    if tree.field in TEXT:
        return _text_to_sql(tree)
    known = f"{tree.field} IS NOT NULL AND " if tree.field in OPTIONAL_NUMBERS else ""  # NOT (NULL = 1) is NULL
    if isinstance(tree, In) and tree.field == "path" and len(tree.values) > MAX_PARAMETERS:
        paths = json.dumps([os.fsencode(str(value)).hex().upper() for value in tree.values])  # bytes are not JSON
        return "(hex(path) IN (SELECT value FROM json_each(?)))", [paths]
    if isinstance(tree, In):
        marks = ", ".join("?" * len(tree.values))
        return f"({known}{tree.field} IN ({marks}))", [_column_value(tree.field, value) for value in tree.values]
    if tree.op == "under":
        folder = os.fsencode(str(tree.value))
        prefix = folder.rstrip(b"/") + b"/"
        after = prefix[:-1] + b"0"  # "0" is the byte after "/": a range, which the index of paths can answer
        if has_parts(str(tree.value)):  # "#" and a digit: ":" is the byte after "9"
            parts = "(path = ? OR (path >= ? AND path < ?) OR (path >= ? AND path < ?))"
            return parts, [folder, prefix, after, folder + b"#0", folder + b"#:"]
        return "(path = ? OR (path >= ? AND path < ?))", [folder, prefix, after]
    value = _column_value(tree.field, tree.value)
    if tree.op in ("eq", "ne"):
        return f"{tree.field} {'IS' if tree.op == 'eq' else 'IS NOT'} ?", [value]
    sign = {"lt": "<", "le": "<=", "gt": ">", "ge": ">="}[tree.op]
    return f"({known}{tree.field} {sign} ?)", [value]


def _text_to_sql(tree: Compare | In) -> tuple[str, list[SqlValue]]:
    column = f"folded_{tree.field}"
    if isinstance(tree, Compare) and tree.op == "contains":
        return f"(instr({column}, ?) > 0)", [normalize_text(str(tree.value))]
    if isinstance(tree, Compare) and tree.op == "ne":
        condition, values = _text_to_sql(Compare(tree.field, "eq", tree.value))
        return f"(NOT {condition})", values
    texts = [normalize_text(str(value)) for value in (tree.values if isinstance(tree, In) else (tree.value,))]
    whole = f"{column} IN ({', '.join('?' * len(texts))})"
    if tree.field not in SEVERAL_VALUES:
        return f"({whole})", [*texts]
    between = [f"{SEPARATOR}{text}{SEPARATOR}" for text in texts]
    if len(texts) <= MAX_CHAINED_VALUES:
        found, values = _joined([(f"instr({column}, ?) > 0", [text]) for text in between] or [("0", [])], "OR")
    else:  # as one parameter: slower for each track, but SQLite limits the length of a condition
        found, values = f"EXISTS (SELECT 1 FROM json_each(?) WHERE instr({column}, value) > 0)", [json.dumps(between)]
    several = f"{column} >= '; ' AND {column} < ';!'"  # starts with the separator; quicker than a function of each row
    return f"({whole} OR ({several} AND {found}))", [*texts, *values]


def _column_value(field: str, value: str | float) -> SqlValue:
    """A path or number in the form that the column of `field` stores."""
    return os.fsencode(str(value)) if field == "path" else value


def _joined(conditions: list[tuple[str, list[SqlValue]]], operator: str) -> tuple[str, list[SqlValue]]:
    """Conditions joined as a balanced tree of brackets: SQLite parses a chain of a thousand ORs as a thousand levels,
    which exceeds its limit."""
    if len(conditions) == 1:
        return conditions[0]
    half = len(conditions) // 2
    left, left_values = _joined(conditions[:half], operator)
    right, right_values = _joined(conditions[half:], operator)
    return f"({left} {operator} {right})", left_values + right_values
