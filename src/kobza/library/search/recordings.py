"""The recordings that a search starts from: tracks of the library, by whatever name, and others."""

import json
import os
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence

import numpy as np

from kobza.audio import AudioError, printable
from kobza.embedding.embedder import EmbeddedWindow, Embedder, TextEmbedder, embed_recording, normalized_mean
from kobza.library.filters.tree import Filter
from kobza.library.ingest.embed import Progress
from kobza.library.ingest.listing import find_recordings
from kobza.library.paths import PathLike, absolute, is_url
from kobza.library.records import Hit, LibraryError, Track
from kobza.library.search.copies import SAME_SECONDS, Recording, are_copies, recording_of, without_copies_of
from kobza.library.search.seeds import named_track
from kobza.library.stores.base import Store
from kobza.library.stores.tag_words import text_words

MORE_HITS = 20  # than are asked for, because some may be copies of others

Seeds = Track | PathLike | Sequence[Track | PathLike]


class Recordings(ABC):
    """Finds recordings and their vectors. `MusicLibrary` has the store and the models."""

    store: Store

    @property
    @abstractmethod
    def embedder(self) -> Embedder: ...

    @property
    @abstractmethod
    def text_embedder(self) -> TextEmbedder: ...

    @abstractmethod
    def _load_embedder(self, progress: Callable[[Progress], None] | None) -> Embedder:
        """The model; `progress` is told that it is being loaded, which can take most of a minute."""

    @abstractmethod
    def _load_text_embedder(self, progress: Callable[[Progress], None] | None) -> TextEmbedder:
        """The same for descriptions; nothing is told of Kobza's own text tower, which is there at once."""

    @abstractmethod
    def _check_fingerprint(self, embedder: TextEmbedder) -> None:
        """Raises LibraryError if the library's vectors cannot be compared with those of this model."""

    def _path_of(self, name: Track | PathLike) -> str:
        """The path of a track that is named by its path, a part of it, or its title."""
        path = _path(name)
        if isinstance(name, Track) or is_url(path) or os.path.lexists(path) or next(self.store.scan(path), None):
            return path
        text = os.fspath(name)
        track = named_track(text, self.store.tracks_with_words(text_words(text)), self._are_copies)
        return path if track is None else track.path

    def _are_copies(self, one: Track, other: Track) -> bool:
        if abs(one.duration - other.duration) > SAME_SECONDS:
            return False
        found = self._recordings([one, other])
        return len(found) == 2 and are_copies(*found.values())

    def _recordings(self, tracks: Sequence[Track]) -> dict[str, Recording]:
        """What tells copies of these tracks, by path; without those that have just been deleted."""
        stored = self.store.scan([track.path for track in tracks]) if tracks else ()
        return {one[0].path: recording_of(one) for one in stored}

    def _other_recordings(self, tree: Filter | None) -> Callable[[np.ndarray, int, Sequence[Track]], list[Hit]]:
        """(vector, n, taken) -> the n nearest tracks that pass the filter and are none of `taken`, nor their copies."""
        recordings: dict[str, Recording] = {}  # of what is taken, which is more from call to call

        def nearest(vector: np.ndarray, n: int, taken: Sequence[Track]) -> list[Hit]:
            recordings.update(self._recordings([track for track in taken if track.path not in recordings]))
            paths = {track.path for track in taken}
            wanted = n + len(taken) + MORE_HITS
            while True:
                hits = [Hit(*found) for found in self.store.search(vector, wanted, where=tree)]
                others = [hit for hit in hits if hit.track.path not in paths]
                others = without_copies_of(list(recordings.values()), others, self._recordings)
                if len(others) >= n or len(hits) < wanted:
                    return others[:n]
                wanted *= 4

        return nearest

    def _seed(
        self, name: Track | PathLike, progress: Callable[[Progress], None] | None = None
    ) -> tuple[str, Recording]:
        """The path of a recording, of the library or not, and what its copies are told by."""
        path = self._path_of(name)
        for stored in self.store.scan(path):
            return path, recording_of(stored)
        self._check_fingerprint(self._load_text_embedder(progress))
        windows, seconds = self._embed(path, 0.0, np.inf, progress)
        return path, Recording(b"", seconds, normalized_mean(np.stack([window.vector for window in windows])))

    def _stored_vector(self, path: str) -> np.ndarray | None:
        """The vector of a track; None if the library does not hold it."""
        return next((normalized_mean(vectors) for *_, vectors in self.store.scan(path)), None)

    def stored_windows(self, track: Track | str) -> list[EmbeddedWindow] | None:
        """The windows of a track, or of its path, in order of time; None if the library does not hold it."""
        for stored, _, starts, vectors in self.store.scan(_path(track)):
            self._check_fingerprint(self.text_embedder)
            # from the library, because to ask the model it would have to be loaded
            seconds = float(json.loads(self.store.meta["windows"])["window_seconds"])
            ends = [min(at + seconds, max(stored.duration, at)) for at in starts]
            return list(map(EmbeddedWindow, starts, ends, vectors))
        return None

    def _windows(
        self, path: str, start: float, end: float, progress: Callable[[Progress], None] | None = None
    ) -> list[EmbeddedWindow]:
        """The windows of a recording that overlap [start, end): from the store, or embedded now."""
        stored = self.stored_windows(path)
        if stored is not None:
            return [window for window in stored if window.start < end and window.end > start]
        return self._embed(path, start, end, progress)[0]

    def _embed(
        self, path: str, start: float, end: float, progress: Callable[[Progress], None] | None
    ) -> tuple[list[EmbeddedWindow], float]:
        """The windows with sound of a recording that overlap [start, end), and how many seconds of it were decoded."""
        listing = find_recordings(path)
        if listing.failed:
            raise LibraryError(listing.failed[0].reason)
        if path not in listing.files:
            raise LibraryError(f"{printable(path)} is a folder; name a recording.")
        from kobza.library.ingest.tags import read_tags  # imported here: a description needs none

        duration = read_tags(path).seconds
        decoded = 0.0

        def report(seconds: float) -> None:
            nonlocal decoded
            decoded = seconds
            if progress is not None:
                progress(Progress(0, 1, min(1.0, seconds / duration) if duration else 0.0, path))

        try:
            windows = list(embed_recording(self._load_embedder(progress), path, start, end, report))
        except AudioError as error:
            raise LibraryError(str(error)) from error
        except ValueError as error:
            raise LibraryError(f"{printable(path)} cannot be embedded: {error}") from error
        return windows, decoded


def seed_list(seeds: Seeds) -> list[Track | PathLike]:
    return [seeds] if isinstance(seeds, Track | str | os.PathLike) else list(seeds)


def _path(track: Track | PathLike) -> str:
    return track.path if isinstance(track, Track) else absolute(track)
