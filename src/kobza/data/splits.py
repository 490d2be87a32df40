"""Who trains, who validates, who tests: parts of a data set that do not move when recordings vanish or are added.

Each recording's part is a function of its own name: the hash of the name is a place in [0, 1), and the parts are
stretches of it. So sizes are shares, never exact counts: of MusicCaps' 5,521 clips the thesis's split draws 3,954 / 508
/ 1,059, and about its 3,794 / 500 / 1,000 where 5,294 of them are left, as in 2023.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from hashlib import sha256
from pathlib import Path

from kobza.atomic import atomic_write
from kobza.data.pairs import load_pairs
from kobza.data.recordings import DataSet, DataSetError

VALIDATION = 0.1  # the part of one's own pairs


def place_of(name: str, seed: int = 0) -> float:
    """A name's place in [0, 1): the first 8 bytes of its SHA-256, as a big-endian integer. Seeds draw anew."""
    text = name if seed == 0 else f"{seed}/{name}"
    return int.from_bytes(sha256(text.encode()).digest()[:8], "big") / 2**64


def split_pairs(folder: str | Path, seed: int = 0) -> dict[str, DataSet]:
    """One's own pairs as {"train", "validation"}: nine tenths and one; all captions of a recording are in one part.

    Raises:
        DataSetError: as `load_pairs`; or a part would be empty.
    """
    data = load_pairs(folder)
    parts = {"train": [], "validation": []}
    for recording in data.recordings:
        parts["validation" if place_of(recording.id, seed) < VALIDATION else "train"].append(recording)
    for name, part in parts.items():
        if not part:
            raise DataSetError(
                f"{data.folder} has {len(data.recordings)} pairs, too few: none would be left for {name}; add more."
            )
    return {name: replace(data, recordings=tuple(part), split=name) for name, part in parts.items()}


def write_split(path: str | Path, splits: Mapping[str, DataSet], rule: str, seed: int = 0) -> None:
    """Writes which recordings were in which part, and why: {"rule", "seed", "splits": {name: [id, ...]}}."""
    ids = {name: list(dict.fromkeys(r.id for r in data.recordings)) for name, data in splits.items()}
    text = json.dumps({"rule": rule, "seed": seed, "splits": ids}, indent=1, ensure_ascii=False) + "\n"
    atomic_write(path, text)
