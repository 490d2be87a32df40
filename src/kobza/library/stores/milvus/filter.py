"""A filter as an expression of Milvus.

Nothing of what a person wrote goes into one but numbers, digests, and a path in quotes.
"""

import re

from kobza.library.filters.tree import TEXT, And, Compare, Filter, In, Not, Or
from kobza.library.stores.milvus.rows import NO_YEAR, digest, to_text

NOTHING = "duration < -1.0"
SIGNS = {"eq": "==", "lt": "<", "le": "<=", "gt": ">", "ge": ">="}
ESCAPES = {"\\": "\\\\", '"': '\\"', "\n": "\\n", "\r": "\\r"}


def quoted(text: str) -> str:
    return '"' + re.sub(r'[\\"\n\r]', lambda odd: ESCAPES[odd[0]], text) + '"'


def to_expression(tree: Filter) -> str:
    """The tree in Milvus's language; it means what `filters.matches` does."""
    if isinstance(tree, And | Or):
        return _joined([to_expression(part) for part in tree.parts], "and" if isinstance(tree, And) else "or")
    if isinstance(tree, Not):
        return f"(not ({to_expression(tree.part)}))"
    if isinstance(tree, In):
        values = ", ".join(_literal(tree.field, value) for value in tree.values)
        return f"({tree.field} in [{values}])" if values else f"({NOTHING})"
    if tree.op == "ne":
        return f"(not {to_expression(Compare(tree.field, 'eq', tree.value))})"
    if tree.op == "under":
        value = to_text(tree.value)
        prefix = value.rstrip("/")  # "0" follows "/"
        return f"((path == {quoted(value)}) or (path >= {quoted(prefix + '/')} and path < {quoted(prefix + '0')}))"
    condition = f"({tree.field} {SIGNS[tree.op]} {_literal(tree.field, tree.value)})"
    return f"({condition} and (year != {NO_YEAR}))" if tree.field == "year" else condition


def _literal(field: str, value: str | float) -> str:
    if field in TEXT:
        return str(digest(value))
    return quoted(to_text(value)) if field == "path" else repr(float(value))


def _joined(parts: list[str], word: str) -> str:
    """Bracketed by halves: no parser has to go a thousand levels down a chain of a thousand."""
    if len(parts) == 1:
        return parts[0]
    half = len(parts) // 2
    return f"({_joined(parts[:half], word)} {word} {_joined(parts[half:], word)})"
