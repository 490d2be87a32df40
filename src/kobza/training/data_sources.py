"""The pairs of a training run: MusicCaps, the user's own folder, a stream, or pieces that Kobza composes."""

from dataclasses import replace
from pathlib import Path

from kobza.data.decoding_check import check_recordings
from kobza.data.musiccaps import RENAMED_RULES, split_musiccaps
from kobza.data.pairs import load_pairs
from kobza.data.recordings import DataSet, DataSetError
from kobza.data.splits import split_pairs
from kobza.folders import expanded
from kobza.synth.album import random_pieces, write_album
from kobza.terminal import say
from kobza.training.arguments import DataArguments

Splits = dict[str, DataSet]  # train (unless it is a stream), validation and, where there is one, test


def is_stream(data_args: DataArguments) -> bool:
    """Whether --data names shards (see `streaming.find_shards`) rather than a folder."""
    return data_args.data is not None and (data_args.data.startswith("hub:") or data_args.data.endswith(".tar"))


def load_splits(data_args: DataArguments) -> tuple[Splits, str]:
    """The pairs of each split, only those that can be decoded, and the name of the rule that divided them.

    Raises:
        DataSetError: no folder was given, or it cannot be used.
    """
    if data_args.synthetic:
        return synthetic_splits(expanded(data_args.data or "runs/pieces"), data_args.pieces), "synthetic"
    if not data_args.data:
        raise DataSetError("There is nothing to train on: give --data FOLDER, of captioned recordings, or --synthetic.")
    if is_stream(data_args):
        if not data_args.validation_data:
            raise DataSetError("A stream cannot be divided: give --validation_data, a folder of captioned recordings.")
        splits, rule = {"validation": load_pairs(data_args.validation_data)}, "stream"
    elif _is_musiccaps(data_args.data):
        rule = RENAMED_RULES.get(data_args.split, data_args.split)
        if rule != data_args.split:
            say(f"--split {data_args.split} is now called --split {rule}; the old name works in this version only.")
        splits = split_musiccaps(data_args.data, rule)
    else:
        splits, rule = split_pairs(data_args.data), "own pairs"
    return {name: check_recordings(data) for name, data in splits.items()}, rule


def _is_musiccaps(folder: str) -> bool:
    try:
        load_pairs(folder, columns=("ytid",))
    except DataSetError:  # if something else is wrong with the folder, `split_pairs` says so
        return False
    return True


def synthetic_splits(folder: Path, pieces: int) -> Splits:
    """Captioned pieces in folder/train, folder/validation and folder/test; missing ones are composed and rendered."""
    quarter = max(1, pieces // 4)
    splits: Splits = {}
    for seed, (name, n) in enumerate({"train": pieces, "validation": quarter, "test": quarter}.items()):
        write_album(folder / name, random_pieces(n, seed))
        pairs = load_pairs(folder / name, "synthetic", name)
        splits[name] = replace(pairs, skipped=())  # which would be pieces of an earlier, larger run
    return splits
