"""Captioned data sets in the tables and folders in which they are published.

    Clotho (Drossos et al., ICASSP 2020)
        clotho_captions_development.csv, ..._validation.csv, ..._evaluation.csv     file_name, caption_1 ... caption_5
        development/, validation/, evaluation/                                      the recordings
    AudioCaps (Kim et al., NAACL 2019)
        train.csv, val.csv, test.csv      audiocap_id, youtube_id, start_time, caption; five rows a clip but in train
        the clips, under any name of `pairs.clip_names` or their audiocap_id
    Song Describer (Manco et al., arXiv:2311.10057)
        song_describer.csv, audio/        see `pairs.py`; `is_valid_subset` says which captions were validated

Tables and recordings may lie in the folder itself or deeper (clotho_csv_files/, clotho_audio_files/development/).
"""

from collections.abc import Callable, Iterable
from pathlib import Path, PurePosixPath

from kobza.audio import printable
from kobza.data.formats import parse_part
from kobza.data.musiccaps import parse_bool
from kobza.data.pairs import clip_names, load_pairs
from kobza.data.recordings import (
    AudioFolder,
    DataSet,
    DataSetError,
    Recording,
    Skipped,
    find_table,
    read_table,
    require_folder,
)
from kobza.data.splits import split_of_pairs

CLOTHO_SPLITS = {"train": "development", "validation": "validation", "test": "evaluation"}
CLOTHO_CAPTIONS = tuple(f"caption_{number}" for number in range(1, 6))
AUDIOCAPS_SPLITS = {"train": "train", "validation": "val", "test": "test"}


def load_clotho(folder: str | Path, split: str | None = None) -> DataSet:
    """Load a split of Clotho: "test" (evaluation, the default), "validation" or "train" (development).

    Raises:
        DataSetError: the folder, the split's table or its columns are missing, or no recording can be used.
    """
    folder = require_folder(folder)
    _, split = parse_part("clotho", split)
    published = CLOTHO_SPLITS[split]
    table = find_table(folder, f"clotho_captions_{published}.csv")
    rows = read_table(table, ("file_name", *CLOTHO_CAPTIONS))
    audio = AudioFolder(folder)

    def find(row: dict[str, str]) -> str | None:
        stem = PurePosixPath(row["file_name"]).stem
        return audio.find_named(stem, stem.strip(), within=(published, f"clotho_audio_{published}"))

    captioned = ((row["file_name"], find(row), [row[column] for column in CLOTHO_CAPTIONS]) for row in rows)
    return _collect("clotho", folder, split, audio, captioned, table)


def load_audiocaps(folder: str | Path, split: str | None = None) -> DataSet:
    """Load a split of AudioCaps: "test" (the default), "validation" or "train".

    Raises:
        DataSetError: the folder, the split's table or its columns are missing, or no recording can be used.
    """
    folder = require_folder(folder)
    _, split = parse_part("audiocaps", split)
    published = AUDIOCAPS_SPLITS[split]
    table = find_table(folder, f"{published}.csv")
    rows = read_table(table, ("audiocap_id", "youtube_id", "start_time", "caption"))
    audio = AudioFolder(folder)

    def find(row: dict[str, str]) -> str | None:
        try:
            end = str(float(row["start_time"]) + 10)
        except ValueError:
            end = ""
        names = clip_names(row["youtube_id"], row["start_time"], end)
        return audio.find_named(*names, row["audiocap_id"], within=(published, split))

    captioned = ((row["youtube_id"], find(row), [row["caption"]]) for row in rows)
    return _collect("audiocaps", folder, split, audio, captioned, table, "youtube")


def load_song_describer(folder: str | Path, part: str | None = None) -> DataSet:
    """Load Song Describer: "all" captions (the default) or those of its "valid" subset; all recordings, or a split by
    `splits.part_of`, as training divides them: it is published without one.

    Raises:
        DataSetError: the folder, the table or its columns are missing, or no recording can be used.
    """
    kind, split = parse_part("song_describer", part)
    folder = require_folder(folder)
    folder = find_table(folder, "song_describer.csv").parent
    is_wanted: Callable[[dict], bool] = lambda row: kind == "all" or parse_bool(row["is_valid_subset"])  # noqa: E731
    columns = ("is_valid_subset",) if kind == "valid" else ()
    data = load_pairs(folder, "song_describer", None if kind == "all" else kind, columns, is_wanted)
    return data if split == "all" else split_of_pairs(data, split)


def _collect(
    name: str,
    folder: Path,
    split: str,
    audio: AudioFolder,
    captioned: Iterable[tuple[str, str | None, list[str]]],
    table: Path,
    source: str | None = None,
) -> DataSet:
    """The data set of (file as listed, the file found for it, its captions); files of other splits are no concern.
    `source`: whose ids the listed ones are."""
    recordings: list[Recording] = []
    skipped: Skipped = []
    for listed, inner, captions in captioned:
        if inner is None:
            skipped.append((printable(listed), f"{table.name} lists it, but it is missing"))
            continue
        given = [caption.strip() for caption in captions if caption.strip()]
        known_as = f"{source}:{listed}" if source else None
        recordings += [Recording(audio.present[inner], inner, caption=text, source=known_as) for text in given]
        if not given:
            skipped.append((inner, "it has no caption"))
    if not recordings:
        example = f", such as {skipped[0][0]}" if skipped else ""
        raise DataSetError(
            f"{printable(folder)} has none of the {len(skipped)} recordings of {table.name}{example}: check the folder."
        )
    return DataSet(name, folder, tuple(recordings), tuple(skipped), split=split)
