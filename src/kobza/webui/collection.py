"""The library as the page asks it. Whatever the Space uses of the library's interface is used here."""

import hashlib
import os
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from kobza.audio import Source
from kobza.embedding.embedder import Embedder
from kobza.folders import NoHomeError
from kobza.library import Hit, LibraryAddress, MusicLibrary, Totals, Track, default_library_address
from kobza.library.demo import open_album
from kobza.library.filters.tree import Filter
from kobza.library.search.copies import NO_LIMITS, Limits
from kobza.library.search.options import By, Match
from kobza.webui.batching import AnswerCache, SharedEmbedder
from kobza.webui.clips import Clip, ClipStore, embed_clip
from kobza.webui.errors import PageError
from kobza.webui.facets import FIELDS, Facets, Values, check_field
from kobza.webui.filters import page_filter
from kobza.webui.folders import Folders
from kobza.webui.map.keeper import MapKeeper
from kobza.webui.searches import Answer, Search, Searches

MAX_LABELS = 40
MAX_EXAMPLES = 20  # tracks that others should, or should not, sound like
FOLLOW_SECONDS = 5.0  # between looks at whether the user has a library now
MAX_ANSWERS = 256  # that are kept, of some 10 kB each


class Collection:
    """A library with one model for all visitors. Its methods may be called from several threads."""

    def __init__(
        self, library: MusicLibrary, is_demo: bool = False, own: Callable[[], MusicLibrary | None] = lambda: None
    ):
        """
        Args:
            is_demo: the library is Kobza's own album.
            own: the user's library, as soon as it has tracks; it takes the place of the album.
        """
        self.embedder = SharedEmbedder(library.embedder)  # loaded now, not while the first visitor waits
        self.library = MusicLibrary(library.store, self.embedder)
        self.clips = ClipStore()
        self.is_closing = threading.Event()
        self._answers: AnswerCache[Answer] = AnswerCache(MAX_ANSWERS)
        self._searches = Searches(lambda: self.library, self.embedder)
        self.is_demo = is_demo
        self._own = own
        self._followed = time.monotonic()
        self._follow_lock = threading.Lock()
        self._facets = Facets()
        self._links: tuple[str, dict[str, str]] = "", {}  # of this version of the library: link -> path
        self._links_lock = threading.Lock()
        self.map_keeper = MapKeeper(lambda: self.library)
        if self.totals.tracks:
            self.search("warm up")  # fails here if the library was made with another model
            self.fields()
        else:
            self.embedder.embed_text(["warm up"])

    def close(self) -> None:
        """Leave what is being done for visitors, and close the library."""
        self.is_closing.set()
        self.map_keeper.close()
        self._searches.close()
        self.library.close()

    @property
    def totals(self) -> Totals:
        return self.library.store.count()

    @property
    def version(self) -> str:
        """Changes whenever the library does."""
        state = str(self.library.address), self.library.store.version()
        return hashlib.sha256(repr(state).encode()).hexdigest()[:12]

    def follow(self) -> None:
        """Go over from Kobza's album to the user's own library as soon as that has tracks."""
        with self._follow_lock:
            if not self.is_demo or time.monotonic() - self._followed < FOLLOW_SECONDS:
                return
            self._followed = time.monotonic()
            found = self._own()
            if found is not None:
                # The album stays open, for the searches that run in it.
                self.library = MusicLibrary(found.store, self.embedder)
                self.is_demo = False
                self._facets.clear()

    @property
    def folders(self) -> Folders:
        """The names of the library's folders."""
        return Folders(self.library.folders)

    def filter(self, where: str) -> Filter | None:
        """A filter of the page; None for an empty one. LibraryError: it is invalid."""
        return page_filter(where, self.folders, self.area)

    def fields(self) -> list[str]:
        """What the library's tracks can be filtered by."""
        values = self._facets.values(self.library, self.version, self.folders, None)
        return [field for field in FIELDS if values[field]]

    def values(self, field: str, where: Filter | None) -> Values:
        """The values of a field, each with the number of tracks that have it. KobzaError: there is no such field."""
        check_field(field)
        return self._facets.values(self.library, self.version, self.folders, where)[field]

    def search(
        self,
        text: str,
        k: int = 10,
        where: Filter | None = None,
        by: By = "track",
        match: Match | None = None,
        limits: Limits = NO_LIMITS,
    ) -> Answer:
        """The k tracks that best fit a description, and how it was read. LibraryError: it is empty."""
        search = Search(text, k, where, by, match, limits)
        return self._answers.get((self.version, search), lambda: self._searches.ask(search))

    def browse(self, where: Filter, k: int = 10) -> list[Hit]:
        """The first k tracks that pass a filter, ordered by path; without scores, each from its beginning."""
        return [Hit(0.0, track, 0.0) for track in self.library.store.select(where, k)]

    def like(
        self,
        examples: Clip | Sequence[Track],
        k: int = 10,
        where: Filter | None = None,
        by: By = "track",
        but: str | None = None,
        minus: Sequence[Track] = (),
        limits: Limits = NO_LIMITS,
    ) -> list[Hit]:
        """The k tracks that sound most like a clip, or like tracks of the library; arguments as for
        `MusicLibrary.similar`."""
        if isinstance(examples, Clip):
            return self.library.similar_to_windows(examples.windows, k, where, by, but, minus, limits)
        return self.library.similar(examples, k, where, by, but, minus, limits)

    def embed_clip(self, source: Source, name: str = "", is_wanted: Callable[[], bool] = lambda: True) -> Clip:
        """A visitor's clip. ClipError: it cannot be used."""
        return embed_clip(source, self.embedder, name, is_wanted)

    def clip(self, name: str) -> Clip:
        """A clip that was sent before. ClipError: its hour is over."""
        return self.clips.get(name)

    def tag(self, clip: Clip, labels: str) -> list[tuple[str, float]]:
        """(label, cosine), the best first, for labels separated by commas or line breaks."""
        parts = (" ".join(part.split()) for part in labels.replace("\n", ",").split(","))
        names = list(dict.fromkeys(filter(None, parts)))
        if not names:
            raise PageError("labels_missing")
        if len(names) > MAX_LABELS:
            raise PageError("labels_many", n=len(names), most=MAX_LABELS)
        scores = self.embedder.embed_text(names) @ clip.vector
        return [(names[i], float(scores[i])) for i in np.argsort(-scores, kind="stable")]

    def link(self, track: Track) -> str:
        """An identifier of this track, the same in every run, so that the page shows no path of the server."""
        return _link(track.path)

    def path(self, link: str) -> str | None:
        """The path of the track with this link; None if the library has none."""
        version = self.version
        with self._links_lock:
            if self._links[0] != version:
                self._links = version, {_link(path): path for path in self.library.store.file_states()}
            return self._links[1].get(link)

    def tracks(self, links: str) -> list[Track]:
        """The tracks with these links, which have commas between them. LibraryError: one is no longer there."""
        wanted = list(dict.fromkeys(filter(None, links.split(","))))
        if len(wanted) > MAX_EXAMPLES:
            raise PageError("examples_many", n=len(wanted), most=MAX_EXAMPLES)
        return [self.track(link) for link in wanted]

    def track(self, link: str) -> Track:
        """The track with this link. PageError: it is no longer in the library."""
        path = self.path(link)
        found = self.library.store.scan(path) if path is not None else ()
        for track, *_ in found:
            return track
        raise PageError("track_gone")

    def file(self, link: str) -> Path | None:
        """The recording of a link, if its track is in the library and its file exists."""
        try:
            file = self.track(link).file
        except PageError:
            return None
        return Path(file) if os.path.isfile(file) else None

    def area(self, outline: str) -> Filter:
        """The filter for the tracks inside an outline of the map. PageError: it is not one, or there is no map yet."""
        shown = self.map_keeper.current()
        if shown is None:
            raise PageError("map_computing")
        return shown.area(outline)


def _link(path: str) -> str:
    return hashlib.sha256(os.fsencode(path)).hexdigest()[:24]


def _own_library() -> LibraryAddress | None:
    """The user's own library; None if there is none."""
    try:
        address = default_library_address()
    except NoHomeError:
        return None
    return None if address.is_absent() else address


def _open_own_library(model: Embedder | str | None) -> MusicLibrary | None:
    """The user's own library; None if there is none, or nothing in it."""
    address = _own_library()
    if address is None:
        return None
    own = MusicLibrary.open(address, model, read_only=True)
    if len(own):
        return own
    own.close()
    return None


def open_collection(library: str | None = None, model: str | None = None) -> Collection:
    """The library in the folder `library` or $KOBZA_LIBRARY; by default the user's own, or Kobza's album
    as long as that does not exist or is empty.

    Raises:
        LibraryError, CheckpointError: it cannot be opened.
    """
    if library := library or os.environ.get("KOBZA_LIBRARY"):
        return Collection(MusicLibrary.open(library, model, read_only=True))
    own = _open_own_library(model)
    if own is not None:
        return Collection(own)
    album = open_album(embedder=model)[0]
    return Collection(album, is_demo=True, own=lambda: _open_own_library(album.embedder))
