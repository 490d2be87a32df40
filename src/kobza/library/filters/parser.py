"""The filter language: text to the tree of `tree.Filter`.

    filter      := conjunction ("or" conjunction)*
    conjunction := factor ("and" factor)*
    factor      := "not" factor | "(" filter ")" | condition
    condition   := FIELD ("=" | "!=" | "~" | "!~" | "<" | "<=" | ">" | ">=" | "under") VALUE
                 | FIELD ["=" | "!="] RANGE
                 | FIELD ["not"] "in" "(" VALUE ("," VALUE)* ")"

RANGE is such as 1980..1990, 1980.. or 1980s, and may stand in a list, too. A value with spaces, commas, brackets or the
name of an operator needs quotes: "hip hop", 'rock "n" roll'.
"""

import re
from dataclasses import dataclass

from kobza.library.filters.tree import NUMBERS, TEXT, And, Compare, Filter, In, Not, Or
from kobza.library.filters.values import EXPECTED, Range, Value, compare, parse_range, parse_value, within_range
from kobza.library.records import LibraryError

SIGNS = {"=": "eq", "!=": "ne", "~": "contains", "!~": "contains", "<": "lt", "<=": "le", ">": "gt", ">=": "ge"}
OPERATORS_OF_FIELD = (
    dict.fromkeys(TEXT, "= != ~ !~ in") | dict.fromkeys(NUMBERS, "= != < <= > >= in") | {"path": "= != in under"}
)
# How each field is written: by its name, with a space or nothing in place of "_", or shorter
FIELD_NAMES = {spelling: field for field in OPERATORS_OF_FIELD for spelling in (field, field.replace("_", ""))} | {
    "track": "track_number",
    "samplerate": "sample_rate",
}
KEYWORDS = ("and", "or", "not", "in", "under")
# Below the limits of SQLite on the depth of an expression and on its parameters
MAX_DEPTH = 50  # of brackets and negations
MAX_VALUES = 10_000
MAX_SHOWN_CHARACTERS = 200  # of the filter, in an error


def field_named(name: str) -> str | None:
    """The field that `name` means: an attribute of `Track`; None if it is none.

    >>> field_named("Album Artist"), field_named("albumartist"), field_named("track"), field_named("mood")
    ('album_artist', 'album_artist', 'track_number', None)
    """
    return FIELD_NAMES.get("".join(name.lower().split()).replace("_", "")) or FIELD_NAMES.get(name.lower())


def shown_name(field: str) -> str:
    """A field's name for users.

    >>> shown_name("album_artist"), shown_name("track_number")
    ('album artist', 'track')
    """
    return "track" if field == "track_number" else field.replace("_", " ")


class FilterError(LibraryError):
    """A filter with a syntax error; the message shows where."""


TOKEN = re.compile(
    r"""\s*(?: (?P<quoted> "(?:[^"\\]|\\.)*" | '(?:[^'\\]|\\.)*' ) | (?P<sign> [<>=]=? | ![=~] | [(),~] )
             | (?P<word> (?: [^\s(),=!<>~"'] | !(?![=~]) ) (?: [^\s(),=!<>~"] | !(?![=~]) )* ) )""",
    re.VERBOSE | re.DOTALL,
)


@dataclass(frozen=True)
class Token:
    kind: str  # quoted, sign, word, end
    text: str
    at: int  # in characters from the start


def _short(text: str) -> str:
    return text if len(text) <= MAX_SHOWN_CHARACTERS else text[:MAX_SHOWN_CHARACTERS] + "..."


class FilterParser:
    """Recursive descent: a method for each rule of the grammar above. A subclass may know other fields."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.next = 0  # index of the next token
        self.depth = 0
        self.values = 0
        self.tokens: list[Token] = []
        at, end = 0, len(text.rstrip())
        while at < end:
            match = TOKEN.match(text, at)
            kind = match.lastgroup if match else None
            if match is None or kind is None:
                at += len(text[at:]) - len(text[at:].lstrip())
                raise self.error("a quotation mark is not closed", Token("word", text[at:], at))
            self.tokens.append(Token(kind, match[kind], match.start(kind)))
            at = match.end()
        self.tokens.append(Token("end", "", end))

    def error(self, what: str, token: Token | None = None) -> FilterError:
        token = token or self.current
        text = _short(self.text.strip())
        start, values = f"The filter '{text}' is invalid", {"filter": text, "reason": what}
        if not token.text:
            return FilterError(f"{start} at the end: {what}.", "filter_incomplete", **values)
        shown, at = _short(token.text), token.at + 1
        sentence = f'{start} at "{shown}" (character {at}): {what}.'
        return FilterError(sentence, "filter_invalid", token=shown, at=at, **values)

    @property
    def current(self) -> Token:
        return self.tokens[self.next]

    def take(self) -> Token:
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

    def field(self) -> str:
        words = [token.text for token in self.tokens[self.next : self.next + 2] if token.kind == "word"]
        for n in (2, 1):  # "album artist" before "album"
            if self.current.kind == "word" and len(words) >= n and (field := field_named(" ".join(words[:n]))):
                self.next += n
                return field
        raise self.error(f"a condition starts with one of {', '.join(map(shown_name, OPERATORS_OF_FIELD))}")

    def condition(self) -> Filter:
        field = self.field()
        negated = self.accept("not") is not None
        if self.accept("in"):
            tree = self.value_list(field)
            return Not(tree) if negated else tree
        token = self.current
        if not negated and token.kind == "word" and (ends := parse_range(field, token.text)):
            self.take()
            return within_range(field, ends)
        sign = self.accept(*SIGNS, "under")
        if negated or sign is None or sign not in OPERATORS_OF_FIELD[field].split():
            raise self.error(f"{shown_name(field)} must be followed by one of: {OPERATORS_OF_FIELD[field]}", token)
        if SIGNS.get(sign) == "contains":
            found = Compare(field, "contains", self.quoted_or_words(field))
            return found if sign == "~" else Not(found)
        value = self.value(field)
        if isinstance(value, tuple):
            if sign not in ("=", "!="):
                raise self.error(
                    f'a range cannot follow "{sign}"; write, for example, {shown_name(field)} = 1..9', token
                )
            return within_range(field, value) if sign == "=" else Not(within_range(field, value))
        return compare(field, SIGNS.get(sign, sign), value)

    def value_list(self, field: str) -> Filter:
        if not self.accept("("):
            raise self.error('"in" must be followed by a list in brackets, such as (jazz, blues)')
        values = [self.value(field)]
        while self.accept(","):
            values.append(self.value(field))
        self.close()
        plain = tuple(value for value in values if isinstance(value, str | float | int))
        parts: list[Filter] = [In(field, plain)] if plain else []
        for value in values:
            if isinstance(value, tuple):
                parts.append(within_range(field, value))
            elif not isinstance(value, str | float | int):  # a day
                parts.append(compare(field, "eq", value))
        return parts[0] if len(parts) == 1 else Or(tuple(parts))

    def value(self, field: str) -> Value | Range:
        """The value that comes next, as the field has it; "~" is a part of it."""
        token = self.current
        self.values += 1
        if self.values > MAX_VALUES:
            raise self.error(f"more than {MAX_VALUES} values")
        text = self.quoted_or_words(field)
        value = parse_value(field, text)
        if value is None and (ends := parse_range(field, text)):
            return ends
        if value is None:
            raise self.error(f"{shown_name(field)} must be compared with {EXPECTED[field]}", token)
        return value

    def quoted_or_words(self, field: str) -> str:
        """A quoted text without its quotes, or a word: "~" and what touches it count as one with it."""
        first = self.current
        if first.kind == "quoted":
            return re.sub(r"\\([\\\"'])", r"\1", self.take().text[1:-1])
        text = ""
        while self.current.kind == "word" or self.current.text in ("~", "!~"):
            if self.current.at != first.at + len(text) or (not text and self.current.text.lower() in KEYWORDS):
                break
            text += self.take().text
        if not text:
            raise self.error(f"a value for {shown_name(field)} is missing; in quotes it may be anything", first)
        return text


def parse_filter(text: str) -> Filter:
    """Parse a filter.

    >>> parse_filter("year >= 1980 and genre = jazz")
    And(parts=(Compare(field='year', op='ge', value=1980), Compare(field='genre', op='eq', value='jazz')))

    Raises:
        FilterError: a syntax error; the message shows where.
    """
    if not text.strip():
        raise FilterError('The filter is empty; write, for example, "year >= 1980 and genre in (jazz, blues)".')
    return FilterParser(text).complete()
