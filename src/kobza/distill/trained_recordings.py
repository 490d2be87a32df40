"""What a built checkpoint knows of MusicCaps, for its `trained_on.bin`: the captions that its text side is fitted on,
and the recordings by which it was chosen."""

from collections.abc import Set
from pathlib import Path

from kobza.data.recording_identity import source_key
from kobza.data.recordings import read_table
from kobza.embedding.trained_on import TrainedOn

NOTE = "Of the sound that it was distilled from only the sources are named, in its card, and not the recordings."


def recordings_of_build(musiccaps: Path, left_out: Set[str]) -> TrainedOn:
    """The captions of MusicCaps' table without those `left_out`, by whose recordings the build was chosen (ytids)."""
    keys = {row["ytid"]: [source_key(f"youtube:{row['ytid']}")] for row in read_table(musiccaps, ("ytid",))}
    captions = [key for ytid, key in keys.items() if ytid not in left_out]
    chosen_by = [key for ytid, key in keys.items() if ytid in left_out]
    return TrainedOn(is_complete=False, note=NOTE).added({"captions": captions, "validation": chosen_by})
