"""Data sets with several tags a recording, in the tables and folders in which they are published.

    MTG-Jamendo (Bogdanov et al., ICML 2019 workshop)
        data/splits/split-0/autotagging_genre-test.tsv     TRACK_ID ARTIST_ID ALBUM_ID PATH DURATION TAGS: one or
                                                           more columns of the form genre---rock
        87/4887.mp3, or 87/4887.low.mp3 of the smaller archive
    OpenMIC-2018 (Humphrey et al., ISMIR 2018)
        openmic-2018-aggregated-labels.csv                 sample_key, instrument, relevance, num_responses
        partitions/split01_train.csv, split01_test.csv     a sample_key on each line
        audio/000/000046_3840.ogg
    Any other
        metadata.jsonl or metadata.csv                     file_name, tags: a list, or a list as text

Tables and recordings may lie in the folder itself or deeper.
"""

import csv
from collections import Counter
from collections.abc import Iterable
from pathlib import Path, PurePosixPath

from kobza.audio import printable
from kobza.data.formats import OFFICIAL, parse_part
from kobza.data.pairs import aspects_of
from kobza.data.recordings import (
    AudioFolder,
    DataSet,
    DataSetError,
    Recording,
    Skipped,
    find_table,
    read_jsonl,
    read_table,
    read_text,
    require_folder,
)
from kobza.data.splits import VALIDATION_FRACTION, hash_fraction, hash_split

JAMENDO_COLUMNS = ["TRACK_ID", "ARTIST_ID", "ALBUM_ID", "PATH", "DURATION", "TAGS"]
OPENMIC_LABELS = "openmic-2018-aggregated-labels.csv"
OPENMIC_LISTS = {"train": "split01_train.csv", "validation": "split01_train.csv", "test": "split01_test.csv"}
OWN_TABLES = ("metadata.jsonl", "metadata.csv")


def load_mtg_jamendo(folder: str | Path, part: str | None = None) -> DataSet:
    """Load a split of MTG-Jamendo's split 0 with all tags or those of one kind: "genre-test", "moodtheme-train".

    Raises:
        DataSetError: the folder or the split's table is missing or malformed, or no recording can be used.
    """
    folder = require_folder(folder)
    kind, split = parse_part("mtg_jamendo", part)
    name = "autotagging" if kind == "all" else f"autotagging_{kind}"
    table = find_table(folder, f"{name}-{split}.tsv")
    rows = _read_jamendo(table)
    others = [table.with_name(f"{name}-{other}.tsv") for other in OFFICIAL if other != split]
    every = [tags for other in others if other.is_file() for _, tags in _read_jamendo(other)]
    words = _jamendo_words({tag for tags in [*every, *(tags for _, tags in rows)] for tag in tags})
    audio = AudioFolder(folder)
    recordings: list[Recording] = []
    skipped: Skipped = []
    for path, tags in rows:
        stem = PurePosixPath(path).stem
        inner = audio.find(path) or audio.find_named(stem, f"{stem}.low")
        if inner is None:
            skipped.append((printable(path), f"{table.name} lists it, but it is missing"))
        else:
            named = tuple(words[tag] for tag in tags)
            recordings.append(Recording(audio.present[inner], inner, tags=named, source=f"jamendo:{stem}"))
    return _checked("mtg_jamendo", folder, recordings, skipped, sorted(words.values()), f"{kind}-{split}", table)


def _read_jamendo(table: Path) -> list[tuple[str, list[str]]]:
    """[(path, tags)]; the tags of a track are columns without a header."""
    lines = list(csv.reader(read_text(table).splitlines(), delimiter="\t", quoting=csv.QUOTE_NONE))
    if not lines or lines[0] != JAMENDO_COLUMNS:
        raise DataSetError(
            f"The header of {printable(table)} is {' '.join(lines[0]) if lines else 'empty'}, of MTG-Jamendo's tables "
            f"{' '.join(JAMENDO_COLUMNS)}: put the table there as it was published, with tabs."
        )
    return [(line[3], [tag for tag in line[5:] if tag]) for line in lines[1:] if len(line) > 5]


def _jamendo_words(tags: Iterable[str]) -> dict[str, str]:
    """{tag: the words after its category}, with the category where two tags have the same words.

    >>> _jamendo_words(["genre---pop", "genre---easy", "mood/theme---easy"])
    {'genre---pop': 'pop', 'genre---easy': 'genre easy', 'mood/theme---easy': 'mood/theme easy'}
    """
    tags = list(tags)
    counts = Counter(tag.rpartition("---")[2] for tag in tags)
    return {
        tag: word if counts[word] == 1 else f"{category} {word}".strip()
        for tag in tags
        for category, _, word in [tag.rpartition("---")]
    }


def load_openmic(folder: str | Path, split: str | None = None) -> DataSet:
    """Load a split of OpenMIC-2018: "test" (the default); "validation" is a tenth of its train split, "train" the rest.

    Of each recording some instruments are known to be there (relevance .5 or more) or not; others count neither way.

    Raises:
        DataSetError: the folder, a table or its columns are missing, or no recording can be used.
    """
    folder = require_folder(folder)
    _, split = parse_part("openmic", split)
    table = find_table(folder, OPENMIC_LABELS)
    labels: dict[str, dict[str, bool]] = {}
    for row in read_table(table, ("sample_key", "instrument", "relevance")):
        try:
            relevant = float(row["relevance"]) >= 0.5
        except ValueError:
            raise DataSetError(
                f"The relevance of {row['sample_key']} in {printable(table)} is {row['relevance']!r}, which is not "
                "a number: correct the line."
            ) from None
        labels.setdefault(row["sample_key"], {})[row["instrument"].replace("_", " ")] = relevant
    keys = [line.strip() for line in read_text(find_table(folder, OPENMIC_LISTS[split])).splitlines() if line.strip()]
    if split != "test":
        keys = [key for key in keys if (hash_fraction(key) < VALIDATION_FRACTION) == (split == "validation")]
    audio = AudioFolder(folder)
    recordings: list[Recording] = []
    skipped: Skipped = []
    for key in keys:
        inner = audio.find_named(key)
        if inner is None:
            skipped.append((printable(key), f"{OPENMIC_LISTS[split]} lists it, but it is missing"))
        elif key not in labels:
            skipped.append((inner, f"{OPENMIC_LABELS} does not list it"))
        else:
            known = labels[key]
            tags = tuple(tag for tag, relevant in known.items() if relevant)
            recordings.append(Recording(audio.present[inner], inner, tags=tags, judged=tuple(known)))
    vocabulary = sorted({tag for known in labels.values() for tag in known})
    return _checked("openmic", folder, recordings, skipped, vocabulary, split, table)


def load_tags(folder: str | Path, split: str | None = None) -> DataSet:
    """Load the recordings of a folder's table with their tags: all (the default), or a split drawn by file name.

    Raises:
        DataSetError: the folder, the table or its columns are missing, or no recording can be used.
    """
    folder = require_folder(folder)
    _, split = parse_part("tags", split)
    table = find_table(folder, *OWN_TABLES)
    read = read_jsonl if table.suffix == ".jsonl" else read_table
    rows = read(table, ("file_name", "tags"))
    audio = AudioFolder(table.parent)
    recordings: list[Recording] = []
    skipped: Skipped = []
    for row in rows:
        inner = audio.find(str(row["file_name"]))
        if inner is None:
            skipped.append((printable(str(row["file_name"])), f"{table.name} lists it, but it is missing"))
        else:
            recordings.append(Recording(audio.present[inner], inner, tags=aspects_of({"tags": row["tags"]}) or ()))
    vocabulary = sorted({tag for recording in recordings for tag in recording.tags or ()})
    recordings = hash_split(recordings, split)
    return _checked("tags", folder, recordings, skipped, vocabulary, None if split == "all" else split, table)


def _checked(
    name: str,
    folder: Path,
    recordings: list[Recording],
    skipped: Skipped,
    vocabulary: list[str],
    split: str | None,
    table: Path,
) -> DataSet:
    if not recordings:
        example = f", such as {skipped[0][0]}" if skipped else ""
        of_split = f" in {split}" if split else ""
        raise DataSetError(
            f"{printable(folder)} has none of the {len(skipped)} recordings of {table.name}{of_split}{example}: check "
            "the folder and the part."
        )
    return DataSet(name, folder, tuple(recordings), tuple(skipped), tuple(vocabulary), split)
