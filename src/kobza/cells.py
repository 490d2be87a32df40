"""Text in terminal cells: its width, cut at its end or in its middle, one line that keeps to its columns.

Letters of Chinese, Japanese and Korean take two cells, combining marks none; what the eye sees as one letter (a
grapheme) is never cut in two.
"""

import unicodedata
from itertools import accumulate

from wcwidth import iter_graphemes, width

ELLIPSIS = "…"
LEFT_TO_RIGHT_MARK = "\u200e"  # takes no cell
JOINERS = "\u200c\u200d"  # within words of Persian and of Indian languages, and within emojis
RIGHT_TO_LEFT = ("R", "AL")  # bidirectional classes: Hebrew and the like; Arabic and the like
MIN_FOLDER_CELLS = 3  # of a path's first folder, so that a shortened path still says something of it


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
    return width(text, control_codes="ignore")


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
        return f"{_start(folders[0], room) if room >= MIN_FOLDER_CELLS else ''}{ELLIPSIS}/{name}"
    return cut_middle(name, limit)


def padded(text: str, limit: int, right: bool = False) -> str:
    """The text with spaces up to `limit` cells. After letters that run from right to left a mark follows, so that a
    terminal that orders them does not draw them together with those of the next column.

    >>> padded("1:05", 6, right=True), padded("kobza", 6)
    ('  1:05', 'kobza ')
    """
    spaces = " " * (limit - cells(text))
    if any(unicodedata.bidirectional(c) in RIGHT_TO_LEFT for c in text):
        text += LEFT_TO_RIGHT_MARK
    return spaces + text if right else text + spaces


def _start(text: str, limit: int) -> str:
    """Its first graphemes, at most `limit` cells."""
    graphemes = list(iter_graphemes(text))
    return "".join(graphemes[: sum(total <= limit for total in accumulate(map(cells, graphemes)))])


def _end(text: str, limit: int) -> str:
    """Its last graphemes, at most `limit` cells."""
    graphemes = list(iter_graphemes(text))[::-1]
    return "".join(graphemes[: sum(total <= limit for total in accumulate(map(cells, graphemes)))][::-1])
