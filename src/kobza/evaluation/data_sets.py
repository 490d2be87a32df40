"""The data sets of an evaluation: load them by name and folder, and hash their content."""

import hashlib
import json
from collections.abc import Callable
from pathlib import Path

from kobza.data.class_folders import load_classes
from kobza.data.gtzan import load_gtzan
from kobza.data.magnatagatune import load_magnatagatune
from kobza.data.musiccaps import load_musiccaps
from kobza.data.pairs import load_pairs
from kobza.data.recordings import DataSet, DataSetError
from kobza.folders import expanded


def _load_pairs(folder: str, part: str | None) -> DataSet:
    if part:
        raise DataSetError(f"A folder of pairs has no part {part!r}: leave '@{part}' out.")
    return load_pairs(folder)


LOADERS: dict[str, Callable[[str, str | None], DataSet]] = {
    "musiccaps": load_musiccaps,
    "gtzan": load_gtzan,
    "magnatagatune": load_magnatagatune,
    "pairs": _load_pairs,
    "classes": load_classes,
}


def load_data_set(spec: str) -> DataSet:
    """Load SET:DIR or SET:DIR@PART; PART is a split of MusicCaps, a list of GTZAN's files, a MagnaTagATune tag set.

    Raises:
        DataSetError: `spec` is not of this form, or the data set cannot be used.
    """
    name, _, folder = spec.partition(":")
    if name not in LOADERS or not folder:
        raise DataSetError(f"{spec!r} is not a data set: write one of {', '.join(f'{name}:DIR' for name in LOADERS)}.")
    part = None
    if "@" in folder and not expanded(folder).is_dir():
        folder, _, part = folder.rpartition("@")
    return LOADERS[name](folder, part)


def data_hash(data: DataSet) -> str:
    """SHA-256 over each recording's path in the data set, its bytes and its annotations, and over the vocabulary."""
    digest = hashlib.sha256(json.dumps(data.vocabulary).encode())
    file_hashes: dict[Path, str] = {}
    for recording in data.recordings:
        if recording.path not in file_hashes:
            with recording.path.open("rb") as file:
                file_hashes[recording.path] = hashlib.file_digest(file, "sha256").hexdigest()
        row = [recording.id, file_hashes[recording.path], recording.caption, recording.label, recording.tags]
        digest.update(json.dumps(row).encode())
    return digest.hexdigest()
