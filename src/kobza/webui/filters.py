"""The filters of the page: those of the library, but with its folders in place of paths.

folder = "Jazz/Live"    folder in (Jazz, Blues)    folder != Live
"""

from kobza.library.filters.parser import FilterParser
from kobza.library.filters.tree import Filter, Not, Or
from kobza.webui.folders import Folders


class _PageFilterParser(FilterParser):
    """The filter language with the field `folder` and without `path`, which would tell what the server's paths are."""

    def __init__(self, text: str, folders: Folders):
        self.folders = folders
        super().__init__(text)

    def field(self) -> str:
        token = self.current
        field = super().field()
        if field == "path":
            raise self.error("the page does not know paths; filter by folder", token)
        return field

    def condition(self) -> Filter:
        if self.accept("folder") is None:
            return super().condition()
        negated = self.accept("not") is not None
        if self.accept("in"):
            if not self.accept("("):
                raise self.error('"in" must be followed by a list in brackets, such as (Jazz, "New York")')
            parts = [self.folder()]
            while self.accept(","):
                parts.append(self.folder())
            self.close()
            tree: Filter = parts[0] if len(parts) == 1 else Or(tuple(parts))
            return Not(tree) if negated else tree
        sign = self.accept("=", "!=")
        if negated or sign is None:
            raise self.error("folder must be followed by one of: = != in")
        return self.folder() if sign == "=" else Not(self.folder())

    def folder(self) -> Filter:
        return self.folders.under(self.quoted_or_words("folder"))


def page_filter(text: str, folders: Folders) -> Filter | None:
    """A filter of the page as a tree; None for an empty one.

    >>> page_filter("folder = Jazz and year = 1962", Folders(["/m"]))
    ... # doctest: +NORMALIZE_WHITESPACE
    And(parts=(Compare(field='path', op='under', value='/m/Jazz'),
               Compare(field='year', op='eq', value=1962)))

    Raises:
        LibraryError: a syntax error; the message shows where.
    """
    return _PageFilterParser(text, folders).complete() if text.strip() else None
