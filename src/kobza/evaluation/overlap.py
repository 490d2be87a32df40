"""Whether a model was trained on what it is evaluated on: the recordings of a data set among those of `trained_on.bin`.

A result carries {"train", "captions", "validation": how many of its recordings are in each part, "of": all of them,
"share": of those in train or captions, "is_complete", "note"}, or None where nothing is known.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from kobza.data.musiccaps import RENAMED_RULES, RULES
from kobza.data.recording_identity import keys_of_all, source_key
from kobza.data.recordings import DataSet, DataSetError
from kobza.embedding.trained_on import PARTS, TrainedOn, fetch_trained_on
from kobza.embedding.training_record import local_folder


def recordings_trained_on(checkpoint: str | Path, fingerprint: str) -> TrainedOn | None:
    """What is known of a loaded checkpoint, by its folder or Hub id: its `trained_on.bin`; of a run of Kobza 0.2, whose
    files are named after MusicCaps' videos, its `split.json`."""
    folder = local_folder(checkpoint)
    return fetch_trained_on(checkpoint, folder, fingerprint) or _of_split_file(folder)


def _of_split_file(folder: Path | None) -> TrainedOn | None:
    if folder is None:
        return None
    try:
        split = json.loads((folder / "split.json").read_text(encoding="utf-8"))
        if split["rule"] not in (*RULES, *RENAMED_RULES):
            return None
        names = {part: split["splits"][part] for part in ("train", "validation")}
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return TrainedOn(note="by the names in split.json").added(
        {part: [[source_key(f"youtube:{Path(name).stem}")] for name in listed] for part, listed in names.items()}
    )


def find_overlap(trained_on: TrainedOn | None, data: DataSet) -> dict[str, Any] | None:
    """How many of a data set's recordings a model was trained on, as a result carries it."""
    if trained_on is None:
        return None
    keys = _keys_of_each(data)
    seen = {part: [trained_on.seen(part, some) for some in keys] for part in PARTS}
    either = sum(sound or text for sound, text in zip(seen["train"], seen["captions"], strict=True))
    return {
        **{part: sum(found) for part, found in seen.items()},
        "of": len(keys),
        "share": either / len(keys),
        "is_complete": trained_on.is_complete,
        "note": trained_on.note,
    }


def copies_in_splits(splits: Mapping[str, DataSet]) -> dict[str, int]:
    """How many recordings of "test" are also in each other split, by their keys: a probe has been told their labels."""
    keys = {name: _keys_of_each(data) for name, data in splits.items()}
    others = TrainedOn().added({name: some for name, some in keys.items() if name != "test"})
    return {name: sum(others.seen(name, some) for some in keys["test"]) for name in others.parts}


def _keys_of_each(data: DataSet) -> list[list[int]]:
    """The keys of each recording, once however many captions it has."""
    return list(dict(zip((r.path for r in data.recordings), keys_of_all(data.recordings), strict=True)).values())


def overlap_words(overlap: dict[str, Any] | None) -> str:
    """What a result's overlap is, in words; "" if there is none or nothing is known.

    >>> overlap_words({"train": 206, "captions": 0, "validation": 3})
    '206 trained on, 3 in its validation split'
    """
    says = {"train": "{:,} trained on", "captions": "{:,} by caption", "validation": "{:,} in its validation split"}
    return ", ".join(text.format(overlap[part]) for part, text in says.items() if overlap and overlap.get(part))


def check_overlap(model: str, spec: str, overlap: dict[str, Any] | None, allow: bool, say) -> None:
    """Say what is known, and refuse a data set that a model was trained on.

    Raises:
        DataSetError: some of it was, and that is not allowed.
    """
    if overlap is None:
        say(f"what {model} was trained on is not recorded, so whether it knows these recordings cannot be checked")
        return
    if not overlap["is_complete"]:
        say(f"not all that {model} was trained on is recorded: {overlap['note']}")
    if overlap["validation"]:
        count = f"{overlap['validation']:,} of the {overlap['of']:,} recordings"
        say(f"{count} are in the validation split by which {model} was chosen: the result says so")
    kinds = {"train": "is among those that {} was trained on", "captions": "is described by a caption that {} learned"}
    for part, what in kinds.items():
        if not overlap[part]:
            continue
        sentence = f"{overlap[part]:,} of the {overlap['of']:,} recordings of {spec} "
        sentence += (what if overlap[part] == 1 else what.replace("is ", "are ", 1)).format(model)
        if not allow:
            raise DataSetError(
                f"{sentence}: evaluate it on others, or add --allow-overlap; the result then says how many they are."
            )
        say(f"{sentence}: the result says so")
