"""Filters as expressions of Milvus.

The only user input in an expression is numbers, digests of text, and quoted paths. What the columns cannot answer (a
part of a text, a comment, the texts of a library of schema 1) an expression leaves open: it then selects some tracks
too many, which `filters.tree.matches` has to sort out.
"""

import re

from kobza.library.filters.tree import (
    OPTIONAL_NUMBERS,
    SEPARATOR,
    SEVERAL_VALUES,
    And,
    Compare,
    Filter,
    In,
    Not,
    Or,
    normalize_text,
)
from kobza.library.paths import has_parts
from kobza.library.stores.milvus.rows import NO_NUMBER, NUMBER_FIELDS, SCHEMA, TEXT_FIELDS, digest, to_text

NEVER = "duration < -1.0"  # matches no row
SIGNS = {"eq": "==", "lt": "<", "le": "<=", "gt": ">", "ge": ">="}
ESCAPES = {"\\": "\\\\", '"': '\\"', "\n": "\\n", "\r": "\\r"}
NUMBERS_OF_SCHEMA_1 = ("duration", "added", "year")


def quoted(text: str) -> str:
    r"""A string literal of Milvus.

    >>> print(quoted('/music/7" singles'))
    "/music/7\" singles"
    """
    return '"' + re.sub(r'[\\"\n\r]', lambda match: ESCAPES[match[0]], text) + '"'


def is_exact(tree: Filter, schema: int = SCHEMA) -> bool:
    """Whether `to_expression` selects what `filters.tree.matches` does, and not more.

    >>> is_exact(Compare("year", "ge", 1980)), is_exact(Compare("title", "contains", "love"))
    (True, False)
    """
    if isinstance(tree, And | Or):
        return all(is_exact(part, schema) for part in tree.parts)
    if isinstance(tree, Not):
        return is_exact(tree.part, schema)
    if tree.field == "path":
        return True
    if tree.field in NUMBER_FIELDS:
        return schema > 1 or tree.field in NUMBERS_OF_SCHEMA_1
    if schema == 1 or tree.field not in TEXT_FIELDS:
        return False
    if isinstance(tree, In):
        return not any(_is_several(tree.field, value) for value in tree.values)
    return tree.op in ("eq", "ne") and not _is_several(tree.field, tree.value)


def to_expression(tree: Filter, schema: int = SCHEMA, negated: bool = False) -> str:
    """The filter, or its negation, in Milvus's expression language; "" selects all."""
    if isinstance(tree, Not):
        return to_expression(tree.part, schema, not negated)
    if isinstance(tree, And | Or):
        parts = [to_expression(part, schema, negated) for part in tree.parts]
        if isinstance(tree, And) != negated:
            parts = [part for part in parts if part]
            return _join(parts, "and") if parts else ""
        return _join(parts, "or") if all(parts) else ""
    if not is_exact(tree, schema):
        return ""
    if isinstance(tree, Compare) and tree.op == "ne":
        return to_expression(Compare(tree.field, "eq", tree.value), schema, not negated)
    return f"(not {_condition(tree)})" if negated else _condition(tree)


def _is_several(field: str, value: str | float) -> bool:
    """Several values at once, which a track may have among others."""
    return field in SEVERAL_VALUES and SEPARATOR in normalize_text(str(value))


def _condition(tree: Compare | In) -> str:
    if isinstance(tree, In):
        values = ", ".join(_literal(tree.field, value) for value in tree.values)
        if not values:
            return f"({NEVER})"
        if tree.field in TEXT_FIELDS:
            return f"(array_contains_any(texts, [{values}]))"
        return f"({tree.field} in [{values}])"
    if tree.op == "under":
        path = to_text(str(tree.value))
        prefix = path.rstrip("/")
        # "0" is the character after "/", so this range is all that begins with the folder and a slash.
        inside = f"(path == {quoted(path)}) or (path >= {quoted(prefix + '/')} and path < {quoted(prefix + '0')})"
        if has_parts(path):  # "#" and a digit: ":" is the character after "9"
            inside += f" or (path >= {quoted(path + '#0')} and path < {quoted(path + '#:')})"
        return f"({inside})"
    literal = _literal(tree.field, tree.value)
    if tree.field in TEXT_FIELDS:
        return f"(array_contains(texts, {literal}))"
    condition = f"({tree.field} {SIGNS[tree.op]} {literal})"
    return f"({condition} and ({tree.field} != {NO_NUMBER}))" if tree.field in OPTIONAL_NUMBERS else condition


def _literal(field: str, value: str | float) -> str:
    if field in TEXT_FIELDS:
        return str(digest(field, normalize_text(str(value))))
    return quoted(to_text(str(value))) if field == "path" else repr(float(value))


def _join(parts: list[str], operator: str) -> str:
    """Nested as a balanced tree, so that a chain of a thousand does not exceed the parser's depth."""
    if len(parts) == 1:
        return parts[0]
    half = len(parts) // 2
    return f"({_join(parts[:half], operator)} {operator} {_join(parts[half:], operator)})"
