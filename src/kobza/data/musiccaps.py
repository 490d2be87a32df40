"""MusicCaps (Agostinelli et al., MusicLM, arXiv:2301.11325): 10 s of 5,521 videos, each described by a musician.

The folder is an audiofolder: recordings, and `metadata.jsonl` with file_name, ytid, caption and the rest of MusicCaps'
columns. Videos vanish, so every copy is another part of the whole; a split is therefore a function of the video alone.
"""

from hashlib import sha256
from pathlib import Path

from .pairs import load_pairs
from .recordings import DataSet, DataSetError

THESIS = {"train": 3794, "validation": 500, "test": 1000}  # proportions: which clips they were is not published
SPLITS = ("test", "eval", "validation", "train")


def split_of(ytid: str, is_eval: bool | None = None) -> str:
    """train, validation or test: the split of a clip, whichever other clips are there.

    Args:
        ytid: the video's id.
        is_eval: None for the thesis's split, where a hash of the id draws all three in the proportions of `THESIS`.
            The value of `is_audioset_eval` for the leak-free one: AudioSet's evaluation clips, which no tower that was
            pretrained on AudioSet has heard, are the test (about half of MusicCaps); the hash draws the other two.

    The hash: the first 8 bytes of SHA-256, as a big-endian integer, mapped to [0, 1).
    """
    if is_eval:
        return "test"
    place = int.from_bytes(sha256(ytid.encode()).digest()[:8], "big") / 2**64
    sizes = THESIS if is_eval is None else {name: THESIS[name] for name in ("train", "validation")}
    place *= sum(sizes.values())
    if place < sizes["train"]:
        return "train"
    return "validation" if place < sizes["train"] + sizes["validation"] else "test"


def load_musiccaps(folder: str | Path, split: str | None = None) -> DataSet:
    """The pairs of a split: test (by default), validation or train of the thesis's, or eval, the leak-free test.

    Raises:
        DataSetError: no such split; else as `load_pairs`.
    """
    split = split or "test"
    if split not in SPLITS:
        raise DataSetError(f"MusicCaps has no split {split!r}: choose one of {', '.join(SPLITS)}.")
    if split == "eval":
        columns = ("ytid", "is_audioset_eval")
        return load_pairs(folder, "musiccaps", split, columns, lambda row: _is_true(row["is_audioset_eval"]))
    return load_pairs(folder, "musiccaps", split, ("ytid",), lambda row: split_of(str(row["ytid"])) == split)


def _is_true(value: object) -> bool:
    """JSON's true, or what a CSV table makes of it."""
    return str(value).strip().lower() in ("true", "1")
