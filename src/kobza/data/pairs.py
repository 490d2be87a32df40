"""Captioned recordings: a Hugging Face audiofolder, or Song Describer's folder.

    metadata.jsonl or metadata.csv     columns file_name (relative to the folder), caption;
                                       for training aspect_list or tags: a list, or a list as text
    song_describer.csv                 path, caption; recordings in audio/, as 07/1009607.2min.mp3 for 07/1009607.mp3
    musiccaps-public.csv               ytid, start_s, end_s, caption; recordings named after the video, at any depth

A recording may have several captions, each in its own row.
"""

import ast
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path, PurePosixPath

from kobza.audio import printable
from kobza.data.recording_identity import source_of
from kobza.data.recordings import (
    AudioFolder,
    DataSet,
    DataSetError,
    Recording,
    Skipped,
    read_jsonl,
    read_table,
    require_folder,
)

# table: the columns that tell where a recording is; the first table that exists is used
TABLES = {
    "metadata.jsonl": ("file_name",),
    "metadata.csv": ("file_name",),
    "song_describer.csv": ("path",),
    "musiccaps-public.csv": ("ytid", "start_s", "end_s"),
}
ASPECT_COLUMNS = ("aspect_list", "tags")


def load_pairs(
    folder: str | Path,
    name: str = "pairs",
    split: str | None = None,
    columns: tuple[str, ...] = (),
    is_wanted: Callable[[dict], bool] = lambda row: True,
) -> DataSet:
    """Load the rows of a folder's table whose recordings exist, in the table's order.

    Args:
        name, split: of the data set that is returned.
        columns: that the table must have besides file name and caption.
        is_wanted: whether a row belongs to the split.

    Raises:
        DataSetError: the folder or the table is missing, the table lacks columns, or no row can be used.
    """
    folder = require_folder(folder)
    table = next((name for name in TABLES if (folder / name).is_file()), None)
    if table is None:
        raise DataSetError(
            f"{printable(folder)} has no {' or '.join(TABLES)}: write a metadata.jsonl, with file_name and caption in "
            "a JSON object on each line."
        )
    read = read_jsonl if table.endswith(".jsonl") else read_table
    rows = read(folder / table, (*TABLES[table], "caption", *columns))
    audio = AudioFolder(folder)
    recordings: list[Recording] = []
    skipped: Skipped = []
    listed = set()
    for row in rows:
        inner = _find(audio, row, table)
        listed.add(inner)
        if not is_wanted(row):
            continue
        caption = row["caption"]
        if inner is None:
            skipped.append((printable(str(row[TABLES[table][0]])), f"{table} lists it, but it is missing"))
        elif not isinstance(caption, str) or not caption.strip():
            skipped.append((inner, "it has no caption"))
        else:
            recording = Recording(audio.present[inner], inner, caption=caption.strip(), aspects=aspects_of(row))
            source = f"jamendo:{PurePosixPath(row['path']).stem}" if "path" in TABLES[table] else source_of(row)
            recordings.append(replace(recording, source=source, paraphrases=paraphrases_of(row)))
    if not recordings:
        of_split = f" of the split {split!r}" if split else ""
        reason = f" (the first: {': '.join(skipped[0])})" if skipped else ""
        raise DataSetError(
            f"None of the {len(rows)} rows{of_split} of {printable(folder / table)} can be used{reason}: check the "
            "split, and that the recordings are in the table's folder."
        )
    skipped += [(inner, f"{table} does not list it") for inner in audio.present if inner not in listed]
    return DataSet(name, folder, tuple(recordings), tuple(skipped), split=split)


def _find(audio: AudioFolder, row: dict, table: str) -> str | None:
    columns = TABLES[table]
    if "ytid" in columns:
        return audio.find_named(*clip_names(*(str(row[column]) for column in columns)))
    return audio.find(*_candidate_paths(str(row[columns[0]])))


def clip_names(ytid: str, start: str, end: str = "") -> list[str]:
    """The names, without extension, that downloaders give to a video's clip from `start` to `end` (seconds).

    >>> clip_names("-0Gj8-vB1q4", "30", "40")[:5]
    ['-0Gj8-vB1q4', '-0Gj8-vB1q4_30', '-0Gj8-vB1q4_30_40', '[-0Gj8-vB1q4]-[30-40]', 'Y-0Gj8-vB1q4']
    """
    times = [start, end] if end else [start]
    try:
        milliseconds = [f"{float(time):.3f}" for time in times]  # as in AudioSet: Y-0Gj8-vB1q4_30.000_40.000
        whole = [f"{float(time):.0f}" for time in times]
    except ValueError:
        return [ytid]
    bracketed = [f"[{ytid}]-[{'-'.join(whole)}]"] if end else []
    names = []
    for stem in (ytid, f"Y{ytid}"):
        names += [stem, f"{stem}_{whole[0]}", *([f"{stem}_{'_'.join(whole)}"] if end else [])]
        names += bracketed if stem == ytid else [f"{stem}_{milliseconds[0]}", f"{stem}_{'_'.join(milliseconds)}"]
    return names


def _candidate_paths(file: str) -> list[str]:
    """The paths at which a table's file may be: as written, or as Song Describer's archive unpacks.

    >>> _candidate_paths("07/9.mp3")
    ['07/9.mp3', 'audio/07/9.mp3', 'audio/07/9.2min.mp3']
    """
    path = PurePosixPath(file)
    candidates = [path, "audio" / path]
    if path.name:
        candidates.append("audio" / path.with_suffix(".2min" + path.suffix))
    return [candidate.as_posix() for candidate in candidates]


def aspects_of(row: dict) -> tuple[str, ...] | None:
    """The row's aspect_list (or tags): a list, or a list as text, as in MusicCaps' table.

    >>> aspects_of({"aspect_list": "['sad', 'slow']"}), aspects_of({"tags": "sad, slow"}), aspects_of({})
    (('sad', 'slow'), ('sad', 'slow'), None)
    """
    listed = next((row[column] for column in ASPECT_COLUMNS if row.get(column)), None)
    parsed = _list_in(listed)
    return _phrases(listed.split(",") if parsed is None and isinstance(listed, str) else parsed)


def paraphrases_of(row: dict) -> tuple[str, ...] | None:
    """The row's paraphrases of its caption: one, a list, or a list as text.

    >>> paraphrases_of({"paraphrases": "['Sad.', 'Gloomy.']"}), paraphrases_of({"paraphrases": "Sad, slow."})
    (('Sad.', 'Gloomy.'), ('Sad, slow.',))
    """
    given = row.get("paraphrases")
    parsed = _list_in(given)
    return _phrases([given] if parsed is None and isinstance(given, str) else parsed)


def _list_in(value: object) -> Sequence | None:
    """A list, or the list that a text is; None if it is neither."""
    if isinstance(value, str):
        try:
            value = ast.literal_eval(value)
        except (ValueError, SyntaxError):
            return None
    return value if isinstance(value, (list, tuple)) else None


def _phrases(listed: Sequence | None) -> tuple[str, ...] | None:
    return tuple(phrase for item in listed or () if (phrase := str(item).strip())) or None
