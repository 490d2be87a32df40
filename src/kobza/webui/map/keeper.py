"""Keeps a library's map up to date in the background; the page has the last one meanwhile."""

import logging
import threading
import time
from collections.abc import Callable

from kobza.library import LibraryError, MusicLibrary
from kobza.webui.map import kept
from kobza.webui.map.build import Layout, LayoutProcess, build
from kobza.webui.map.document import LibraryMap, library_digest

MIN_PAUSE = 20.0  # seconds between two computations, and at least so many times as the last one took:
PAUSE_FACTOR = 4.0  # a library that is being filled changes every second


class MapKeeper:
    """The map of a library that may change. Threads may share it."""

    def __init__(self, library: Callable[[], MusicLibrary], layout: Layout | None = None):
        """
        Args:
            library: gives the library that is shown now.
            layout: vectors (n, dim) to positions (n, 2); by default `layout.layout` in a process of its own.
        """
        self._library = library
        self._process = LayoutProcess()
        self._layout = layout or self._process
        self._lock = threading.Lock()
        self._address = ""
        self._map: LibraryMap | None = None
        self._version: object = None  # of the store, that the map is of; None: not known yet
        self._thread: threading.Thread | None = None
        self._next = 0.0  # when it may be computed again
        self.error = ""  # of the last computation

    def current(self) -> LibraryMap | None:
        """The map, perhaps of an earlier state of the library: a newer one is then being computed. None: not yet."""
        library = self._library()
        with self._lock:
            if self._address != str(library.address):  # the user's own library took the place of the album
                self._address = str(library.address)
                self._map, self._version, self._next = kept.read(kept.kept_path(self._address)), None, 0.0
            if self._version != library.store.version() and not self.is_computing and time.monotonic() >= self._next:
                self._thread = threading.Thread(target=self._update, args=(library, self._map), daemon=True)
                self._thread.start()
            return self._map

    @property
    def is_computing(self) -> bool:
        return self._thread is not None and self._thread.is_alive()

    @property
    def is_old(self) -> bool:
        """Whether the library has changed since the map was computed."""
        return self._map is not None and self._version not in (None, self._library().store.version())

    def wait(self) -> None:
        """Until what is being computed is there."""
        if self._thread is not None:
            self._thread.join()

    def close(self) -> None:
        """Stop computing."""
        self._process.stop()

    def _update(self, library: MusicLibrary, known: LibraryMap | None) -> None:
        began = time.monotonic()
        self.error = ""
        version = library.store.version()
        shown = known
        try:
            is_new = known is None or known.digest != library_digest(library.store.file_states())
            if is_new or known is None or known.model != library.store.meta.get("fingerprint", ""):
                self._version = "an earlier one"
                shown = build(library, known, self._layout)
                kept.write(kept.kept_path(str(library.address)), shown)
        except LibraryError as error:
            self.error = str(error)
        except Exception as error:  # in a thread nobody would see it
            self.error = f"The map could not be computed ({error!r})."
            logging.getLogger(__name__).exception("The map could not be computed")
        with self._lock:
            self._next = time.monotonic() + max(MIN_PAUSE, PAUSE_FACTOR * (time.monotonic() - began))
            if self._address == str(library.address) and not self.error:
                self._map, self._version = shown, version
