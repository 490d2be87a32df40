"""MusicCaps (Agostinelli et al., MusicLM, arXiv:2301.11325): 10 s of 5,521 videos, each described by a musician.

The folder is an audiofolder: recordings, and `metadata.jsonl` with file_name, ytid, caption and the rest of MusicCaps'
columns. Videos vanish, so every copy is another part of the whole; a split is therefore a function of the video alone.
"""

from pathlib import Path

from kobza.data.pairs import load_pairs
from kobza.data.recordings import DataSet, DataSetError
from kobza.data.splits import place_of

THESIS = {"train": 3794, "validation": 500, "test": 1000}  # shares: which clips they were is not published
RULES = ("thesis", "zero-shot", "leak-free")
SPLITS = ("test", "eval", "validation", "train")


def split_of(ytid: str, rule: str = "thesis", is_eval: bool = False) -> str:
    """train, validation or test: the part of a clip, whichever other clips are there.

    Args:
        ytid: the video's id, whose hash (`place_of`) draws the part.
        rule: "thesis", all three in its proportions; "zero-shot", for models that are tested on other data sets: the
            thesis's test trains too (4,794 / 500); "leak-free": AudioSet's evaluation clips, which no tower that was
            pretrained on AudioSet has heard, are the test (half of MusicCaps), and the hash draws the other two.
        is_eval: the clip's `is_audioset_eval`; only the leak-free rule asks.
    """
    if rule == "leak-free" and is_eval:
        return "test"
    place = place_of(ytid) * (THESIS["train"] + THESIS["validation"] + (THESIS["test"] if rule != "leak-free" else 0))
    if place < THESIS["train"]:
        return "train"
    if place < THESIS["train"] + THESIS["validation"]:
        return "validation"
    return "train" if rule == "zero-shot" else "test"


def split_musiccaps(folder: str | Path, rule: str = "thesis") -> dict[str, DataSet]:
    """Every part that the rule has: {"train": ..., "validation": ..., "test": ...}.

    Raises:
        DataSetError: no such rule; else as `load_pairs`.
    """
    if rule not in RULES:
        raise DataSetError(f"MusicCaps has no split rule {rule!r}: choose one of {', '.join(RULES)}.")
    parts = ("train", "validation") if rule == "zero-shot" else ("train", "validation", "test")
    return {part: _load(folder, part, rule) for part in parts}


def load_musiccaps(folder: str | Path, split: str | None = None) -> DataSet:
    """The pairs of a split: test (by default), validation or train of the thesis's, or eval, the leak-free test.

    Raises:
        DataSetError: no such split; else as `load_pairs`.
    """
    split = split or "test"
    if split not in SPLITS:
        raise DataSetError(f"MusicCaps has no split {split!r}: choose one of {', '.join(SPLITS)}.")
    return _load(folder, split, "thesis") if split != "eval" else _load(folder, "eval", "leak-free")


def _load(folder: str | Path, split: str, rule: str) -> DataSet:
    part = "test" if split == "eval" else split

    def wanted(row: dict) -> bool:
        return split_of(str(row["ytid"]), rule, is_true(row.get("is_audioset_eval"))) == part

    columns = ("ytid", "is_audioset_eval") if rule == "leak-free" else ("ytid",)
    return load_pairs(folder, "musiccaps", split, columns, wanted)


def is_true(value: object) -> bool:
    """JSON's true, or what a CSV table makes of it."""
    return str(value).strip().lower() in ("true", "1")
