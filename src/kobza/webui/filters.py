"""The filters of the page: those of the library, but with its folders in place of paths, and with areas of the map.

folder = "Jazz/Live"    folder in (Jazz, Blues)    folder != Live    area = "0.1,0.2 0.3,0.2 0.3,0.4"
"""

from collections.abc import Callable

from kobza.library.filters.parser import FilterParser
from kobza.library.filters.tree import Filter, Not, Or
from kobza.webui.errors import PageError
from kobza.webui.folders import Folders

FilterOf = Callable[[str], Filter]


class _PageFilterParser(FilterParser):
    """The filter language with the fields `folder` and `area`, and without `path`, which would tell what the server's
    paths are."""

    def __init__(self, text: str, folders: Folders, area: FilterOf):
        self.filters: dict[str, FilterOf] = {"folder": folders.under, "area": area}
        super().__init__(text)

    def field(self) -> str:
        token = self.current
        field = super().field()
        if field == "path":
            raise self.error("the page does not know paths; filter by folder", token)
        return field

    def condition(self) -> Filter:
        field = self.accept(*self.filters)
        if field is None:
            return super().condition()
        negated = self.accept("not") is not None
        if self.accept("in"):
            if not self.accept("("):
                raise self.error('"in" must be followed by a list in brackets, such as (Jazz, "New York")')
            parts = [self.one(field)]
            while self.accept(","):
                parts.append(self.one(field))
            self.close()
            tree: Filter = parts[0] if len(parts) == 1 else Or(tuple(parts))
            return Not(tree) if negated else tree
        sign = self.accept("=", "!=")
        if negated or sign is None:
            raise self.error(f"{field} must be followed by one of: = != in")
        return self.one(field) if sign == "=" else Not(self.one(field))

    def one(self, field: str) -> Filter:
        return self.filters[field](self.quoted_or_words(field))


def no_area(text: str) -> Filter:
    """Where there is no map."""
    raise PageError("map_none")


def page_filter(text: str, folders: Folders, area: FilterOf = no_area) -> Filter | None:
    """A filter of the page as a tree; None for an empty one.

    Args:
        area: the filter for what lies inside an outline of the map, `LibraryMap.area`.

    >>> page_filter("folder = Jazz and year = 1962", Folders(["/m"]))
    ... # doctest: +NORMALIZE_WHITESPACE
    And(parts=(Compare(field='path', op='under', value='/m/Jazz'),
               Compare(field='year', op='eq', value=1962)))

    Raises:
        LibraryError: a syntax error; the message shows where.
    """
    return _PageFilterParser(text, folders, area).complete() if text.strip() else None
