"""Computing a library's map."""

import subprocess
import sys
import threading
from collections.abc import Callable

import numpy as np

from kobza.library import LibraryError, MusicLibrary
from kobza.webui.map.document import LibraryMap, colour, first_genre, library_digest
from kobza.webui.map.layout import place
from kobza.webui.map.regions import regions
from kobza.webui.map.words import GENRES, KINDS, nearest_words, word_vectors

MAX_NEW = 0.2  # of the tracks may be placed among the others before all positions are computed anew

Layout = Callable[[np.ndarray], np.ndarray]


def build(library: MusicLibrary, known: LibraryMap | None, layout: Layout) -> LibraryMap:
    """The map of a library as it is now.

    Args:
        known: its last map, whose tracks keep their positions while most are still there.
        layout: (n, dim) -> (n, 2), such as `layout.layout`.
    """
    digest = library_digest(library.store.file_states())
    paths, vectors = library.store.track_vectors()
    order = np.argsort(np.array(paths, object), kind="stable")  # whatever order the store has
    paths = [paths[i] for i in order]
    vectors = vectors[order] if len(paths) else np.zeros((0, 2), np.float32)
    model = library.store.meta.get("fingerprint", "")
    kept = _kept_positions(paths, known) if known is not None and known.model == model else None
    if kept is None:
        positions, fitted = layout(vectors), len(paths)
    else:
        positions, fitted = _extended(vectors, *kept), known.fitted if known is not None else len(paths)
    genres = {track.path: first_genre(track) for track in library.store.select()}
    embedder = library.text_embedder
    words = word_vectors(embedder, tuple(KINDS))
    genre_vectors = words[: len(GENRES)]
    heard = nearest_words(vectors, genre_vectors, library.calibration.mean) if len(paths) else np.zeros(0, np.int64)
    return LibraryMap(
        digest,
        model,
        fitted,
        paths,
        positions,
        [colour("genre", [genres.get(path, "") for path in paths]), colour("sound", [GENRES[i] for i in heard])],
        regions(positions, vectors, KINDS, words),
    )


def _kept_positions(paths: list[str], known: LibraryMap) -> tuple[np.ndarray, np.ndarray] | None:
    """Which tracks (n,) bool have a position, and their positions; None if too many have none or too many have gone."""
    rows = {path: i for i, path in enumerate(known.paths)}
    found = np.array([rows.get(path, -1) for path in paths], np.int64)
    is_known = found >= 0
    most = max(len(paths), known.fitted)
    if not is_known.any() or is_known.sum() < (1 - MAX_NEW) * most or abs(len(paths) - known.fitted) > MAX_NEW * most:
        return None
    return is_known, known.positions[found[is_known]]


def _extended(vectors: np.ndarray, is_known: np.ndarray, positions: np.ndarray) -> np.ndarray:
    all_positions = np.empty((len(vectors), 2), np.float32)
    all_positions[is_known] = positions
    if not is_known.all():
        all_positions[~is_known] = place(vectors[~is_known], vectors[is_known], positions)
    return all_positions


class LayoutProcess:
    """`layout.layout` in a process of its own, at low priority: it takes a minute of a core, which searches need more,
    and can be stopped. Its memory goes with it."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[bytes] | None = None
        self._lock = threading.Lock()
        self._is_stopped = False

    def __call__(self, vectors: np.ndarray) -> np.ndarray:
        """(n, dim) -> (n, 2). LibraryError: it failed, or was stopped."""
        with self._lock:
            if self._is_stopped:
                raise LibraryError("The map was not computed, because the server stops.")
            command = [sys.executable, "-m", "kobza.webui.map.layout_process", str(vectors.shape[1])]
            self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        output, _ = self._process.communicate(vectors.astype(np.float32).tobytes())
        if self._process.returncode:
            raise LibraryError("The map could not be computed; the server's own output says why.")
        return np.frombuffer(output, np.float32).reshape(-1, 2)

    def stop(self) -> None:
        with self._lock:
            self._is_stopped = True
            if self._process is not None:
                self._process.kill()
