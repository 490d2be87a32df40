"""MagnaTagATune (Law et al., ISMIR 2009): 25,863 clips of 29 s with 188 tags that players of a game agreed on.

    DIR/annotations_final.csv      tab-separated: clip_id, a column of 0 and 1 per tag, mp3_path
    DIR/0/ ... DIR/f/              mp3 files, or in DIR/mp3; three of the archive's are empty

All clips count, those without any of the tags too. Tags are taken as they are written; synonyms are not merged.
"""

from pathlib import Path

from kobza.audio import printable
from kobza.data.recordings import DataSet, DataSetError, Recording, Skipped, files_under, read_table, require_folder

TABLE = "annotations_final.csv"
TAGS = 188
SPLITS = ("50", "188")


def load_magnatagatune(folder: str | Path, split: str | None = None) -> DataSet:
    """The clips with the 50 most frequent tags of the table (split "50", by default) or with all ("188").

    Raises:
        DataSetError: no folder or table, a table that is not MagnaTagATune's, no such split, no clip of it there.
    """
    folder = require_folder(folder)
    split = split or SPLITS[0]
    if split not in SPLITS:
        raise DataSetError(f"MagnaTagATune has no tag set {split!r}: choose one of {', '.join(SPLITS)}.")
    table = folder / TABLE
    rows = read_table(table, ("clip_id", "mp3_path"), delimiter="\t")
    columns = [column for column in (rows[0] if rows else {}) if column not in ("clip_id", "mp3_path")]
    if len(columns) != TAGS:
        raise DataSetError(
            f"{printable(table)} has {len(columns)} tag columns, MagnaTagATune {TAGS}: fetch the table again."
        )
    strange = next(((row["clip_id"], tag) for row in rows for tag in columns if row[tag] not in ("0", "1")), None)
    if strange:
        raise DataSetError(
            f"Clip {strange[0]} in {printable(table)} has neither 0 nor 1 for {strange[1]!r}: fetch the table again."
        )
    vocabulary = columns if split == "188" else most_frequent(rows, columns, 50)
    root = folder / "mp3" if (folder / "mp3").is_dir() else folder
    there = {inner: path for inner, path in files_under(root).items() if inner.lower().endswith(".mp3")}
    recordings: list[Recording] = []
    skipped: Skipped = []
    for row in rows:
        inner = row["mp3_path"]
        if inner in there:
            tags = tuple(tag for tag in vocabulary if row[tag] == "1")
            recordings.append(Recording(there[inner], inner, tags=tags))
        else:
            skipped.append((printable(inner), f"{TABLE} names it, but it is not there"))
    named = {row["mp3_path"] for row in rows}
    skipped += [(inner, f"{TABLE} does not name it") for inner in there if inner not in named]
    if not recordings:
        raise DataSetError(
            f"{printable(root)} has none of the {len(rows)} clips of {TABLE}: its folders 0 to f belong there."
        )
    return DataSet("magnatagatune", folder, tuple(recordings), tuple(skipped), tuple(vocabulary), split)


def most_frequent(rows: list[dict[str, str]], columns: list[str], k: int) -> list[str]:
    """The k tags with the most clips, the most frequent first; of equal ones the earlier column."""
    counts = {tag: sum(row[tag] == "1" for row in rows) for tag in columns}
    return sorted(columns, key=lambda tag: -counts[tag])[:k]
