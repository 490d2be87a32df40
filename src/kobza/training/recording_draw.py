"""Epochs by recording: each recording once, with one of its captions.

Where a recording has several captions, each in its own row, an epoch over rows would meet it several times, often in
one batch, and a recording with five captions would weigh as much as five others.
"""

from collections.abc import Sequence
from typing import Any
from zlib import crc32

import numpy as np
import torch
from torch.utils.data import Dataset


def in_turn(n: int, seed: int | None, epoch: int, name: str | int) -> int:
    """Which of a recording's n captions an epoch draws; the first without a seed.

    >>> sorted(in_turn(3, 0, epoch, "a.flac") for epoch in range(3)), in_turn(3, None, 2, "a.flac")
    ([0, 1, 2], 0)
    """
    if n < 2 or seed is None:
        return 0
    turn, place = divmod(epoch, n)
    number = crc32(name.encode()) if isinstance(name, str) else name
    return int(np.random.default_rng((seed, turn, number)).permutation(n)[place])


class RecordingDraw(Dataset):
    """The rows of a data set by recording. Its length is the number of recordings.

    The caption is a function of (seed, epoch, recording) alone, so a resumed run draws the same. Captions take turns:
    after as many epochs as a recording has captions, each of them was drawn once.

    Args:
        rows: a data set of pairs; its `set_epoch`, if it has one, is called too.
        ids: the recording's id of each row; rows of one recording need not follow each other.
    """

    def __init__(self, rows: Any, ids: Sequence[str], seed: int = 0):
        self.rows = rows
        self.seed = seed
        of_recording: dict[str, list[int]] = {}
        for row, recording in enumerate(ids):
            of_recording.setdefault(recording, []).append(row)
        self.captions = list(of_recording.values())
        self._epoch = torch.zeros((), dtype=torch.int64).share_memory_()  # shared with running workers

    def set_epoch(self, epoch: int) -> None:
        """Call it before each epoch."""
        self._epoch.fill_(epoch)
        if hasattr(self.rows, "set_epoch"):
            self.rows.set_epoch(epoch)

    def __len__(self) -> int:
        return len(self.captions)

    def row(self, index: int, epoch: int) -> int:
        """The row that stands for a recording in an epoch."""
        rows = self.captions[index]
        return rows[in_turn(len(rows), self.seed, epoch, index)]

    def __getitem__(self, index: int) -> Any:
        return self.rows[self.row(index, int(self._epoch))]


def draw_by_recording(rows: Any, seed: int) -> Any:
    """`RecordingDraw` of a data set of pairs where a recording has several rows; otherwise the data set itself.

    Args:
        rows: with `recording_ids`, the recording of each row; a data set without them is returned as it is.
    """
    ids = getattr(rows, "recording_ids", None)
    return rows if ids is None or len(set(ids)) == len(ids) else RecordingDraw(rows, ids, seed)
