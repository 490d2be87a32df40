"""MusicCaps (Agostinelli et al., MusicLM, arXiv:2301.11325): 10 s of 5,521 videos, each described by a musician.

The folder is an audiofolder: recordings, and `metadata.jsonl` with file_name, ytid, caption and MusicCaps' other
columns; or the official `musiccaps-public.csv` and the clips: see `pairs.py`. Videos are removed over time, so every
copy is a different subset: a clip's split depends on its video alone.
"""

from pathlib import Path

from kobza.data.formats import parse_part
from kobza.data.pairs import load_pairs
from kobza.data.recordings import DataSet, DataSetError
from kobza.data.splits import hash_fraction

THESIS_SIZES = {"train": 3794, "validation": 500, "test": 1000}  # clips; which ones they were is not published
RULES = ("thesis", "zero-shot", "audioset-eval")
RENAMED_RULES = {"leak-free": "audioset-eval"}  # old name: new name; accepted for one version


def split_of(ytid: str, rule: str = "thesis", is_eval: bool = False) -> str:
    """The split of a clip, "train", "validation" or "test", which does not depend on other clips.

    >>> split_of("-0Gj8-vB1q4"), split_of("-0SdAVK79lg"), split_of("-0SdAVK79lg", "zero-shot")
    ('train', 'test', 'train')

    Args:
        ytid: the video's id, whose hash (`hash_fraction`) decides.
        rule: "thesis", all three in the thesis's proportions; "zero-shot", for models that are tested on other data
            sets: the thesis's test clips are trained on too (4,794 / 500); "audioset-eval", without leakage from
            pretraining on AudioSet: AudioSet's evaluation clips are the test (half of MusicCaps), and the hash divides
            the others.
        is_eval: the clip's `is_audioset_eval`; only the rule "audioset-eval" uses it.
    """
    if rule == "audioset-eval" and is_eval:
        return "test"
    train_end = THESIS_SIZES["train"]
    validation_end = train_end + THESIS_SIZES["validation"]
    total = validation_end if rule == "audioset-eval" else validation_end + THESIS_SIZES["test"]
    position = hash_fraction(ytid) * total
    if position < train_end:
        return "train"
    if position < validation_end:
        return "validation"
    return "train" if rule == "zero-shot" else "test"


def split_musiccaps(folder: str | Path, rule: str = "thesis") -> dict[str, DataSet]:
    """Load every split of a rule: {"train": ..., "validation": ..., "test": ...}.

    Raises:
        DataSetError: there is no such rule; else as `load_pairs`.
    """
    if rule not in RULES:
        raise DataSetError(f"MusicCaps has no split rule {rule!r}: choose one of {', '.join(RULES)}.")
    splits = ("train", "validation") if rule == "zero-shot" else ("train", "validation", "test")
    return {split: _load(folder, split, rule) for split in splits}


def load_musiccaps(folder: str | Path, split: str | None = None) -> DataSet:
    """Load a split: "test" (the default), "validation" or "train" by the thesis's rule; "eval" by "audioset-eval".

    Raises:
        DataSetError: there is no such split; else as `load_pairs`.
    """
    _, split = parse_part("musiccaps", split)
    return _load(folder, split, "audioset-eval" if split == "eval" else "thesis")


def _load(folder: str | Path, split: str, rule: str) -> DataSet:
    wanted_split = "test" if split == "eval" else split

    def is_wanted(row: dict) -> bool:
        return split_of(str(row["ytid"]), rule, parse_bool(row.get("is_audioset_eval"))) == wanted_split

    columns = ("ytid", "is_audioset_eval") if rule == "audioset-eval" else ("ytid",)
    return load_pairs(folder, "musiccaps", split, columns, is_wanted)


def parse_bool(value: object) -> bool:
    """A truth value from JSON or from the text of a CSV table.

    >>> parse_bool(True), parse_bool("True"), parse_bool("False"), parse_bool(None)
    (True, True, False, False)
    """
    return str(value).strip().lower() in ("true", "1")
