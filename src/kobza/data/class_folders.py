"""Recordings with one label each: a folder per class, whose name is the label (`_` for a space)."""

from pathlib import Path

from kobza.audio import AUDIO_EXTENSIONS, printable
from kobza.data.formats import parse_part
from kobza.data.recordings import DataSet, DataSetError, Recording, Skipped, require_folder, visible_files
from kobza.data.splits import hash_split


def load_classes(folder: str | Path, split: str | None = None) -> DataSet:
    """Load the recordings in each class's folder, at any depth: all (the default), or a split drawn by file name.

    Raises:
        DataSetError: there is no such folder, or fewer than two classes have recordings.
    """
    folder = require_folder(folder)
    _, split = parse_part("classes", split)
    recordings: list[Recording] = []
    skipped: Skipped = []
    found: set[str] = set()
    for inner, path in visible_files(folder).items():
        if "/" not in inner:
            skipped.append((inner, "it is in no class's folder"))
        elif path.suffix.lower() not in AUDIO_EXTENSIONS:
            skipped.append((inner, "its extension is not that of an audio file"))
        else:
            label = printable(inner.split("/")[0]).replace("_", " ")
            found.add(label)
            recordings.append(Recording(path, inner, label=label))
    labels = tuple(sorted(found))
    if len(labels) < 2:
        raise DataSetError(
            f"{printable(folder)} has recordings of {len(labels)} classes: two or more are needed, a folder for each."
        )
    recordings = hash_split(recordings, split)
    if not recordings:
        raise DataSetError(f"{printable(folder)} has no recording in its split {split!r}: add recordings, or use all.")
    name = None if split == "all" else split
    return DataSet("classes", folder, tuple(recordings), tuple(skipped), labels, name)
