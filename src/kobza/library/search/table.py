"""A table of hits: one line a hit, no wider than the terminal."""

import os
import urllib.parse
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from kobza.audio import printable
from kobza.cells import Cell, cells, cut_end, cut_middle, one_line, padding
from kobza.library.paths import is_url, under
from kobza.library.records import Hit, Track
from kobza.library.search.columns import COLUMNS

UNAVAILABLE = " (not there now)"  # after a title: the file's disc may not be connected
UNAVAILABLE_SHORT = " (away)"
GAP = 2  # cells between columns
MIN_LABEL_CELLS = 4  # of what tells same titles apart
MIN_CELLS = 10  # of a column that is cut, before another is dropped


class Layout(NamedTuple):
    """The columns of a table, by their names in `COLUMNS`, and which of them a narrow terminal goes without, in this
    order."""

    columns: tuple[str, ...]
    dropped_if_narrow: tuple[str, ...] = ()


HITS = Layout(("score", "match", "title", "artist", "moment", "path"), ("score", "artist", "moment"))


def table(
    hits: Sequence[Hit], layout: Layout = HITS, width: int | None = None, roots: Iterable[str] = ()
) -> list[list[Cell]]:
    """The lines of a table, the headings first; each has at most `width` cells of the terminal.

    Args:
        layout: its columns; "match" is left out of `HITS` if no hit has one.
        width: of the terminal, in cells. None: nothing is cut, and paths are complete.
        roots: the library's folders, to which paths are relative.
    """
    names = [name for name in layout.columns if layout != HITS or name != "match" or any(hit.match for hit in hits)]
    texts = {name: [COLUMNS[name].text(hit) for hit in hits] for name in names}
    labels = [""] * len(hits)
    if width is not None:
        if "path" in names:
            texts["path"] = [printable(path) for path in relative_paths([hit.track.path for hit in hits], roots)]
        labels = distinctions(hits)
        if "title" in names:
            texts["title"] = [
                text + label + UNAVAILABLE * (not hit.available)
                for text, label, hit in zip(texts["title"], labels, hits, strict=True)
            ]
    heads = {name: COLUMNS[name].head or name.replace("_", " ") for name in names}
    natural = {name: max(map(cells, [heads[name], *texts[name]])) for name in names}
    widths = natural if width is None else _fit(_with_room(natural, layout.dropped_if_narrow, width), width)
    links = [link_to(hit.track.path) for hit in hits]
    linked = "path" if "path" in widths else "title"
    lines = [_line({name: (cut_end(heads[name], limit), "") for name, limit in widths.items()}, widths)]
    for row, link in enumerate(links):
        cut = {}
        for name, limit in widths.items():
            if name == "title":
                text = texts[name][row]
                text = text if cells(text) <= limit else _short_title(hits[row], labels[row], limit)
            else:
                text = COLUMNS[name].cut(texts[name][row], limit)
            cut[name] = (text, link if name == linked else "")
        lines.append(_line(cut, widths))
    return lines


def _line(texts: dict[str, tuple[str, str]], widths: dict[str, int]) -> list[Cell]:
    """Cells with the spaces between them, of texts with the addresses that they link to."""
    line: list[Cell] = []
    for name, (text, link) in texts.items():
        before, after = padding(text, widths[name], COLUMNS[name].right)
        line.append(Cell(text, " " * GAP * bool(line) + before, after, link))
    return [*line[:-1], line[-1]._replace(after="")]


def _short_title(hit: Hit, label: str, limit: int) -> str:
    """A title with its notes in `limit` cells: the number of copies, the label that tells it apart, of which as much as
    half of the cell is kept, and whether the file is away.

    >>> hit = Hit(3.0, Track("https://host/a.mp3", "Rain on the Window"), 0.0, copies=("/b.mp3",))
    >>> [_short_title(hit, " (Live)", limit) for limit in (28, 20, 12)]
    ['Rain on the Window +1 (Live)', 'Rain on t… +1 (Live)', 'Rain on… +1']
    """
    title = one_line(hit.track.title)
    note = f" +{len(hit.copies)}" if hit.copies else ""
    for away in ("",) if hit.available else (UNAVAILABLE_SHORT, ""):
        room = max((limit + 1) // 2 - cells(note + away), limit - cells(title + note + away))
        if room >= MIN_LABEL_CELLS or not label:
            break
    end = note + (cut_middle(label, room) if room >= MIN_LABEL_CELLS else "") + away
    return cut_end(title, limit - cells(end)) + end if cells(end) < limit else cut_end(title, limit)


def _with_room(natural: dict[str, int], dropped_if_narrow: Sequence[str], width: int) -> dict[str, int]:
    """The columns, without some if the others would be too narrow to be read."""
    names = dict(natural)
    for dropped in dropped_if_narrow:
        widths = _fit(names, width)
        if all(widths.get(name, 0) >= min(MIN_CELLS, wanted) for name, wanted in names.items() if COLUMNS[name].share):
            break
        if dropped != "score" or "match" in names:  # of these two one stays
            names.pop(dropped, None)
    return names


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
    """For each hit what tells it from others of the same title and artist, such as " (Live in Kyiv)": its album if none
    of them has the same, otherwise its folder, or what the file's name has besides the title; "" where nothing has to
    be told apart."""
    same = defaultdict(list)
    for index, hit in enumerate(hits):
        same[hit.track.title.casefold(), hit.track.artist.casefold()].append(index)
    found = [""] * len(hits)
    for indexes in same.values():
        if len(indexes) == 1:
            continue
        names = [_places(hits[index].track) for index in indexes]
        counts = [Counter(level) for level in zip(*names, strict=True)]
        for index, own in zip(indexes, names, strict=True):
            told = next((name for name, count in zip(own, counts, strict=True) if name and count[name] == 1), own[-1])
            found[index] = f" ({told})"
    return found


def _places(track: Track) -> tuple[str, str, str]:
    """Album, folder, and the file's name without the title."""
    folder, file = os.path.split(track.path)
    stem = printable(os.path.splitext(file)[0])
    return (
        one_line(track.album),
        printable(os.path.basename(folder)),
        stem.replace(track.title, "").strip(" -_.") or stem,
    )


def link_to(path: str) -> str:
    """The address that a terminal opens for a path; a URL that only fsspec understands has none.

    >>> link_to("/music/a b.mp3"), link_to("s3://bucket/a.mp3")
    ('file:///music/a%20b.mp3', '')
    """
    if is_url(path):
        return path if path.startswith(("http://", "https://")) else ""
    return "file://" + urllib.parse.quote(os.fsencode(path))
