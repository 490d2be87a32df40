"""The queue of this user's `kobza play`: other processes append to it, and the playing one takes from it.

Two lock files: the playing process holds `playing.lock`, and whoever touches the queue holds `queue.lock` meanwhile.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from filelock import FileLock, Timeout

from kobza.folders import cache_folder
from kobza.library.paths import path_from_text, path_to_text
from kobza.library.records import Track
from kobza.library.search.entries import Entry


def _to_json(entry: Entry) -> str:
    track = entry.track
    row = {"path": path_to_text(track.path), "title": track.title, "artist": track.artist}
    return json.dumps(row | {"part": [track.start, track.end], "start": entry.start, "end": entry.end})


def _from_json(line: str) -> Entry:
    row = json.loads(line)
    start, end = row["part"]  # of the file: without them the path of a part would be taken for a file's
    track = Track(path_from_text(row["path"]), row["title"], row["artist"], start=start, end=end)
    return Entry(track, row["start"], row["end"])


@dataclass(frozen=True)
class PlayQueue:
    """The entries that wait, in the file `queue.jsonl` of `folder`."""

    folder: Path

    @classmethod
    def of_this_user(cls) -> "PlayQueue":
        folder = cache_folder() / "playing"
        folder.mkdir(exist_ok=True)
        return cls(folder)

    @property
    def _file(self) -> Path:
        return self.folder / "queue.jsonl"

    def _lock(self) -> FileLock:
        return FileLock(self.folder / "queue.lock")

    def begin(self) -> "Turn | None":
        """The right to play, for one process at a time; None if another one plays."""
        playing = FileLock(self.folder / "playing.lock", timeout=0)
        with self._lock():
            try:
                playing.acquire()
            except Timeout:
                return None
            self._file.unlink(missing_ok=True)  # of a process that was killed
        return Turn(self, playing)

    def append(self, entries: Sequence[Entry]) -> bool:
        """Put the entries behind those that wait; False, and nothing is done, if nothing is playing."""
        with self._lock():
            try:
                with FileLock(self.folder / "playing.lock", timeout=0):
                    return False
            except Timeout:
                pass
            with open(self._file, "a", encoding="utf-8") as file:
                file.writelines(_to_json(entry) + "\n" for entry in entries)
        return True

    def _take(self) -> list[Entry]:
        if not self._file.exists():
            return []
        lines = self._file.read_text(encoding="utf-8").splitlines()
        self._file.unlink()
        return [_from_json(line) for line in lines]


@dataclass(frozen=True)
class Turn:
    """The right to play; to be ended."""

    queue: PlayQueue
    _playing: FileLock

    def take_or_end(self) -> list[Entry]:
        """The entries that were appended since the last call. If there are none, this turn has ended: both in one step,
        so that nothing is appended in between and lost."""
        with self.queue._lock():
            if not (entries := self.queue._take()):
                self._playing.release()
            return entries

    def end(self) -> None:
        """Give up what still waits; nothing if the turn has ended."""
        with self.queue._lock():
            if self._playing.is_locked:
                self.queue._take()
                self._playing.release()
