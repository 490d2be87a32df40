"""The pairs of a training run: published sets, the user's own folders, streams, or pieces that Kobza composes."""

import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

from kobza.data.musiccaps import RENAMED_RULES, split_musiccaps
from kobza.data.pairs import load_pairs
from kobza.data.recordings import DataSet, DataSetError
from kobza.data.sets import divide_captioned, is_spec, parse_spec
from kobza.data.splits import split_pairs
from kobza.folders import expanded
from kobza.synth.album import random_pieces, write_album
from kobza.terminal import say
from kobza.training.arguments import DataArguments
from kobza.training.pair_sources import FolderSource, PairSource
from kobza.training.shard_names import names_shards, open_shards

Splits = dict[str, DataSet]  # train (unless it is a stream), validation and, where there is one, test


class WeightedSource(NamedTuple):
    where: str  # a folder, a captioned set as SET:DIR, or shards as `shard_names.find_shards` names them
    weight: float = 1.0


def weighted_source(text: str) -> WeightedSource:
    """A value of --data, with a weight behind a colon if there is one.

    Raises:
        DataSetError: the weight is 0.

    >>> weighted_source("music:3"), weighted_source("hub:user/music")
    (WeightedSource(where='music', weight=3.0), WeightedSource(where='hub:user/music', weight=1.0))
    """
    match = re.fullmatch(r"(.+):(\d+(?:\.\d+)?)", text)
    if match is None or expanded(text).exists():
        return WeightedSource(text)
    if float(match[2]) == 0:
        raise DataSetError(f"The weight of {match[1]} is 0: leave it out, or give a weight above 0.")
    return WeightedSource(match[1], float(match[2]))


def is_stream(data_args: DataArguments) -> bool:
    """Whether the pairs are an endless stream: shards, or several sources."""
    data = data_args.data or []
    return not data_args.synthetic and (
        len(data) > 1 or any(names_shards(weighted_source(text).where) for text in data)
    )


def load_splits(data_args: DataArguments) -> tuple[Splits, str]:
    """The pairs of each split, not yet checked, and the name of the rule that divided them. Of a stream's sources only
    the folders are divided.

    Raises:
        DataSetError: no folder was given, or it cannot be used.
    """
    data = data_args.data or []
    if data_args.synthetic:
        return synthetic_splits(expanded(data[0] if data else "runs/pieces"), data_args.pieces), "synthetic"
    if not data:
        raise DataSetError("There is nothing to train on: give --data FOLDER, of captioned recordings, or --synthetic.")
    folders = [where for where, _ in map(weighted_source, data) if not names_shards(where)]
    if not folders and not data_args.validation_data:
        raise DataSetError("A stream cannot be divided: give --validation_data, a folder of captioned recordings.")
    divided = [_divided(folder, data_args.split) for folder in folders]
    splits = _joined([splits for splits, _ in divided])
    if data_args.validation_data:
        splits = {**splits, "validation": load_pairs(data_args.validation_data)}
    return splits, "stream" if is_stream(data_args) else divided[0][1]


def _divided(folder: str, rule: str) -> tuple[Splits, str]:
    if is_spec(folder):
        name, inner, part = parse_spec(folder)
        if name != "musiccaps" or part:  # a part of MusicCaps is refused there
            return divide_captioned(folder), "own pairs" if name == "pairs" else name
        folder = inner
    if not _is_musiccaps(folder):
        return split_pairs(folder), "own pairs"
    new = RENAMED_RULES.get(rule, rule)
    if new != rule:
        say(f"--split {rule} is now called --split {new}; the old name works in this version only.")
    return split_musiccaps(folder, new), new


def _joined(folders: list[Splits]) -> Splits:
    """The splits of several folders as one; their recordings' ids begin with the number of the folder."""
    if len(folders) < 2:
        return folders[0] if folders else {}
    joined: Splits = {}
    for number, splits in enumerate(folders, 1):
        for name, data in splits.items():
            recordings = tuple(replace(r, id=f"{number}/{r.id}") for r in data.recordings)
            before = joined.get(name, replace(data, recordings=(), skipped=()))
            joined[name] = replace(
                before, recordings=before.recordings + recordings, skipped=before.skipped + data.skipped
            )
    return joined


def stream_sources(
    data_args: DataArguments, splits: Splits, seed: int, sounds: Mapping[Path, int] | None = None
) -> tuple[list[PairSource], list[float]]:
    """The sources of a stream and their weights; folders give the recordings that `splits` train.

    Args:
        sounds: the keys of the sounds of the folders' files, where they are known.
    """
    data = [weighted_source(text) for text in data_args.data or ()]
    train = splits["train"].recordings if "train" in splits else ()
    sources: list[PairSource] = []
    for where, _ in data:
        if names_shards(where):
            sources.append(open_shards(where))
        else:
            folder = expanded(parse_spec(where)[1] if is_spec(where) else where)
            sources.append(FolderSource([r for r in train if r.path.is_relative_to(folder)], seed, sounds))
    return sources, [weight for _, weight in data]


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
