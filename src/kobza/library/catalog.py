"""The library without a query: its tracks in an order, and the values of a field with their counts."""

import os
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any, TypeVar

from kobza.library.filters.parser import field_named, shown_name
from kobza.library.filters.tree import NUMBERS, SEPARATOR, SEVERAL_VALUES, TEXT, normalize_text
from kobza.library.filters.unknown_values import explain, unknown_values
from kobza.library.filters.where import Where, filter_tree
from kobza.library.records import LibraryError, Track
from kobza.library.stores.base import Store

FIELDS = ("path", *TEXT, *NUMBERS)
Value = TypeVar("Value", str, str | float)  # of a field


class Catalog:
    """What a `MusicLibrary` tells without a query. `where` is a filter, as text or as a tree."""

    store: Store

    def tracks(self, where: Where = None, sort: str = "path") -> list[Track]:
        """The tracks that pass a filter, in the order of a field: "year", or "year-" from the largest.

        Raises:
            LibraryError: an invalid filter or field.
        """
        return in_order(self.store.select(filter_tree(where)), sort)

    def values(self, field: str, where: Where = None) -> list[tuple[str | float, int]]:
        """The values of a field, such as "genre", each with its number of tracks; the most frequent first.

        Raises:
            LibraryError: an invalid filter or field.
        """
        name = known_field(field)
        return value_counts(self.store.select(filter_tree(where)), name)

    def unknown_values(self, where: Where, found: Sequence[Track]) -> list[str]:
        """A sentence for each value of a filter that no track has, with the nearest that there are.

        Args:
            found: tracks that pass, or some of them: the values that they have need no look into the library.
        """
        tree = filter_tree(where)
        unknown = unknown_values(tree, found, lambda one: self.store.select(one, 1)) if tree is not None else []
        return [explain(one, [str(value) for value, _ in self.values(one.field)]) for one in unknown]


def known_field(name: str) -> str:
    """The attribute of `Track` that a field's name means. LibraryError: there is none of this name."""
    field = field_named(name)
    if field is None:
        raise LibraryError(f'There is no field "{name}"; the fields are {", ".join(map(shown_name, FIELDS))}.')
    return field


def in_order(tracks: Iterable[Track], sort: str = "path") -> list[Track]:
    """Tracks by a field, "year" from the smallest, "year-" from the largest; unknown values last, then by path.

    >>> [track.path for track in in_order([Track("a"), Track("b", year=1999), Track("c", year=1980)], "year-")]
    ['b', 'c', 'a']
    """
    descending = sort.endswith("-")
    field = known_field(sort.removesuffix("-"))
    by_path = sorted(tracks, key=lambda track: os.fsencode(track.path))
    known = [track for track in by_path if getattr(track, field) not in (None, "")]
    unknown = [track for track in by_path if getattr(track, field) in (None, "")]

    def key(track: Track) -> Any:
        value = getattr(track, field)
        return normalize_text(value) if isinstance(value, str) else value

    return sorted(known, key=key, reverse=descending) + unknown


def value_counts(tracks: Iterable[Track], field: str) -> list[tuple[str | float, int]]:
    """The values of a field, each with the number of tracks that have it, the most frequent first.

    Several values of one tag count each. Spellings that filters do not tell apart are one, as most tracks have it.

    >>> value_counts([Track("a", genre="Jazz; Blues"), Track("b", genre="jazz"), Track("c", genre="Jazz")], "genre")
    [('Jazz', 3), ('Blues', 1)]
    """
    counts = merge_spellings(Counter(value for track in tracks for value in values_of(track, field)))
    return sorted(counts.items(), key=lambda pair: (-pair[1], str(pair[0])))


def merge_spellings(counts: Counter[Value]) -> Counter[Value]:
    """Values that filters do not tell apart are one, spelled as most often.

    >>> merge_spellings(Counter({"Jazz": 3, "jazz": 1}))
    Counter({'Jazz': 4})
    """
    spellings: dict[object, Counter[Value]] = {}
    for value, number in counts.items():
        key = normalize_text(value) if isinstance(value, str) else value
        spellings.setdefault(key, Counter())[value] += number
    return Counter({counter.most_common(1)[0][0]: counter.total() for counter in spellings.values()})


def values_of(track: Track, field: str) -> list[str | float]:
    """
    >>> values_of(Track("a", genre="Jazz; Blues"), "genre"), values_of(Track("a"), "year")
    (['Jazz', 'Blues'], [])
    """
    value = getattr(track, field)
    if value in (None, ""):
        return []
    return list(dict.fromkeys(value.split(SEPARATOR))) if field in SEVERAL_VALUES else [value]
