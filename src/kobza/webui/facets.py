"""What the page's filters offer: the library's own genres, artists, decades, lengths and folders."""

import math
import os
import threading
import time
from collections import Counter, OrderedDict
from collections.abc import Callable, Iterable

from kobza.errors import KobzaError
from kobza.library import MusicLibrary, Track
from kobza.library.catalog import values_of
from kobza.library.filters.tree import Filter, normalize_text
from kobza.library.filters.values import parse_value
from kobza.webui.folders import Folders

FIELDS = ("genre", "artist", "decade", "length", "folder")
LENGTHS = ("..2:00", "2:00..5:00", "5:00..10:00", "10:00..30:00", "30:00..")  # as the filter language has them
MAX_VALUES = 200  # that are offered at once
MAX_TRACKS = 300_000  # that are counted: of a larger library the first ones, which takes some seconds
MAX_KEPT = 32  # filters whose counts are kept
MIN_SECONDS = 20.0  # that counts are kept for, even while the library is being written

Values = list[tuple[str, int]]


def facet_values(tracks: Iterable[Track], folders: Folders) -> dict[str, Values]:
    """The values of each field with their numbers of tracks: decades and lengths in order, others by number.

    >>> values = facet_values([Track("/m/a.mp3", genre="Jazz; Blues", year=1962, duration=90.0)], Folders(["/m"]))
    >>> values["genre"], values["decade"], values["length"]
    ([('Blues', 1), ('Jazz', 1)], [('1960s', 1)], [('..2:00', 1)])
    """
    raw: dict[str, Counter[str]] = {field: Counter() for field in FIELDS}
    for track in tracks:
        for field in ("genre", "artist"):
            raw[field].update(map(str, values_of(track, field)))
        if track.year is not None:
            raw["decade"][f"{track.year // 10 * 10}s"] += 1
        raw["length"].update(name for name, (least, most) in _LENGTH_ENDS.items() if least <= track.duration <= most)
        raw["folder"][os.path.dirname(track.file)] += 1
    counts = raw | {field: _by_spelling(raw[field]) for field in ("genre", "artist")}
    counts["folder"] = Counter()
    for folder, number in raw["folder"].items():
        counts["folder"].update(dict.fromkeys(folders.names_above(folder), number))
    return {field: sorted(counts[field].items(), key=_ORDER.get(field, _by_number)) for field in FIELDS}


def _by_spelling(values: Counter[str]) -> Counter[str]:
    """Values that filters do not tell apart are one, spelled as in most tracks.

    >>> _by_spelling(Counter({"Jazz": 3, "jazz": 1}))
    Counter({'Jazz': 4})
    """
    spellings: dict[str, Counter[str]] = {}
    for value, number in values.items():
        spellings.setdefault(normalize_text(value), Counter())[value] += number
    return Counter({counter.most_common(1)[0][0]: counter.total() for counter in spellings.values()})


def _ends(name: str) -> tuple[float, float]:
    """
    >>> _ends("2:00..5:00"), _ends("30:00..")
    ((120.0, 300.0), (1800.0, inf))
    """
    least, most = (parse_value("duration", end) if end else None for end in name.split(".."))
    return (least if isinstance(least, float) else 0.0), (most if isinstance(most, float) else math.inf)


_LENGTH_ENDS = {name: _ends(name) for name in LENGTHS}


def _by_number(pair: tuple[str, int]) -> tuple[int, str]:
    return -pair[1], pair[0]


_ORDER: dict[str, Callable[[tuple[str, int]], tuple]] = {
    "decade": lambda pair: (int(pair[0][:-1]),),
    "length": lambda pair: (LENGTHS.index(pair[0]),),
}


def values_like(values: Values, text: str) -> Values:
    """Those of the values that have `text` in them, in whatever case, and not too many.

    >>> values_like([("Jazz", 3), ("Acid Jazz", 1), ("Rock", 9)], "JAZZ")
    [('Jazz', 3), ('Acid Jazz', 1)]
    """
    wanted = normalize_text(text.strip())
    return [pair for pair in values if wanted in normalize_text(pair[0])][:MAX_VALUES]


def check_field(field: str) -> None:
    """KobzaError: the page has no filters of this name."""
    if field not in FIELDS:
        raise KobzaError(f'There are no values of "{field}"; choose from {", ".join(FIELDS)}.')


class Facets:
    """The values of a library under each filter, counted once for each version of it. Threads may share it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._kept: OrderedDict[Filter | None, tuple[object, float, dict[str, Values]]] = OrderedDict()

    def values(
        self, library: MusicLibrary, version: object, folders: Folders, where: Filter | None
    ) -> dict[str, Values]:
        """The values of each field among the tracks that pass the filter."""
        with self._lock:  # whoever comes second gets what the first has counted
            kept = self._kept.get(where)
            if kept is None or (kept[0] != version and time.monotonic() - kept[1] > MIN_SECONDS):
                values = facet_values(library.store.select(where, MAX_TRACKS), folders)
                kept = self._kept[where] = version, time.monotonic(), values
            self._kept.move_to_end(where)
            while len(self._kept) > MAX_KEPT:
                self._kept.popitem(last=False)
            return kept[2]

    def clear(self) -> None:
        with self._lock:
            self._kept.clear()
