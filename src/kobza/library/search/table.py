"""A table of hits: one line a hit, no wider than the terminal."""

import os
import urllib.parse
from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from kobza.audio import printable
from kobza.cells import cells, cut_end, cut_middle, padded
from kobza.library.paths import is_url, under
from kobza.library.records import Hit
from kobza.library.search.columns import COLUMNS

GAP = 2  # cells between columns
DEFAULT_COLUMNS = ("score", "match", "title", "artist", "moment", "path")
DROPPED_IF_NARROW = ("score", "artist", "moment")  # of the default ones, in this order
MIN_CELLS = 10  # of a default column that is cut, before another is dropped


class Cell(NamedTuple):
    """Text of exactly its column's width, and the address that it links to ("" for none)."""

    text: str
    link: str = ""


def table(
    hits: Sequence[Hit], columns: Sequence[str] | None = None, width: int | None = None, roots: Iterable[str] = ()
) -> list[list[Cell]]:
    """The lines of a table, the headings first; together with `GAP` between its cells, a line has at most `width` cells.

    Args:
        columns: names in `COLUMNS`; by default those of `DEFAULT_COLUMNS` that have something to say and have room.
        width: of the terminal, in cells. None: nothing is cut, and paths are complete.
        roots: the library's folders, to which paths are relative.
    """
    names = list(columns or DEFAULT_COLUMNS)
    if not columns and not any(hit.match for hit in hits):
        names.remove("match")
    texts = {name: [COLUMNS[name].text(hit) for hit in hits] for name in names}
    suffixes = [""] * len(hits)
    if width is not None:
        if "path" in names:
            texts["path"] = [printable(path) for path in relative_paths([hit.track.path for hit in hits], roots)]
        suffixes = distinctions(hits)
        if "title" in names:
            texts["title"] = [text + suffix for text, suffix in zip(texts["title"], suffixes, strict=True)]
    heads = {name: COLUMNS[name].head or name.replace("_", " ") for name in names}
    natural = {name: max(map(cells, [heads[name], *texts[name]])) for name in names}
    if width is None:
        widths = natural
    elif columns:
        widths = _fit(natural, width)
    else:
        widths = _fit_default(natural, width)
    links = [link_to(hit.track.path) for hit in hits]
    linked = "path" if "path" in widths else "title"
    lines = [[Cell(padded(cut_end(heads[n], w), w, COLUMNS[n].right)) for n, w in widths.items()]]
    for row, link in enumerate(links):
        line = []
        for name, limit in widths.items():
            if name == "title":
                text = _cut_title(texts[name][row], suffixes[row], limit)
            else:
                text = COLUMNS[name].cut(texts[name][row], limit)
            line.append(Cell(padded(text, limit, COLUMNS[name].right), link if name == linked else ""))
        lines.append(line)
    return lines


def _cut_title(text: str, suffix: str, limit: int) -> str:
    """A title with what tells it apart, of which as much as half of the cell is kept."""
    if not suffix or cells(text) <= limit:
        return cut_end(text, limit)
    end = cut_middle(suffix, max(limit // 2, limit - cells(text.removesuffix(suffix))))
    return cut_end(text.removesuffix(suffix), limit - cells(end)) + end


def _fit_default(natural: dict[str, int], width: int) -> dict[str, int]:
    """`_fit`, without some columns if the others would be too narrow to be read."""
    names = dict(natural)
    for dropped in DROPPED_IF_NARROW:
        widths = _fit(names, width)
        if all(widths.get(name, 0) >= min(MIN_CELLS, wanted) for name, wanted in names.items() if COLUMNS[name].share):
            break
        if dropped != "score" or "match" in names:  # of these two one stays
            names.pop(dropped, None)
    return _fit(names, width)


def _fit(natural: dict[str, int], width: int) -> dict[str, int]:
    """Widths that, with the gaps, add up to at most `width`: columns with a share are narrowed to what is left by the
    others; columns for which nothing is left are not there.

    >>> _fit({"score": 5, "title": 30, "path": 90}, 49)
    {'score': 5, 'title': 20, 'path': 20}
    """
    left = width - GAP * (len(natural) - 1)
    widths = {}
    for name, wanted in natural.items():
        if not COLUMNS[name].share:
            widths[name] = min(wanted, max(left, 0))
            left -= widths[name]
    flexible = [name for name in natural if COLUMNS[name].share]
    while flexible:
        unit = max(left, 0) / sum(COLUMNS[name].share for name in flexible)
        narrow = [name for name in flexible if natural[name] <= unit * COLUMNS[name].share]
        for name in narrow or flexible:
            widths[name] = natural[name] if narrow else int(unit * COLUMNS[name].share)
            left -= widths[name]
        flexible = [name for name in flexible if narrow and name not in narrow]
    if len(natural) > 1 and any(not widths[name] for name in natural):
        return _fit({name: wanted for name, wanted in list(natural.items())[:-1]}, width)
    return {name: widths[name] for name in natural}


def relative_paths(paths: Sequence[str], roots: Iterable[str]) -> list[str]:
    """Each path relative to the folder among `roots` that it is in; if these are several, with that folder's name.

    >>> relative_paths(["/music/a/b.mp3", "/usb/c.mp3", "/d.mp3"], ["/music", "/usb"])
    ['music/a/b.mp3', 'usb/c.mp3', '/d.mp3']
    """
    folders = sorted(roots, key=len, reverse=True)
    roots_of = [next((folder for folder in folders if under(path, folder)), "") for path in paths]
    shown = []
    for path, root in zip(paths, roots_of, strict=True):
        start = root if root != path and len(folders) == 1 else os.path.dirname(root)
        shown.append(path[len(start) :].lstrip("/") if root else path)
    return shown


def distinctions(hits: Sequence[Hit]) -> list[str]:
    """For each hit what tells it from others of the same title and artist, such as " (Live in Kyiv)": the album where
    each has another, otherwise the folder, or the file's name; "" where nothing has to be told apart."""
    same = defaultdict(list)
    for index, hit in enumerate(hits):
        same[hit.track.title.casefold(), hit.track.artist.casefold()].append(index)
    found = [""] * len(hits)
    for indexes in same.values():
        tracks = [hits[index].track for index in indexes]
        albums = [COLUMNS["album"].text(hits[index]) for index in indexes]
        folders = [printable(os.path.basename(os.path.dirname(track.path))) for track in tracks]
        files = [printable(os.path.basename(track.path)) for track in tracks]
        told = next((names for names in (albums, folders) if "" not in names and len(set(names)) == len(names)), files)
        if len(indexes) > 1:
            for index, name in zip(indexes, told, strict=True):
                found[index] = f" ({name})"
    return found


def link_to(path: str) -> str:
    """The address that a terminal opens for a path; a URL that only fsspec understands has none.

    >>> link_to("/music/a b.mp3"), link_to("s3://bucket/a.mp3")
    ('file:///music/a%20b.mp3', '')
    """
    if is_url(path):
        return path if path.startswith(("http://", "https://")) else ""
    return "file://" + urllib.parse.quote(os.fsencode(path))
