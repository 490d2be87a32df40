"""The queries of the page. Whatever the Space uses of the library's interface is used here."""

import hashlib
import os
import threading
from pathlib import Path

import numpy as np

from kobza.folders import NoHomeError
from kobza.library import Hit, LibraryAddress, LibraryError, MusicLibrary, Totals, Track, default_library_address
from kobza.library.demo import open_album
from kobza.webui.clips import Clip, ClipError, embed_clip
from kobza.webui.map_layout import Point, points_of

RESULTS = 10  # tracks
MAX_LABELS = 40
MAX_POINTS = 2000  # tracks on the map: more would overlap, and make the page slow


class Collection:
    """A library with one model for all visitors. Its methods may be called from several threads."""

    def __init__(self, library: MusicLibrary, is_demo: bool = False):
        """is_demo: the library is Kobza's own album."""
        self.library = library
        self.is_demo = is_demo
        self._paths: dict[str, str] = {}  # link -> path, of each track that was shown
        self._map: tuple[dict, list[Point]] | None = None
        self._map_lock = threading.Lock()
        self.embedder = library.embedder  # loaded now, not while the first visitor waits
        if self.totals.tracks:
            self.search("warm up")  # fails here if the library was made with another model
        else:
            self.embedder.embed_text(["warm up"])

    @property
    def totals(self) -> Totals:
        return self.library.store.count()

    def search(self, text: str) -> list[Hit]:
        """The tracks that best fit a description. LibraryError: the description is empty."""
        return self.library.search(text, RESULTS)

    def like(self, clip: Clip) -> list[Hit]:
        """The tracks that sound most like a clip."""
        return [Hit(*found) for found in self.library.store.search(clip.vector, RESULTS)]

    def like_track(self, link: str) -> tuple[Track, list[Hit]]:
        """A track that was shown before, and the tracks that sound most like it."""
        track = self._track(link)
        if track is None:
            raise LibraryError("That track is no longer in the library; search again.")
        return track, self.library.similar(track, RESULTS)

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
        """An identifier of this track for `file`, so that the page shows no path of the server."""
        link = hashlib.sha256(os.fsencode(track.path)).hexdigest()[:24]
        self._paths[link] = track.path
        return link

    def _track(self, link: str) -> Track | None:
        path = self._paths.get(link)
        found = self.library.store.scan(path) if path is not None else ()
        return next((track for track, *_ in found), None)

    def file(self, link: str) -> Path | None:
        """The recording of a link, if its track was shown, is still in the library, and its file exists."""
        track = self._track(link)
        return Path(track.file) if track is not None and os.path.isfile(track.file) else None

    def map(self) -> list[Point]:
        """The library in two dimensions, recomputed when it changes; of a large one every n-th track."""
        with self._map_lock:
            file_states = self.library.store.file_states()
            if self._map is None or self._map[0] != file_states:
                paths = sorted(file_states)
                sample = paths[:: max(1, -(-len(paths) // MAX_POINTS))]
                self._map = file_states, points_of([row for path in sample for row in self.library.store.scan(path)])
            return self._map[1]

    def point(self, link: str) -> Point:
        """A point that was chosen on the map. LibraryError: it is no longer in the library."""
        track = self._track(link)
        found = next((point for point in self.map() if point.track == track), None)
        if found is None:
            raise LibraryError("That track is no longer in the library; load the page again for a new map.")
        return found


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
