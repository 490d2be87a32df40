"""The values of the filter language: numbers, lengths, dates, and ranges of these."""

import datetime
import os
import re

from kobza.library.filters.tree import NUMBERS, And, Compare, Filter, Not
from kobza.library.musical_key import musical_key

# What each field of numbers is compared with, for error messages
EXPECTED = {
    "year": "a year, such as 1980",
    "duration": "seconds, such as 180, or minutes, such as 3:00",
    "added": "a date, such as 2024-05-01",
    "track_number": "a number, such as 7",
    "bitrate": "kbit/s, such as 320",
    "sample_rate": "Hz, such as 44100",
    "bpm": "beats per minute, such as 128",
    "loudness": "LUFS, such as -14",
    "energy": "a number from 0 to 1, such as 0.5",
}
INTEGERS = ("track_number", "bitrate", "sample_rate")  # besides `year`
Value = str | float | datetime.date
Range = tuple[Value | None, Value | None]  # first and last; None: open


def parse_value(field: str, text: str) -> Value | None:
    """The value that `text` is for a field; None if it is none.

    >>> parse_value("duration", "3:30"), parse_value("genre", "jazz"), parse_value("year", "late")
    (210.0, 'jazz', None)
    """
    if field == "path":
        return os.path.abspath(os.path.expanduser(text))
    if field == "key":
        return musical_key(text) or text
    if field not in NUMBERS:
        return text
    if field == "added":
        return _date(text)
    if field == "year":
        return int(text) if re.fullmatch(r"[0-9]{1,4}", text) else None
    if field == "duration" and (match := re.fullmatch(r"(?:([0-9]{1,4}):)?([0-9]{1,4}):([0-5][0-9])", text)):
        return int(match[1] or 0) * 3600.0 + int(match[2]) * 60 + int(match[3])
    if not re.fullmatch(r"-?[0-9]{1,9}(\.[0-9]{1,9})?", text):
        return None
    return int(text) if field in INTEGERS and "." not in text else float(text)


def parse_range(field: str, text: str) -> Range | None:
    """The first and last value of a range of numbers or dates; None if `text` is none.

    >>> parse_range("year", "1980..1990"), parse_range("bpm", "120.."), parse_range("year", "1980s")
    ((1980, 1990), (120.0, None), (1980, 1989))
    """
    if field not in NUMBERS:
        return None
    if field == "year" and (match := re.fullmatch(r"([0-9]{3})0s", text)):
        return int(match[1]) * 10, int(match[1]) * 10 + 9
    first, dots, last = text.partition("..")
    ends = [parse_value(field, end) if end else None for end in (first, last)]
    if (
        not dots
        or not (first or last)
        or any(text and end is None for text, end in zip((first, last), ends, strict=True))
    ):
        return None
    return ends[0], ends[1]


def compare(field: str, op: str, value: Value) -> Filter:
    """A comparison; one of `added` with a day becomes one with the two midnights around it."""
    if not isinstance(value, datetime.date):
        return Compare(field, op, value)
    start, end = _midnight(value), _midnight(value + datetime.timedelta(days=1))
    if op in ("lt", "ge"):
        return Compare(field, op, start)
    if op in ("le", "gt"):
        return Compare(field, {"le": "lt", "gt": "ge"}[op], end)
    within = And((Compare(field, "ge", start), Compare(field, "lt", end)))
    return within if op == "eq" else Not(within)


def within_range(field: str, ends: Range) -> Filter:
    """
    >>> within_range("year", (1980, 1989))
    And(parts=(Compare(field='year', op='ge', value=1980), Compare(field='year', op='le', value=1989)))
    """
    first, last = ends
    parts = [compare(field, op, end) for op, end in (("ge", first), ("le", last)) if end is not None]
    return parts[0] if len(parts) == 1 else And(tuple(parts))


def _date(text: str) -> datetime.date | None:
    try:
        return datetime.date.fromisoformat(text) if re.fullmatch(r"[12][0-9]{3}-[0-9]{2}-[0-9]{2}", text) else None
    except ValueError:
        return None


def _midnight(day: datetime.date) -> float:
    return datetime.datetime.combine(day, datetime.time()).timestamp()
