"""What the page's filters offer: the library's own genres, artists, decades, lengths and folders."""

import threading
import time
from collections import Counter, OrderedDict
from collections.abc import Callable, Iterable, Iterator

from kobza.errors import KobzaError
from kobza.library import MusicLibrary, Track
from kobza.library.catalog import values_of
from kobza.library.filters.tree import Filter, matches, normalize_text
from kobza.library.filters.values import parse_range, within_range
from kobza.webui.folders import Folders

FIELDS = ("genre", "artist", "decade", "length", "folder")
LENGTHS = ("..2:00", "2:00..5:00", "5:00..10:00", "10:00..30:00", "30:00..")  # as the filter language has them
MAX_VALUES = 200  # that are offered at once
MAX_TRACKS = 300_000  # that are counted: of a larger library the first ones, which takes some seconds
MAX_KEPT = 32  # filters whose counts are kept
MIN_SECONDS = 20.0  # that counts are kept for, even while the library is being written
_LENGTH_FILTERS = {name: within_range("duration", ends) for name in LENGTHS if (ends := parse_range("duration", name))}

Values = list[tuple[str, int]]


def facet_values(tracks: Iterable[Track], folders: Folders) -> dict[str, Values]:
    """The values of each field with their numbers of tracks: decades and lengths in order, others by number.

    >>> values = facet_values([Track("/m/a.mp3", genre="Jazz; Blues", year=1962, duration=90.0)], Folders(["/m"]))
    >>> values["genre"], values["decade"], values["length"]
    ([('Blues', 1), ('Jazz', 1)], [('1960s', 1)], [('..2:00', 1)])
    """
    counts: dict[str, Counter[str]] = {field: Counter() for field in FIELDS}
    spellings: dict[str, dict[str, Counter[str]]] = {"genre": {}, "artist": {}}
    for track in tracks:
        for field, known in spellings.items():
            for value in values_of(track, field):
                known.setdefault(normalize_text(str(value)), Counter())[str(value)] += 1
        if track.year is not None:
            counts["decade"][f"{track.year // 10 * 10}s"] += 1
        counts["length"].update(_lengths(track))
        counts["folder"].update(folders.names_above(track))
    for field, known in spellings.items():  # what filters do not tell apart is one, as most tracks have it
        for counter in known.values():
            counts[field][counter.most_common(1)[0][0]] = counter.total()
    return {field: sorted(counter.items(), key=_ORDER.get(field, _by_number)) for field, counter in counts.items()}


def _lengths(track: Track) -> Iterator[str]:
    return (name for name, tree in _LENGTH_FILTERS.items() if matches(tree, track))


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
