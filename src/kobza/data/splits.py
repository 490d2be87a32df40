"""Hash-based splits: a recording stays in its split when other recordings are removed or added.

The hash of a recording's name is a fraction in [0, 1), and each split is an interval of it. Split sizes are therefore
proportions, not exact counts: of MusicCaps' 5,521 clips the thesis's split assigns 3,954 / 508 / 1,059, and about the
thesis's 3,794 / 500 / 1,000 where 5,294 of them are left, as in 2023.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from hashlib import sha256
from pathlib import Path

from kobza.atomic import atomic_write
from kobza.audio import printable
from kobza.data.pairs import load_pairs
from kobza.data.recordings import DataSet, DataSetError, Recording

# Of a folder that comes without a split: the first fraction by hash validates, the next one is the test
VALIDATION_FRACTION = 0.1
TEST_FRACTION = 0.1
PARTS = ("train", "validation", "test")


def hash_fraction(name: str, seed: int = 0) -> float:
    """A name's hash as a fraction in [0, 1): the first 8 bytes of its SHA-256, as a big-endian integer, over 2^64.

    >>> round(hash_fraction("-0SdAVK79lg"), 3), round(hash_fraction("-0SdAVK79lg", seed=1), 3)
    (0.96, 0.623)
    """
    text = name if seed == 0 else f"{seed}/{name}"
    return int.from_bytes(sha256(text.encode()).digest()[:8], "big") / 2**64


def part_of(name: str, seed: int = 0) -> str:
    """The part of a recording in a set that has no split of its own: a tenth validates, another is the test.

    >>> [part_of(name) for name in ("a.mp3", "d.mp3", "f.mp3")]
    ['train', 'validation', 'test']
    """
    position = hash_fraction(name, seed)
    if position < VALIDATION_FRACTION:
        return "validation"
    return "test" if position < VALIDATION_FRACTION + TEST_FRACTION else "train"


def hash_split(recordings: Sequence[Recording], split: str) -> list[Recording]:
    """The recordings of a split, "train", "validation" or "test", by `part_of`; of "all" all of them."""
    return [recording for recording in recordings if split in ("all", part_of(recording.id))]


def split_of_pairs(data: DataSet, split: str) -> DataSet:
    """A split of pairs, as `divide_pairs` makes it. Its name keeps what the data's own says: "valid-test".

    Raises:
        DataSetError: there is nothing in it.
    """
    recordings = tuple(hash_split(data.recordings, split))
    if not recordings:
        raise DataSetError(f"{printable(data.folder)} has no pair in its split {split!r}: add pairs, or use all.")
    return replace(data, recordings=recordings, skipped=(), split="-".join(filter(None, (data.split, split))))


def split_pairs(folder: str | Path, seed: int = 0) -> dict[str, DataSet]:
    """Load a folder of pairs and divide it: see `load_pairs` and `divide_pairs`."""
    return divide_pairs(load_pairs(folder), seed)


def divide_pairs(data: DataSet, seed: int = 0) -> dict[str, DataSet]:
    """Divide pairs as {"train", "validation", "test"} by `part_of`; a recording's captions stay together. There is no
    test if nothing falls into it.

    Raises:
        DataSetError: nothing is left to train or to validate on.
    """
    splits: dict[str, list[Recording]] = {part: [] for part in PARTS}
    for recording in data.recordings:
        splits[part_of(recording.id, seed)].append(recording)
    for name, recordings in splits.items():
        if not recordings and name != "test":
            raise DataSetError(
                f"{printable(data.folder)} has {len(data.recordings)} pairs, too few: none would be left for {name}; "
                "add more."
            )
    return {
        name: replace(data, recordings=tuple(recordings), split=name)
        for name, recordings in splits.items()
        if recordings
    }


def write_split(path: str | Path, splits: Mapping[str, DataSet], rule: str, seed: int = 0) -> None:
    """Write which recordings are in which split, and by which rule: {"rule", "seed", "splits": {name: [id, ...]},
    "skipped": {file: why it is in none}}."""
    ids = {name: list(dict.fromkeys(r.id for r in data.recordings)) for name, data in splits.items()}
    skipped = {file: reason for data in splits.values() for file, reason in data.skipped}
    content = {"rule": rule, "seed": seed, "splits": ids, **({"skipped": skipped} if skipped else {})}
    text = json.dumps(content, indent=1, ensure_ascii=False) + "\n"
    atomic_write(path, text)
