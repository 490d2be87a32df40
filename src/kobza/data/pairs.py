"""Captioned recordings of any origin: a Hugging Face audiofolder, or Song Describer's folder.

    metadata.jsonl or metadata.csv     file_name (inside the folder), caption
    aspect_list or tags, for training  a list, or a list as text
    song_describer.csv                 path, caption; recordings in audio/, as 07/1009607.2min.mp3 for 07/1009607.mp3

A recording may have several captions, a row each.
"""

import ast
from collections.abc import Callable
from pathlib import Path, PurePosixPath

from kobza.audio import AUDIO_EXTENSIONS, printable
from kobza.data.recordings import (
    DataSet,
    DataSetError,
    Recording,
    Skipped,
    files_under,
    read_jsonl,
    read_table,
    require_folder,
)

# table: its column of files. The first that is there counts.
TABLES = {"metadata.jsonl": "file_name", "metadata.csv": "file_name", "song_describer.csv": "path"}
ASPECTS = ("aspect_list", "tags")


def load_pairs(
    folder: str | Path,
    name: str = "pairs",
    split: str | None = None,
    columns: tuple[str, ...] = (),
    wanted: Callable[[dict], bool] = lambda row: True,
) -> DataSet:
    """The rows of a folder's table whose recording is there, in the table's order.

    Args:
        name, split: of the data set that comes out. columns: that the table must have besides file and caption.
        wanted: which of the rows belong to the split.

    Raises:
        DataSetError: no folder, no table, wrong columns, or nothing left to use.
    """
    folder = require_folder(folder)
    table = next((name for name in TABLES if (folder / name).is_file()), None)
    if table is None:
        raise DataSetError(
            f"{printable(folder)} has no metadata.jsonl: one JSON object a line, with file_name, caption."
        )
    read = read_jsonl if table.endswith(".jsonl") else read_table
    rows = read(folder / table, (TABLES[table], "caption", *columns))
    there = {inner: path for inner, path in files_under(folder).items() if path.suffix.lower() in AUDIO_EXTENSIONS}
    recordings: list[Recording] = []
    skipped: Skipped = []
    named = set()
    for row in rows:
        file, caption = str(row[TABLES[table]]), row["caption"]
        inner = next((place for place in _places(file) if place in there), None)
        named.add(inner)
        if not wanted(row):
            continue
        if inner is None:
            skipped.append((printable(file), f"{table} names it, but it is not there"))
        elif not isinstance(caption, str) or not caption.strip():
            skipped.append((inner, "it has no caption"))
        else:
            recordings.append(Recording(there[inner], inner, caption=caption.strip(), aspects=aspects_of(row)))
    skipped += [(inner, f"{table} does not name it") for inner in there if inner not in named]
    if not recordings:
        part = f" of the split {split!r}" if split else ""
        raise DataSetError(
            f"None of the {len(rows)} rows{part} of {printable(folder / table)} can be used: check the split and that "
            "the recordings lie beside the table."
        )
    return DataSet(name, folder, tuple(recordings), tuple(skipped), split=split)


def _places(file: str) -> list[str]:
    """Where a table's file may lie in the folder: as it says, or as Song Describer's archive unpacks."""
    path = PurePosixPath(file)
    places = (path, "audio" / path, "audio" / path.with_suffix(".2min" + path.suffix) if path.name else path)
    return [place.as_posix() for place in places]


def aspects_of(row: dict) -> tuple[str, ...] | None:
    """The row's aspect_list (or tags): a list, or one as text, as MusicCaps' table has it: "['sad', 'slow']"."""
    listed = next((row[column] for column in ASPECTS if row.get(column)), None)
    if isinstance(listed, str):
        try:
            listed = ast.literal_eval(listed)
        except (ValueError, SyntaxError):
            listed = listed.split(",")
    if not isinstance(listed, (list, tuple)):
        return None
    return tuple(aspect for item in listed if (aspect := str(item).strip())) or None
