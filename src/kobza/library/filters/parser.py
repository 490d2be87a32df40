"""The filter language: text to the tree of `tree.Filter`.

    filter      := conjunction ("or" conjunction)*
    conjunction := factor ("and" factor)*
    factor      := "not" factor | "(" filter ")" | condition
    condition   := FIELD ("=" | "!=" | "<" | "<=" | ">" | ">=" | "under") VALUE
                 | FIELD ["not"] "in" "(" VALUE ("," VALUE)* ")"

A value with spaces, commas, brackets or the name of an operator needs quotes: "hip hop", 'rock "n" roll'.
"""

import datetime
import os
import re
from dataclasses import dataclass

from kobza.library.filters.tree import NUMBERS, TEXT, And, Compare, Filter, In, Not, Or
from kobza.library.records import LibraryError

SIGNS = {"=": "eq", "!=": "ne", "<": "lt", "<=": "le", ">": "gt", ">=": "ge"}
OPERATORS_OF_FIELD = (
    dict.fromkeys(TEXT, "= != in") | dict.fromkeys(NUMBERS, "= != < <= > >= in") | {"path": "= != in under"}
)
KEYWORDS = ("and", "or", "not", "in", "under")
# Below the limits of SQLite on the depth of an expression and on its parameters
MAX_DEPTH = 50  # of brackets and negations
MAX_VALUES = 10_000
MAX_SHOWN_CHARACTERS = 200  # of the filter, in an error


class FilterError(LibraryError):
    """A filter with a syntax error; the message shows where."""


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
    return text if len(text) <= MAX_SHOWN_CHARACTERS else text[:MAX_SHOWN_CHARACTERS] + "..."


class _Parser:
    """Recursive descent: a method for each rule of the grammar above."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.next = 0  # index of the next token
        self.depth = 0
        self.values = 0
        self.tokens: list[_Token] = []
        at, end = 0, len(text.rstrip())
        while at < end:
            match = TOKEN.match(text, at)
            kind = match.lastgroup if match else None
            if match is None or kind is None:
                at += len(text[at:]) - len(text[at:].lstrip())
                raise self.error("a quotation mark is not closed", _Token("word", text[at:], at))
            self.tokens.append(_Token(kind, match[kind], match.start(kind)))
            at = match.end()
        self.tokens.append(_Token("end", "", end))

    def error(self, what: str, token: _Token | None = None) -> FilterError:
        token = token or self.current
        where = f'at "{_short(token.text)}" (character {token.at + 1})' if token.text else "at the end"
        return FilterError(f"The filter '{_short(self.text.strip())}' is invalid {where}: {what}.")

    @property
    def current(self) -> _Token:
        return self.tokens[self.next]

    def take(self) -> _Token:
        self.next += 1
        return self.tokens[self.next - 1]

    def accept(self, *words: str) -> str | None:
        """Consume the next word or sign, and return it in lower case, if it is one of these."""
        if self.current.kind != "quoted" and self.current.text.lower() in words:
            return self.take().text.lower()
        return None

    def complete(self) -> Filter:
        tree = self.filter()
        if self.current.kind != "end":
            raise self.error('conditions are joined by "and" or "or"; a value of several words needs quotes')
        return tree

    def filter(self) -> Filter:
        parts = [self.conjunction()]
        while self.accept("or"):
            parts.append(self.conjunction())
        return parts[0] if len(parts) == 1 else Or(tuple(parts))

    def conjunction(self) -> Filter:
        parts = [self.factor()]
        while self.accept("and"):
            parts.append(self.factor())
        return parts[0] if len(parts) == 1 else And(tuple(parts))

    def factor(self) -> Filter:
        self.depth += 1
        if self.depth > MAX_DEPTH:
            raise self.error(f"more than {MAX_DEPTH} levels of brackets and negations; simplify it")
        tree: Filter
        if self.accept("not"):
            tree = Not(self.factor())
        elif self.accept("("):
            tree = self.filter()
            self.close()
        else:
            tree = self.condition()
        self.depth -= 1
        return tree

    def close(self) -> None:
        if not self.accept(")"):
            raise self.error("a closing bracket is missing")

    def condition(self) -> Filter:
        field = self.accept(*OPERATORS_OF_FIELD)
        if field is None:
            raise self.error(f"a condition starts with one of {', '.join(OPERATORS_OF_FIELD)}")
        negated = self.accept("not") is not None
        if self.accept("in"):
            tree = self.value_list(field)
            return Not(tree) if negated else tree
        token = self.current
        sign = self.accept(*SIGNS, "under")
        if negated or sign is None or sign not in OPERATORS_OF_FIELD[field].split():
            raise self.error(f"{field} must be followed by one of: {OPERATORS_OF_FIELD[field]}", token)
        op = SIGNS.get(sign, sign)
        value = self.value(field)
        return _on_day(op, value) if isinstance(value, datetime.date) else Compare(field, op, value)

    def value_list(self, field: str) -> Filter:
        if not self.accept("("):
            raise self.error('"in" must be followed by a list in brackets, such as (jazz, blues)')
        values = [self.value(field)]
        while self.accept(","):
            values.append(self.value(field))
        self.close()
        days = [value for value in values if isinstance(value, datetime.date)]
        if days:
            return Or(tuple(_on_day("eq", day) for day in days))
        return In(field, tuple(value for value in values if not isinstance(value, datetime.date)))

    def value(self, field: str) -> str | float | datetime.date:
        """The value that comes next: a number for `year` and `duration`, a date for `added`, else text."""
        token = self.current
        self.values += 1
        if self.values > MAX_VALUES:
            raise self.error(f"more than {MAX_VALUES} values")
        if token.kind not in ("quoted", "word") or (token.kind == "word" and token.text.lower() in KEYWORDS):
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
            expected = {
                "year": "a year, such as 1980",
                "duration": "seconds, such as 180",
                "added": "a date, such as 2024-05-01",
            }
            raise self.error(f"{field} must be compared with {expected[field]}", token)
        return text


def _date(text: str) -> datetime.date | None:
    try:
        return datetime.date.fromisoformat(text) if re.fullmatch(r"[12][0-9]{3}-[0-9]{2}-[0-9]{2}", text) else None
    except ValueError:
        return None


def _on_day(op: str, day: datetime.date) -> Filter:
    """A comparison of `added` with a day, as comparisons with the two midnights around it."""

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
    """Parse a filter.

    >>> parse_filter("year >= 1980 and genre = jazz")
    And(parts=(Compare(field='year', op='ge', value=1980), Compare(field='genre', op='eq', value='jazz')))

    Raises:
        FilterError: a syntax error; the message shows where.
    """
    if not text.strip():
        raise FilterError('The filter is empty; write, for example, "year >= 1980 and genre in (jazz, blues)".')
    return _Parser(text).complete()
