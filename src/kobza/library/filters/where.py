"""A filter as users give it: text, or a tree."""

from kobza.library.filters.parser import parse_filter
from kobza.library.filters.tree import Filter

Where = str | Filter | None


def filter_tree(where: Where) -> Filter | None:
    """The filter as a tree; None for all tracks. LibraryError: the text is no filter."""
    return parse_filter(where) if isinstance(where, str) else where
