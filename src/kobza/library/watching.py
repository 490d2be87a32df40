"""Keeping a library in step with its folders: changes are noticed, and indexed when the files are complete.

    file system --watchfiles--> changed paths --size and time stable for 3 s--> their folders are indexed

A file that is still being copied changes all the time, so its folder waits. Every hour all folders are scanned, because
network drives do not report what other machines change.
"""

import os
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field

from kobza.audio import AUDIO_EXTENSIONS, printable
from kobza.internal_error import internal_error
from kobza.library.exclusions import IGNORE_FILE
from kobza.library.library import MusicLibrary
from kobza.library.paths import is_url, outermost, under
from kobza.library.records import FileState, Report

SETTLE_SECONDS = 3.0  # without a change of size and time: the file is complete
TICK_SECONDS = 0.5
RETRY_SECONDS = 30.0  # after an error, such as a library that another process is writing to
RESCAN_SECONDS = 3600.0
RESCAN_SECONDS_UNWATCHED = 300.0  # where the system reports no changes, for example because of its limit

Stamp = tuple[int, int] | None  # size, modification time in ns; None: there is no such file


def _stamp(path: str) -> Stamp:
    try:
        status = os.stat(path)
    except OSError:
        return None
    return status.st_size, status.st_mtime_ns


@dataclass
class PendingChanges:
    """Paths that have changed, each until its file has stayed the same for `settle_seconds`."""

    settle_seconds: float = SETTLE_SECONDS
    _seen: dict[str, tuple[Stamp, float]] = field(default_factory=dict)

    def add(self, path: str, now: float) -> None:
        """A folder stands for the files in it, too: they may have come before it was watched."""
        self._seen[path] = _stamp(path), now
        if os.path.isdir(path) and not os.path.islink(path):
            for folder, _, names in os.walk(path):
                for name in names:
                    self._seen[os.path.join(folder, name)] = _stamp(os.path.join(folder, name)), now

    def settled_folders(self, now: float) -> list[str]:
        """The outermost folders whose changes are all complete; the others keep waiting."""
        for path, (before, _) in self._seen.items():
            if (stamp := _stamp(path)) != before:
                self._seen[path] = stamp, now
        waiting = [path for path, (_, since) in self._seen.items() if now - since < self.settle_seconds]
        folders = {folder_to_scan(path) for path in self._seen}
        return outermost(folder for folder in folders if not any(under(path, folder) for path in waiting))

    def remove_under(self, folders: list[str]) -> None:
        self._seen = {
            path: seen
            for path, seen in self._seen.items()
            if not any(under(folder_to_scan(path), folder) for folder in folders)
        }

    def __len__(self) -> int:
        return len(self._seen)


def folder_to_scan(path: str) -> str:
    """A changed folder itself, or the nearest folder above a file, or above what is gone."""
    while not os.path.isdir(path):
        path = os.path.dirname(path)
    return path


def is_relevant(path: str, is_known: Callable[[str], bool]) -> bool:
    """Whether a change of this path can matter: of a recording, a folder, a list of tracks or exclusions.

    Args:
        is_known: whether the library has tracks at or below a path.
    """
    name = os.path.basename(path)
    extension = os.path.splitext(name)[1].lower()
    if extension in AUDIO_EXTENSIONS or extension in ("", ".cue") or name == IGNORE_FILE:
        return True
    return os.path.isdir(path) or is_known(path)


def describe_changes(before: Mapping[str, FileState], after: Mapping[str, FileState]) -> list[str]:
    """A line for each track that was added, changed, moved or removed.

    >>> state = FileState(1, 1, b"x")
    >>> describe_changes({"/a": state}, {"/b": state, "/c": FileState(2, 2, b"y")})
    ['moved /a -> /b', 'added /c']
    """
    gone = {path: state for path, state in before.items() if path not in after}
    lines = []
    for path, state in sorted(after.items()):
        if path in before:
            if (state.size, state.hash) != (before[path].size, before[path].hash):
                lines.append(f"changed {printable(path)}")
            continue
        old = next((one for one, its in gone.items() if (its.size, its.hash) == (state.size, state.hash)), None)
        if old is not None:
            del gone[old]
        lines.append(f"moved {printable(old)} -> {printable(path)}" if old else f"added {printable(path)}")
    return lines + [f"removed {printable(path)}" for path in sorted(gone)]


class Watcher:
    """Watches the folders of a library, until `stop` is set or an exception such as KeyboardInterrupt is raised.

    Args:
        tell: called with each line of the log.
        follow: called after each change of the library, with what tells a line that is not repeated.
    """

    def __init__(
        self,
        library: MusicLibrary,
        tell: Callable[[str], None],
        stop: threading.Event,
        follow: Callable[[Callable[[str], None]], object] = lambda tell: None,
    ) -> None:
        self.library, self.tell, self.stop, self.follow = library, tell, stop, follow
        self.pending = PendingChanges()
        self._known: Mapping[str, FileState] = {}
        self._said: set[str] = set()  # failures, and the last error, which are not repeated
        self._next_try = 0.0
        self._next_scan = 0.0

    def run(self) -> None:
        while not self.stop.is_set():
            places = self._places()
            self._scan(lambda: self.library.sync())
            self._next_scan = time.monotonic() + RESCAN_SECONDS
            for changed in self._changes(list(places)):
                now = time.monotonic()
                for path in changed:
                    if is_relevant(path, lambda path: any(under(known, path) for known in self._known)):
                        self.pending.add(path, now)
                self._index_settled(now)
                if self._places() != places or now >= self._next_scan:  # a disc has come or gone, or it is time
                    break

    def _places(self) -> dict[str, tuple[int, int]]:
        """The folders and files that can be watched now, with device and inode, which tell a mounted disc."""
        found = {}
        for place in [*self.library.folders, *self.library.discs]:
            if not is_url(place) and os.path.exists(place):
                status = os.stat(place)
                found[place] = status.st_dev, status.st_ino
        return found

    def _changes(self, places: list[str]) -> Iterator[set[str]]:
        """Changed paths; an empty set at least every `TICK_SECONDS`."""
        import watchfiles

        milliseconds = int(TICK_SECONDS * 1000)
        try:
            if places:
                for changes in watchfiles.watch(
                    *places,
                    watch_filter=None,
                    debounce=milliseconds,
                    rust_timeout=milliseconds,
                    yield_on_timeout=True,
                    stop_event=self.stop,
                ):
                    yield {path for _, path in changes}
        except Exception as error:  # watchfiles raises several kinds
            minutes = RESCAN_SECONDS_UNWATCHED / 60
            self._tell_once(
                f"The system cannot watch the folders ({error}); they are scanned every {minutes:.0f} minutes instead. "
                "If its limit is the reason, raise fs.inotify.max_user_watches."
            )
            self._next_scan = time.monotonic() + RESCAN_SECONDS_UNWATCHED
        while not self.stop.wait(TICK_SECONDS):
            yield set()

    def _index_settled(self, now: float) -> None:
        if now < self._next_try or not len(self.pending):
            return
        settled = self.pending.settled_folders(now)
        roots = outermost(root for folder in settled for root in self._roots(folder))
        if not roots or self._scan(lambda: self.library.add(roots)):
            self.pending.remove_under(settled)

    def _roots(self, folder: str) -> list[str]:
        """What to index after a change in `folder`: itself if the library has it, or what the library has of it."""
        folders = self.library.folders
        if any(under(folder, root) for root in folders):
            return [folder]
        return [root for root in folders if under(root, folder) and os.path.isfile(root)]

    def _scan(self, index: Callable[[], Report]) -> bool:
        """Index, and tell what has changed; whether it succeeded."""
        try:
            before = self.library.store.file_states()
            report = index()
            self._known = self.library.store.file_states()
        except Exception as error:  # whatever it is, the next change or the next hour may succeed
            self._next_try = time.monotonic() + RETRY_SECONDS
            self._tell_error(error)
            return False
        changes = describe_changes(before, self._known)
        for line in changes:
            self.tell(line)
        for failure in report.failed:
            if not failure.is_known:
                self._tell_once(f"failed {failure.reason}")
        if changes or report.retagged:
            try:
                self.follow(self._tell_once)
            except Exception as error:  # the library is right all the same
                self._tell_error(error)
        return True

    def _tell_error(self, error: Exception) -> None:
        is_expected = isinstance(error, OSError | ValueError)
        self._tell_once(str(error if is_expected else internal_error(error, "watching")))

    def _tell_once(self, line: str) -> None:
        if line not in self._said:
            self._said.add(line)
            self.tell(line)
