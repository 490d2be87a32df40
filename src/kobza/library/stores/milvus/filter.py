"""Filters as expressions of Milvus.

The only user input in an expression is numbers, digests of text, and quoted paths.
"""

import re

from kobza.library.filters.tree import TEXT, And, Compare, Filter, In, Not, Or
from kobza.library.stores.milvus.rows import NO_YEAR, digest, to_text

NEVER = "duration < -1.0"  # matches no row
SIGNS = {"eq": "==", "lt": "<", "le": "<=", "gt": ">", "ge": ">="}
ESCAPES = {"\\": "\\\\", '"': '\\"', "\n": "\\n", "\r": "\\r"}


def quoted(text: str) -> str:
    r"""A string literal of Milvus.

    >>> print(quoted('/music/7" singles'))
    "/music/7\" singles"
    """
    return '"' + re.sub(r'[\\"\n\r]', lambda match: ESCAPES[match[0]], text) + '"'


def to_expression(tree: Filter) -> str:
    """The filter in Milvus's expression language; it selects what `filters.tree.matches` does."""
    if isinstance(tree, And | Or):
        return _join([to_expression(part) for part in tree.parts], "and" if isinstance(tree, And) else "or")
    if isinstance(tree, Not):
        return f"(not ({to_expression(tree.part)}))"
    if isinstance(tree, In):
        values = ", ".join(_literal(tree.field, value) for value in tree.values)
        return f"({tree.field} in [{values}])" if values else f"({NEVER})"
    if tree.op == "ne":
        return f"(not {to_expression(Compare(tree.field, 'eq', tree.value))})"
    if tree.op == "under":
        path = to_text(str(tree.value))
        prefix = path.rstrip("/")
        # "0" is the character after "/", so this range is all that begins with the folder and a slash.
        return f"((path == {quoted(path)}) or (path >= {quoted(prefix + '/')} and path < {quoted(prefix + '0')}))"
    condition = f"({tree.field} {SIGNS[tree.op]} {_literal(tree.field, tree.value)})"
    return f"({condition} and (year != {NO_YEAR}))" if tree.field == "year" else condition


def _literal(field: str, value: str | float) -> str:
    if field in TEXT:
        return str(digest(str(value)))
    return quoted(to_text(str(value))) if field == "path" else repr(float(value))


def _join(parts: list[str], operator: str) -> str:
    """Nested as a balanced tree, so that a chain of a thousand does not exceed the parser's depth."""
    if len(parts) == 1:
        return parts[0]
    half = len(parts) // 2
    return f"({_join(parts[:half], operator)} {operator} {_join(parts[half:], operator)})"
