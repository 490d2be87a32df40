"""Any set of recordings with one label each: a folder per class, named by it (`_` for a space)."""

from pathlib import Path

from kobza.audio import AUDIO_EXTENSIONS, printable
from kobza.data.recordings import DataSet, DataSetError, Recording, Skipped, files_under, require_folder


def load_classes(folder: str | Path, split: str | None = None) -> DataSet:
    """The recordings of each class's folder, at any depth.

    Raises:
        DataSetError: no folder, or fewer than two classes with recordings in them.
    """
    folder = require_folder(folder)
    if split:
        raise DataSetError(f"A folder of classes has no part {split!r}: leave '@{split}' out.")
    recordings: list[Recording] = []
    skipped: Skipped = []
    for inner, path in files_under(folder).items():
        if "/" not in inner:
            skipped.append((inner, "it lies in no class's folder"))
        elif path.suffix.lower() not in AUDIO_EXTENSIONS:
            skipped.append((inner, "it is no recording, by its name"))
        else:
            recordings.append(Recording(path, inner, label=printable(inner.split("/")[0]).replace("_", " ")))
    labels = tuple(sorted({recording.label for recording in recordings}))
    if len(labels) < 2:
        raise DataSetError(
            f"{printable(folder)} has recordings of {len(labels)} classes: two or more are needed, a folder for each."
        )
    return DataSet("classes", folder, tuple(recordings), tuple(skipped), labels)
