"""Values of a filter that no track has, with the nearest that the library has."""

import difflib
from collections.abc import Callable, Iterator, Sequence

from kobza.library.filters.parser import shown_name
from kobza.library.filters.tree import TEXT, And, Compare, Filter, In, Not, Or, matches, normalize_text
from kobza.library.records import Track

MAX_VALUES = 20  # of a filter that are looked up
MAX_NEAREST = 5
MIN_LIKENESS = 0.6


def text_values(tree: Filter) -> Iterator[Compare]:
    """The comparisons of texts for equality in a filter; negated ones, too, because a misspelt one excludes nothing."""
    if isinstance(tree, And | Or):
        for part in tree.parts:
            yield from text_values(part)
    elif isinstance(tree, Not):
        yield from text_values(tree.part)
    elif tree.field in TEXT:
        values = tree.values if isinstance(tree, In) else (tree.value,) if tree.op in ("eq", "ne") else ()
        yield from (Compare(tree.field, "eq", value) for value in values if value)


def unknown_values(tree: Filter, found: Sequence[Track], select: Callable[[Filter], Sequence[Track]]) -> list[Compare]:
    """The values of the filter that no track has. What a found track has needs no look into the library.

    Args:
        select: the library's tracks that pass a filter.
    """
    unknown = []
    for one in [*dict.fromkeys(text_values(tree))][:MAX_VALUES]:
        if not any(matches(one, track) for track in found) and not select(one):
            unknown.append(one)
    return unknown


def nearest(value: str, values: Sequence[str]) -> list[str]:
    """The most similar of the library's values: those with the same beginning or words, or few other letters.

    >>> nearest("blus", ["Jazz", "Blues", "Blues Rock"]), nearest("metal", ["Heavy Metal", "Pop"])
    (['Blues'], ['Heavy Metal'])
    """
    by_text = {normalize_text(one): one for one in values}
    text = normalize_text(value)
    close = difflib.get_close_matches(text, by_text, MAX_NEAREST, MIN_LIKENESS)
    containing = [one for one in by_text if text in one and one not in close]
    return [by_text[one] for one in (close + containing)[:MAX_NEAREST]]


def explain(one: Compare, values: Sequence[str]) -> str:
    """A sentence about a value that no track has. `values`: those of the field, the most frequent first.

    >>> explain(Compare("genre", "eq", "blus"), ["Jazz", "Blues"])
    'No track has the genre "blus"; the nearest is "Blues".'
    """
    start = f'No track has the {shown_name(one.field)} "{one.value}"'
    if not values:
        return f"{start}; no track has any."
    found = nearest(str(one.value), values)
    some = ", ".join(f'"{value}"' for value in found or values[:MAX_NEAREST])
    if found:
        return f"{start}; the nearest {'is' if len(found) == 1 else 'are'} {some}."
    return f"{start}; the commonest {'is' if len(values) == 1 else 'are'} {some}."
