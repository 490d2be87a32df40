"""Which tracks a search may find: "year >= 1980 and genre in (jazz, blues)" as a small tree.

`parsing.parse_filter` makes it of what people write. It means the same in every store; `matches` is the reference:
- genre, artist, album, title: equal or not, whatever the case of letters (`fold`); an unknown tag is "".
- year, duration (seconds): numbers. A track of unknown year fails each of = in < <= > >=. `!=` and `not` are plain
  negation, so it passes `year != 1980`, and `not year > 0` finds the tracks without a year.
- path: equal or not, byte by byte; `under` a folder means it or anything below it. "~" and relative paths are resolved.
- added: when the track first came into the library, by days of local time: `added >= 2024-05-01`.
"""

import os
import unicodedata
from collections.abc import Callable
from dataclasses import dataclass

from kobza.library.ingest.scan import under
from kobza.library.records import Track

TEXT, NUMBERS = ("genre", "artist", "album", "title"), ("year", "duration", "added")


@dataclass(frozen=True)
class Compare:
    """`op` is eq, ne, lt, le, gt, ge, or under (a path); `added` is compared in seconds since 1970."""

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


def fold(text: str) -> str:
    """Text as it is compared: without case, in one spelling of accents (Unicode's canonical caseless matching)."""
    text = unicodedata.normalize("NFD", unicodedata.normalize("NFD", text).casefold())
    return text.encode("utf-8", "replace").decode()


OPERATIONS: dict[str, Callable] = {
    "eq": lambda have, value: have == value,
    "lt": lambda have, value: have < value,
    "le": lambda have, value: have <= value,
    "gt": lambda have, value: have > value,
    "ge": lambda have, value: have >= value,
    "under": under,
}


def matches(tree: Filter, track: Track) -> bool:
    """Whether the track passes: the meaning of every filter, in plain Python."""
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
    have, value = getattr(track, tree.field), tree.value
    if have is None:
        return False
    if tree.field in TEXT:
        have, value = fold(have), fold(value)
    return OPERATIONS[tree.op](have, value)


def to_sql(tree: Filter) -> tuple[str, list]:
    """The tree as an SQL condition on the table of tracks, with "?" for each value, and the values."""
    if isinstance(tree, And | Or):
        return _joined([to_sql(part) for part in tree.parts], "AND" if isinstance(tree, And) else "OR")
    if isinstance(tree, Not):
        condition, values = to_sql(tree.part)
        return f"NOT ({condition})", values
    column = f"folded_{tree.field}" if tree.field in TEXT else tree.field
    known = "year IS NOT NULL AND " if tree.field == "year" else ""  # NULL would be neither true nor false
    if isinstance(tree, In):
        marks = ", ".join("?" * len(tree.values))
        return f"({known}{column} IN ({marks}))", [_stored(tree.field, value) for value in tree.values]
    value = _stored(tree.field, tree.value)
    if tree.op == "under":
        prefix = value.rstrip(b"/") + b"/"  # "0" follows "/", so that the paths' own index finds them
        return "(path = ? OR (path >= ? AND path < ?))", [value, prefix, prefix[:-1] + b"0"]
    if tree.op in ("eq", "ne"):
        return f"{column} {'IS' if tree.op == 'eq' else 'IS NOT'} ?", [value]
    sign = {"lt": "<", "le": "<=", "gt": ">", "ge": ">="}[tree.op]
    return f"({known}{column} {sign} ?)", [value]


def _stored(field: str, value: str | float) -> str | bytes | float:
    """A value as the column of `field` has it."""
    return os.fsencode(value) if field == "path" else fold(value) if field in TEXT else value


def _joined(parts: list[tuple[str, list]], word: str) -> tuple[str, list]:
    """Bracketed by halves: SQLite reads a chain of a thousand ORs as a thousand levels, and refuses."""
    if len(parts) == 1:
        return parts[0]
    half = len(parts) // 2
    (left, some), (right, more) = _joined(parts[:half], word), _joined(parts[half:], word)
    return f"({left} {word} {right})", some + more
