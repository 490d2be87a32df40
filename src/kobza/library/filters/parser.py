"""A filter as people write it, into the tree of `filters`.

    filter    := all ("or" all)*          all := one ("and" one)*          one := "not" one | "(" filter ")" | condition
    condition := FIELD ("=" | "!=" | "<" | "<=" | ">" | ">=" | "under") VALUE
               | FIELD ["not"] "in" "(" VALUE ("," VALUE)* ")"

A value that has spaces, commas, brackets or the name of an operator stands in quotes: "hip hop", 'rock "n" roll'.
"""

import datetime
import os
import re
from dataclasses import dataclass

from kobza.library.filters.tree import NUMBERS, TEXT, And, Compare, Filter, In, Not, Or
from kobza.library.records import LibraryError

SIGNS = {"=": "eq", "!=": "ne", "<": "lt", "<=": "le", ">": "gt", ">=": "ge"}
FOLLOWED_BY = dict.fromkeys(TEXT, "= != in") | dict.fromkeys(NUMBERS, "= != < <= > >= in") | {"path": "= != in under"}
WORDS = ("and", "or", "not", "in", "under")
DEEPEST, LONGEST = 50, 10_000  # brackets within brackets; values: beyond these SQLite gives up


class FilterError(LibraryError):
    """A filter that cannot be understood; the message shows where."""


TOKEN = re.compile(
    r"""\s*(?: (?P<quoted> "(?:[^"\\]|\\.)*" | '(?:[^'\\]|\\.)*' ) | (?P<sign> [<>=]=? | != | [(),] )
             | (?P<word> (?: [^\s(),=!<>"'] | !(?!=) ) (?: [^\s(),=!<>"] | !(?!=) )* ) )""",
    re.VERBOSE | re.DOTALL,
)


@dataclass(frozen=True)
class _Token:
    kind: str  # quoted, sign, word, end
    text: str
    at: int  # in characters from the start


def _short(text: str) -> str:
    return text if len(text) <= 200 else text[:200] + "..."


class _Parser:
    """Recursive descent: a method for each rule of the grammar above."""

    def __init__(self, text: str):
        self.text, self.next, self.depth, self.values = text, 0, 0, 0
        self.tokens: list[_Token] = []
        at, end = 0, len(text.rstrip())
        while at < end:
            found = TOKEN.match(text, at)
            if found is None:
                at += len(text[at:]) - len(text[at:].lstrip())
                raise self.error("a quotation mark is not closed", _Token("word", text[at:], at))
            self.tokens.append(_Token(found.lastgroup, found[found.lastgroup], found.start(found.lastgroup)))
            at = found.end()
        self.tokens.append(_Token("end", "", end))

    def error(self, what: str, token: _Token | None = None) -> FilterError:
        token = token or self.here
        place = f'at "{_short(token.text)}" (character {token.at + 1})' if token.text else "at its end"
        return FilterError(f"The filter '{_short(self.text.strip())}' cannot be understood {place}: {what}.")

    @property
    def here(self) -> _Token:
        return self.tokens[self.next]

    def take(self) -> _Token:
        self.next += 1
        return self.tokens[self.next - 1]

    def accept(self, *words: str) -> str | None:
        """The word or sign that comes next, passed over, if it is one of these."""
        if self.here.kind != "quoted" and self.here.text.lower() in words:
            return self.take().text.lower()
        return None

    def whole(self) -> Filter:
        tree = self.any_of()
        if self.here.kind != "end":
            raise self.error('"and" or "or" comes between conditions; a value of several words stands in quotes')
        return tree

    def any_of(self) -> Filter:
        parts = [self.all_of()]
        while self.accept("or"):
            parts.append(self.all_of())
        return parts[0] if len(parts) == 1 else Or(tuple(parts))

    def all_of(self) -> Filter:
        parts = [self.one()]
        while self.accept("and"):
            parts.append(self.one())
        return parts[0] if len(parts) == 1 else And(tuple(parts))

    def one(self) -> Filter:
        self.depth += 1
        if self.depth > DEEPEST:
            raise self.error(f"more than {DEEPEST} levels of brackets and negations; make it simpler")
        if self.accept("not"):
            tree = Not(self.one())
        elif self.accept("("):
            tree = self.any_of()
            self.close()
        else:
            tree = self.condition()
        self.depth -= 1
        return tree

    def close(self) -> None:
        if not self.accept(")"):
            raise self.error("a closing bracket is missing")

    def condition(self) -> Filter:
        field = self.accept(*FOLLOWED_BY)
        if field is None:
            raise self.error(f"a condition begins with one of {', '.join(FOLLOWED_BY)}")
        negated = self.accept("not") is not None
        if self.accept("in"):
            tree = self.listed(field)
            return Not(tree) if negated else tree
        token, sign = self.here, self.accept(*SIGNS, "under")
        if negated or sign not in FOLLOWED_BY[field].split():
            raise self.error(f"{field} is followed by one of: {FOLLOWED_BY[field]}", token)
        op = SIGNS.get(sign, sign)
        value = self.value(field)
        return _day(op, value) if field == "added" else Compare(field, op, value)

    def listed(self, field: str) -> Filter:
        if not self.accept("("):
            raise self.error('after "in" comes a list in brackets, like (jazz, blues)')
        values = [self.value(field)]
        while self.accept(","):
            values.append(self.value(field))
        self.close()
        return Or(tuple(_day("eq", value) for value in values)) if field == "added" else In(field, tuple(values))

    def value(self, field: str):
        """-> text, a number, or for `added` a date."""
        token = self.here
        self.values += 1
        if self.values > LONGEST:
            raise self.error(f"more than {LONGEST} values")
        if token.kind not in ("quoted", "word") or (token.kind == "word" and token.text.lower() in WORDS):
            raise self.error(f"a value for {field} is missing; in quotes it may be anything")
        self.take()
        text = token.text if token.kind == "word" else re.sub(r"\\([\\\"'])", r"\1", token.text[1:-1])
        if field == "path":
            return os.path.abspath(os.path.expanduser(text))
        if field == "year" and re.fullmatch(r"[0-9]{1,4}", text):
            return int(text)
        if field == "duration" and re.fullmatch(r"[0-9]{1,9}(\.[0-9]{1,9})?", text):
            return float(text)
        if field == "added" and (day := _date(text)):
            return day
        if field in NUMBERS:
            like = {"year": "a year, like 1980", "duration": "seconds, like 180", "added": "a date, like 2024-05-01"}
            raise self.error(f"{field} is compared with {like[field]}", token)
        return text


def _date(text: str) -> datetime.date | None:
    try:
        return datetime.date.fromisoformat(text) if re.fullmatch(r"[12][0-9]{3}-[0-9]{2}-[0-9]{2}", text) else None
    except ValueError:
        return None


def _day(op: str, day: datetime.date) -> Filter:
    """A comparison with a day, as one with the moments at which it begins and ends."""

    def midnight(of: datetime.date) -> float:
        return datetime.datetime.combine(of, datetime.time()).timestamp()

    start, end = midnight(day), midnight(day + datetime.timedelta(days=1))
    if op in ("lt", "ge"):
        return Compare("added", op, start)
    if op in ("le", "gt"):
        return Compare("added", {"le": "lt", "gt": "ge"}[op], end)
    within = And((Compare("added", "ge", start), Compare("added", "lt", end)))
    return within if op == "eq" else Not(within)


def parse_filter(text: str) -> Filter:
    """The tree of a filter as people write it. FilterError: it cannot be understood, and where."""
    if not text.strip():
        raise FilterError('The filter is empty; say something like "year >= 1980 and genre in (jazz, blues)".')
    return _Parser(text).whole()
