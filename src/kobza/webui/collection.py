"""What the page asks of a library. Everything of the library's interface that the Space uses is used here."""

import hashlib
import os
import threading
from pathlib import Path

import numpy as np

from kobza.folders import NoHomeError
from kobza.library import Hit, LibraryAddress, LibraryError, MusicLibrary, Totals, Track, default_library_address
from kobza.library.demo import open_album
from kobza.webui.clips import Clip, ClipError, hear
from kobza.webui.map_layout import Point, points_of

ANSWERS = 10  # tracks
MAX_LABELS = 40
DRAWN = 2000  # tracks on the map: more would be a blot, and a heavy page


class Collection:
    """A library with one model for all visitors. Its methods may be called from several threads."""

    def __init__(self, library: MusicLibrary, made: bool = False):
        """`made`: it is Kobza's own album."""
        self.library, self.made = library, made
        self._paths: dict[str, str] = {}  # link -> path, of every track that was shown
        self._map: tuple[dict, list[Point]] | None = None
        self._drawing = threading.Lock()
        self.model = library.embedder  # loaded now, and not while the first visitor waits
        if self.totals.tracks:
            self.search("warm up")  # also refuses, before anyone comes, a library of another model
        else:
            self.model.embed_text(["warm up"])

    @property
    def totals(self) -> Totals:
        return self.library.store.count()

    def search(self, text: str) -> list[Hit]:
        """The tracks that a description fits best. LibraryError: an empty one."""
        return self.library.search(text, ANSWERS)

    def like(self, clip: Clip) -> list[Hit]:
        """The tracks that sound most like a clip."""
        return [Hit(*found) for found in self.library.store.search(clip.vector, ANSWERS)]

    def like_track(self, link: str) -> tuple[Track, list[Hit]]:
        """A track that was shown before, and the tracks that sound most like it."""
        track = self._track(link)
        if track is None:
            raise LibraryError("That track is no longer in the library; search again.")
        return track, self.library.similar(track, ANSWERS)

    def hear(self, path: str | None) -> Clip:
        """A visitor's clip. ClipError: it cannot be used."""
        return hear(path, self.model)

    def tag(self, clip: Clip, labels: str) -> list[tuple[str, float]]:
        """(label, cosine) for labels given with commas or line breaks between them, the best first."""
        parts = (" ".join(part.split()) for part in labels.replace("\n", ",").split(","))
        named = list(dict.fromkeys(filter(None, parts)))
        if not named:
            raise ClipError("Name a few labels with commas between them, such as: piano, drums, choir.")
        if len(named) > MAX_LABELS:
            raise ClipError(f"These are {len(named)} labels; name {MAX_LABELS} or fewer.")
        scores = self.model.embed_text(named) @ clip.vector
        return [(named[i], float(scores[i])) for i in np.argsort(-scores, kind="stable")]

    def link(self, track: Track) -> str:
        """The name under which `file` knows this track: on the page no path of the server is seen."""
        link = hashlib.sha256(os.fsencode(track.path)).hexdigest()[:24]
        self._paths[link] = track.path
        return link

    def _track(self, link: str) -> Track | None:
        path = self._paths.get(link)
        found = self.library.store.scan(path) if path is not None else ()
        return next((track for track, *_ in found), None)

    def file(self, link: str) -> Path | None:
        """The recording behind a link: only of a track that was shown and is in the library now, and is there."""
        track = self._track(link)
        return Path(track.path) if track is not None and os.path.isfile(track.path) else None

    def map(self) -> list[Point]:
        """The library in two dimensions, computed once until it changes; of a large one every n-th track."""
        with self._drawing:
            file_states = self.library.store.file_states()
            if self._map is None or self._map[0] != file_states:
                paths = sorted(file_states)
                some = paths[:: max(1, -(-len(paths) // DRAWN))]
                self._map = file_states, points_of([row for path in some for row in self.library.store.scan(path)])
            return self._map[1]

    def point(self, link: str) -> Point:
        """A point that was chosen on the map. LibraryError: it is gone."""
        track = self._track(link)
        found = next((point for point in self.map() if point.track == track), None)
        if found is None:
            raise LibraryError("That track is no longer in the library; load the page again for a new map.")
        return found


def _own_library() -> LibraryAddress | None:
    """The user's own library; None if it is not there."""
    try:
        address = default_library_address()
    except NoHomeError:
        return None
    return None if address.is_absent() else address


def open_collection(library: str | None = None, model: str | None = None) -> Collection:
    """The library in the folder `library` or $KOBZA_LIBRARY; by default the user's own, or while that is not there or
    empty, Kobza's album.

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
    return Collection(open_album(embedder=model)[0], made=True)
