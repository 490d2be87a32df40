"""Which recordings of a stream were trained on, by their keys (`kobza.data.recording_identity`).

    PairStream --SoundKeys--> each item's keys --batches--> TrainedRecordings of a process --> its file in a checkpoint
                                                        --> those of all processes --> trained_on.bin

A batch counts when it is trained on; what workers have read ahead does not.
"""

from __future__ import annotations

from hashlib import blake2b
from pathlib import Path

import numpy as np

from kobza.atomic import atomic_path
from kobza.data.recording_identity import KEY_DTYPE, keys_of, sound_key
from kobza.training.pair_sources import Sample

MAX_KEPT = 100_000  # sounds whose keys a worker keeps: some 20 MB
MIN_MERGED = 1 << 16  # new rows, before they are sorted into the others
FILE = "stream_{}_recordings.npz"


class SoundKeys:
    """The keys of samples. Those of sounds in bytes are kept, because the next epoch would decode the sound again."""

    def __init__(self) -> None:
        self._kept: dict[bytes, int] = {}

    def of(self, sample: Sample) -> list[int]:
        """The keys of a sample that can be decoded, one or two."""
        sound = sample.sound
        if sound is None and isinstance(sample.audio, bytes):
            digest = blake2b(sample.audio, digest_size=16).digest()
            sound = self._kept.get(digest)
            if sound is None:
                sound = sound_key(sample.audio)
                if len(self._kept) < MAX_KEPT:
                    self._kept[digest] = sound
        return keys_of(sample.recording, sound)


class TrainedRecordings:
    """The keys of the recordings that a run was trained on, each once.

    Attributes:
        is_complete: whether these are all of them; not if the run was begun by a version that did not note them.
    """

    def __init__(self, rows: np.ndarray | None = None, is_complete: bool = True):
        self._rows = np.empty((0, 2), KEY_DTYPE) if rows is None else rows
        self._new: list[np.ndarray] = []
        self.is_complete = is_complete

    def add(self, rows: np.ndarray) -> None:
        """Note recordings, (n, 2) keys as `key_rows` makes them."""
        self._new.append(rows)
        if sum(map(len, self._new)) > max(MIN_MERGED, len(self._rows)):
            self._merge()

    def _merge(self) -> None:
        self._rows, self._new = np.unique(np.concatenate([self._rows, *self._new]), axis=0), []

    @property
    def rows(self) -> np.ndarray:
        """(recordings, 2) keys, sorted."""
        if self._new:
            self._merge()
        return self._rows

    def save(self, folder: Path, rank: int) -> None:
        """Write them into a checkpoint's folder; each process its own."""
        with atomic_path(folder / FILE.format(rank)) as partial, partial.open("wb") as file:
            np.savez(file, rows=self.rows, is_complete=self.is_complete)

    @classmethod
    def load(cls, folder: Path, rank: int, processes: int) -> TrainedRecordings:
        """A process's part of those in a checkpoint's folder, however many processes have written it."""
        files = {int(path.name.split("_")[1]): path for path in folder.glob(FILE.format("*"))}
        found = cls(is_complete=bool(files))
        for writer in sorted(files):
            if writer % processes == rank:
                with np.load(files[writer]) as saved:
                    found.add(saved["rows"])
                    found.is_complete &= bool(saved["is_complete"])
        return found
