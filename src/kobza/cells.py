"""Text in terminal cells: its width, cut at its end or in its middle, one line that keeps to its columns.

Letters of Chinese, Japanese and Korean take two cells, combining marks none; what the eye sees as one letter (a
grapheme) is never cut in two.
"""

import os
import unicodedata
from itertools import accumulate
from typing import NamedTuple

from kobza.audio_source import JOINERS

ELLIPSIS = "…"
LEFT_TO_RIGHT_MARK = "\u200e"  # takes no cell
TERMINALS = {"VTE_VERSION": "vte", "KONSOLE_VERSION": "konsole"}  # whose TERM and TERM_PROGRAM do not say their names
STRONG = ("L", "R", "AL")  # bidirectional classes of letters: left to right; Hebrew and the like; Arabic
MIN_FOLDER_CELLS = 3  # of a path's first folder, so that a shortened path still says something of it


class Cell(NamedTuple):
    """Text in a table with the address that it links to ("" for none), and what stands before and after it."""

    text: str
    before: str = ""
    after: str = ""
    link: str = ""


def one_line(text: str) -> str:
    """The text without line breaks, control characters (a tag must not steer the terminal) and marks of direction.

    >>> one_line("a\\n b\\x1b[31m")
    'a b[31m'
    """
    kept = (c if c.isprintable() or c in JOINERS else " " if c.isspace() else "" for c in text)
    return " ".join("".join(kept).split())


def cells(text: str) -> int:
    """
    >>> cells("kobza"), cells("日本"), cells("e\\u0301")
    (5, 4, 1)
    """
    if text.isascii():
        return len(text)
    from wcwidth import width  # imported here: most tables have no other letters

    return width(text, control_codes="ignore", term_program=_terminal())


def _terminal() -> str | bool:
    """For wcwidth, which knows how terminals differ in joined emojis and Indian vowels; True lets it look itself."""
    known = (name for variable, name in TERMINALS.items() if variable in os.environ)
    return next(known, True)


def cut_end(text: str, limit: int) -> str:
    """The text, shortened at its end to at most `limit` cells.

    >>> cut_end("Moonlight Sonata", 10)
    'Moonlight…'
    """
    return text if cells(text) <= limit else _start(text, limit - 1).rstrip() + ELLIPSIS[:limit]


def cut_middle(text: str, limit: int) -> str:
    """The text, shortened in its middle; the end keeps more, because a name's end is what differs.

    >>> cut_middle("Symphony 5, movement 2", 13)
    'Symp…vement 2'
    """
    if cells(text) <= limit:
        return text
    head = _start(text, (limit - 1) * 2 // 5)
    return head + ELLIPSIS[:limit] + _end(text, limit - 1 - cells(head))


def cut_path(path: str, limit: int) -> str:
    """A path, shortened in its middle: whole folders as far as possible, and the file's name as long as there is room.

    >>> cut_path("Bach/Cello Suites/Casals 1936/Suite 1 - Prelude.flac", 34)
    'Bach/…/Suite 1 - Prelude.flac'
    """
    if cells(path) <= limit:
        return path
    *folders, name = path.split("/")
    for first_kept in range(2, len(folders) + 1):  # the nearest folders are dropped last
        short = "/".join([folders[0], ELLIPSIS, *folders[first_kept:], name])
        if cells(short) <= limit:
            return short
    room = limit - cells(f"{ELLIPSIS}/{name}")
    if folders and room >= 0:
        first = _start(folders[0], room).rstrip() if room >= MIN_FOLDER_CELLS else ""
        return f"{first}{ELLIPSIS}/{name}"
    return cut_middle(name, limit)


def padding(text: str, limit: int, right: bool = False) -> tuple[str, str]:
    """What stands before and after the text in a column of `limit` cells.

    After text that ends in letters that run from right to left there is a mark, so that a terminal that orders them
    does not draw the next column, if that runs so, too, before this one.

    >>> padding("1:05", 6, right=True), padding("kobza", 6)
    (('  ', ''), ('', ' '))
    """
    spaces = " " * (limit - cells(text))
    directions = () if text.isascii() else map(unicodedata.bidirectional, reversed(text))
    mark = LEFT_TO_RIGHT_MARK if next((kind for kind in directions if kind in STRONG), "L") != "L" else ""
    return (spaces, mark) if right else ("", mark + spaces)


def _start(text: str, limit: int) -> str:
    """Its first graphemes, at most `limit` cells."""
    if text.isascii():
        return text[: max(limit, 0)]
    graphemes = _graphemes(text)
    return "".join(graphemes[: sum(total <= limit for total in accumulate(map(cells, graphemes)))])


def _end(text: str, limit: int) -> str:
    """Its last graphemes, at most `limit` cells."""
    if text.isascii():
        return text[max(len(text) - max(limit, 0), 0) :]
    graphemes = _graphemes(text)[::-1]
    return "".join(graphemes[: sum(total <= limit for total in accumulate(map(cells, graphemes)))][::-1])


def _graphemes(text: str) -> list[str]:
    from wcwidth import iter_graphemes

    return list(iter_graphemes(text))
