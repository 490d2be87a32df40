"""MagnaTagATune (Law et al., ISMIR 2009): 25,863 clips of 29 s with 188 tags, collected by a game.

    DIR/annotations_final.csv      tab-separated: clip_id, a column of 0 and 1 per tag, mp3_path
    DIR/0/ ... DIR/f/              mp3 files, or in DIR/mp3; three files of the archive are empty
    DIR/train_gt_mtt.tsv, val_gt_mtt.tsv, test_gt_mtt.tsv      a clip_id at the beginning of each line (Pons et al.)

Two splits are in use: by folder, 0 to b, c, and d to f (12:1:3; van den Oord et al., ISMIR 2014), with all clips, also
those without any tag; and that of the three lists. Tags are used as written; synonyms are not merged.
"""

from pathlib import Path

from kobza.audio import printable
from kobza.data.formats import parse_part
from kobza.data.recordings import (
    DataSet,
    DataSetError,
    Recording,
    Skipped,
    read_table,
    read_text,
    require_folder,
    visible_files,
)

TABLE = "annotations_final.csv"
TAG_COUNT = 188
SPLIT_FOLDERS = {"train": "0123456789ab", "validation": "c", "test": "def", "all": "0123456789abcdef"}
SPLIT_LISTS = {"train": "train_gt_mtt.tsv", "validation": "val_gt_mtt.tsv", "test": "test_gt_mtt.tsv"}


def load_magnatagatune(folder: str | Path, split: str | None = None) -> DataSet:
    """Load clips with the 50 most frequent tags of the table ("50", the default; "gt" with the lists), or all ("188").

    Args:
        split: a tag set, a split, or both: "50", "test", "188-test", "gt-test". All clips where it names no split.

    Raises:
        DataSetError: the folder or the table is missing, the table is not MagnaTagATune's, there is no such tag set,
            or none of the clips is there.
    """
    folder = require_folder(folder)
    tag_set, part = parse_part("magnatagatune", split)
    table = folder / TABLE
    rows = read_table(table, ("clip_id", "mp3_path"), delimiter="\t")
    columns = [column for column in (rows[0] if rows else {}) if column not in ("clip_id", "mp3_path")]
    if len(columns) != TAG_COUNT:
        raise DataSetError(
            f"{printable(table)} has {len(columns)} tag columns, MagnaTagATune {TAG_COUNT}: fetch the table again."
        )
    invalid = next(((row["clip_id"], tag) for row in rows for tag in columns if row[tag] not in ("0", "1")), None)
    if invalid:
        clip, tag = invalid
        raise DataSetError(f"Clip {clip} in {printable(table)} has neither 0 nor 1 for {tag!r}: fetch the table again.")
    vocabulary = columns if tag_set == "188" else most_frequent_tags(rows, columns, 50)
    root = folder / "mp3" if (folder / "mp3").is_dir() else folder
    present = {inner: path for inner, path in visible_files(root).items() if inner.lower().endswith(".mp3")}
    recordings: list[Recording] = []
    skipped: Skipped = []
    chosen = [row for row in rows if row["mp3_path"][:1] in SPLIT_FOLDERS[part]]
    if tag_set == "gt":
        clips = _listed_clips(folder, part)
        chosen = [row for row in rows if row["clip_id"] in clips]
    for row in chosen:
        inner = row["mp3_path"]
        if inner in present:
            tags = tuple(tag for tag in vocabulary if row[tag] == "1")
            recordings.append(Recording(present[inner], inner, tags=tags))
        else:
            skipped.append((printable(inner), f"{TABLE} lists it, but it is missing"))
    listed = {row["mp3_path"] for row in rows}
    skipped += [(inner, f"{TABLE} does not list it") for inner in present if inner not in listed]
    if not recordings:
        raise DataSetError(
            f"{printable(root)} has none of the {len(chosen)} clips of {TABLE}: move its folders 0 to f there."
        )
    name = tag_set if part == "all" else f"{tag_set}-{part}"
    return DataSet("magnatagatune", folder, tuple(recordings), tuple(skipped), tuple(vocabulary), name)


def _listed_clips(folder: Path, split: str) -> set[str]:
    """The clip_ids of a split's list, or of all three."""
    files = SPLIT_LISTS.values() if split == "all" else [SPLIT_LISTS[split]]
    lines = [line for file in files for line in read_text(folder / file).splitlines()]
    return {line.split("\t")[0].strip() for line in lines if line.strip()}


def most_frequent_tags(rows: list[dict[str, str]], columns: list[str], k: int) -> list[str]:
    """The k tags with the most clips, most frequent first, ties in the order of the columns.

    >>> most_frequent_tags([{"a": "0", "b": "1"}, {"a": "1", "b": "1"}], ["a", "b"], 1)
    ['b']
    """
    counts = {tag: sum(row[tag] == "1" for row in rows) for tag in columns}
    return sorted(columns, key=lambda tag: -counts[tag])[:k]
