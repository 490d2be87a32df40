"""Captions and labels of the same recordings: the rows of MusicCaps that `label_space` is fitted on."""

import ast
from collections.abc import Set
from pathlib import Path
from typing import NamedTuple

from kobza.data.recordings import read_table
from kobza.distill.keyword_rules import match_labels
from kobza.distill.music_tag_rules import match_tags


class CaptionedRow(NamedTuple):
    """A row of MusicCaps, with the indices of AudioSet's labels and of musicnn's tags (`music_tag_rules.TAGS`)."""

    caption: str
    aspects: list[str]
    labels: set[int]  # the recording's, and those that the text names
    tags: set[int]  # those that the text names


def read_labels(path: Path) -> tuple[dict[str, int], list[str]]:
    """Reads AudioSet's class table (index, mid, display_name): the index of each MID, and the names in order."""
    rows = sorted(read_table(path, ("index", "mid", "display_name")), key=lambda row: int(row["index"]))
    return {row["mid"]: int(row["index"]) for row in rows}, [row["display_name"] for row in rows]


def read_musiccaps(musiccaps: Path, class_table: Path, exclude: Set[str] = frozenset()) -> list[CaptionedRow]:
    """Reads the rows of MusicCaps except the ytids in `exclude`, which are kept for evaluation."""
    index, names = read_labels(class_table)
    index_of_name = {name: label for label, name in enumerate(names)}
    rows = []
    for row in read_table(musiccaps, ("ytid", "audioset_positive_labels", "aspect_list", "caption")):
        if row["ytid"] in exclude:
            continue
        aspects = ast.literal_eval(row["aspect_list"])
        text = f"{row['caption']} . {', '.join(aspects)}"
        labels = {index[mid] for mid in row["audioset_positive_labels"].split(",") if mid in index}
        named = {index_of_name[name] for name in match_labels(text) if name in index_of_name}
        rows.append(CaptionedRow(row["caption"], aspects, labels | named, match_tags(text)))
    return rows
