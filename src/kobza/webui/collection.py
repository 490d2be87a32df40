"""The library as the page asks it. Whatever the Space uses of the library's interface is used here."""

import hashlib
import os
import threading
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from kobza.folders import NoHomeError
from kobza.library import Hit, LibraryAddress, LibraryError, MusicLibrary, Totals, Track, default_library_address
from kobza.library.demo import open_album
from kobza.library.search.options import By, Match
from kobza.webui.clips import Clip, ClipError, embed_clip
from kobza.webui.map_layout import Point, points_of

MAX_LABELS = 40
MAX_POINTS = 2000  # tracks on the map: more would overlap, and make the page slow


class Collection:
    """A library with one model for all visitors. Its methods may be called from several threads."""

    def __init__(self, library: MusicLibrary, is_demo: bool = False):
        """is_demo: the library is Kobza's own album."""
        self.library = library
        self.is_demo = is_demo
        self._links: tuple[str, dict[str, str]] = "", {}  # of this version of the library: link -> path
        self._links_lock = threading.Lock()
        self._map: tuple[str, list[Point]] | None = None
        self._map_lock = threading.Lock()
        self.embedder = library.embedder  # loaded now, not while the first visitor waits
        if self.totals.tracks:
            self.search("warm up")  # fails here if the library was made with another model
        else:
            self.embedder.embed_text(["warm up"])

    @property
    def totals(self) -> Totals:
        return self.library.store.count()

    @property
    def version(self) -> str:
        """Changes whenever the library does."""
        return hashlib.sha256(repr(self.library.store.version()).encode()).hexdigest()[:12]

    def search(
        self, text: str, k: int = 10, where: str | None = None, by: By = "track", match: Match | None = None
    ) -> list[Hit]:
        """The k tracks that best fit a description. LibraryError: it is empty, or the filter is invalid."""
        return self.library.search(text, k, where, by, match)

    def like(self, clip: Clip, k: int = 10) -> list[Hit]:
        """The k tracks that sound most like a clip."""
        return [Hit(*found) for found in self.library.store.search(clip.vector, k)]

    def like_track(
        self, link: str, k: int = 10, where: str | None = None, but: str | None = None, minus: Sequence[str] = ()
    ) -> list[Hit]:
        """The k tracks that sound most like one of the library. LibraryError: it is no longer there."""
        return self.library.similar(self.track(link), k, where, but=but, minus=[self.track(one) for one in minus])

    def embed_clip(self, path: str | None) -> Clip:
        """A visitor's clip. ClipError: it cannot be used."""
        return embed_clip(path, self.embedder)

    def tag(self, clip: Clip, labels: str) -> list[tuple[str, float]]:
        """(label, cosine), the best first, for labels separated by commas or line breaks."""
        parts = (" ".join(part.split()) for part in labels.replace("\n", ",").split(","))
        names = list(dict.fromkeys(filter(None, parts)))
        if not names:
            raise ClipError("Name a few labels with commas between them, such as: piano, drums, choir.")
        if len(names) > MAX_LABELS:
            raise ClipError(f"These are {len(names)} labels; name {MAX_LABELS} or fewer.")
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

    def track(self, link: str) -> Track:
        """The track with this link. LibraryError: it is no longer in the library."""
        path = self.path(link)
        found = self.library.store.scan(path) if path is not None else ()
        for track, *_ in found:
            return track
        raise LibraryError("That track is no longer in the library; search again.")

    def file(self, link: str) -> Path | None:
        """The recording of a link, if its track is in the library and its file exists."""
        try:
            file = self.track(link).file
        except LibraryError:
            return None
        return Path(file) if os.path.isfile(file) else None

    def map(self) -> list[Point]:
        """The library in two dimensions, recomputed when it changes; of a large one every n-th track."""
        with self._map_lock:
            version = self.version
            if self._map is None or self._map[0] != version:
                paths = sorted(self.library.store.file_states())
                sample = paths[:: max(1, -(-len(paths) // MAX_POINTS))]
                self._map = version, points_of([row for path in sample for row in self.library.store.scan(path)])
            return self._map[1]


def _link(path: str) -> str:
    return hashlib.sha256(os.fsencode(path)).hexdigest()[:24]


def _own_library() -> LibraryAddress | None:
    """The user's own library; None if there is none."""
    try:
        address = default_library_address()
    except NoHomeError:
        return None
    return None if address.is_absent() else address


def open_collection(library: str | None = None, model: str | None = None) -> Collection:
    """The library in the folder `library` or $KOBZA_LIBRARY; by default the user's own, or Kobza's album
    if that does not exist or is empty.

    Raises:
        LibraryError, CheckpointError: it cannot be opened.
    """
    if library := library or os.environ.get("KOBZA_LIBRARY"):
        return Collection(MusicLibrary.open(library, model, read_only=True))
    own_address = _own_library()
    if own_address is not None:
        own = MusicLibrary.open(own_address, model, read_only=True)
        if len(own):
            return Collection(own)
        own.close()
    return Collection(open_album(embedder=model)[0], is_demo=True)
