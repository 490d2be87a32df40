"""The nearest of the words that are known to one that is not."""

from collections.abc import Iterable
from difflib import get_close_matches


def nearest(word: str, known: Iterable[str]) -> str | None:
    """The known word that is most like `word`; None if none is like it.

    >>> nearest("serach", ["search", "similar"]), nearest("xylophone", ["search"])
    ('search', None)
    """
    by_lower = {one.lower(): one for one in known}
    found = get_close_matches(word.lower(), by_lower, n=1)
    return by_lower[found[0]] if found else None


def unknown(word: str, known: Iterable[str], kind: str) -> str:
    """A sentence on a word that is not known, without its full stop: the nearest known one, or all of them.

    >>> unknown("titel", ["title", "artist"], "column")
    "there is no column 'titel'; did you mean title?"
    >>> unknown("x", ["title", "artist"], "column")
    "there is no column 'x'; choose from title, artist"
    """
    names = list(known)
    near = nearest(word, names)
    return f"there is no {kind} {word!r}; " + (f"did you mean {near}?" if near else f"choose from {', '.join(names)}")
