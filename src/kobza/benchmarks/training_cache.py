"""How much faster an epoch is with the frozen-tower cache: `python -m kobza.benchmarks.training_cache`.

Towers of real size with random weights are trained by `KobzaTrainer` with a recipe's settings. The first epoch, which
fills the cache, takes as long as an epoch without it; what is reported is the time of those that follow.
"""

import argparse
import contextlib
import dataclasses
import os
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from transformers import TrainerCallback

from kobza.data.pairs import load_pairs
from kobza.data.recordings import Recording
from kobza.synth.album import random_pieces, write_album
from kobza.training.dataset import PairCollator, PairDataset
from kobza.training.model_factory import build_model
from kobza.training.recipe import parse_arguments
from kobza.training.trainer import KobzaTrainer

# Of MusicCaps' captions: mean and standard deviation of the logarithm of the number of words
MUSICCAPS_LOG_WORDS = 3.83
MUSICCAPS_LOG_WORDS_DEVIATION = 0.37


class EpochSeconds(NamedTuple):
    """The duration of one epoch: wall-clock time, and CPU time, which other programs disturb less."""

    wall: float
    cpu: float


class EpochTimer(TrainerCallback):
    """Keeps the duration of the last epoch in `last`."""

    last: EpochSeconds

    def on_epoch_begin(self, *args, **kwargs):
        self._wall_start = time.perf_counter()
        self._cpu_start = time.process_time()

    def on_epoch_end(self, *args, **kwargs):
        self.last = EpochSeconds(time.perf_counter() - self._wall_start, time.process_time() - self._cpu_start)


def time_epochs(clips: Sequence[Recording], recipe: str = "model_1") -> tuple[EpochSeconds, EpochSeconds]:
    """Train a recipe on captioned clips, in batches of at most 64, and time an epoch with the cache and without.

    With the cache, the second epoch is timed, after the one that fills it; without it, a single one.
    """
    times = []
    captions = [clip.caption or "" for clip in clips]
    with tempfile.TemporaryDirectory() as folder:
        for epochs, cache in ((2, ["--frozen_cache", f"{folder}/cache"]), (1, [])):
            batch = ["--per_device_train_batch_size", str(min(64, len(clips))), "--num_train_epochs", str(epochs)]
            only_train = ["--eval_strategy=no", "--save_strategy=no", "--load_best_model_at_end=false"]
            quiet = ["--disable_tqdm=true", "--report_to=none"]
            argv = [recipe, "--init=random", f"--output_dir={folder}", *batch, *only_train, *quiet, *cache]
            _, model_args, _, args = parse_arguments(argv)
            torch.manual_seed(args.seed)
            model, processor = build_model(model_args, captions)
            timer = EpochTimer()
            trainer = KobzaTrainer(
                model,
                args,
                processor,
                train_dataset=PairDataset(clips),
                data_collator=PairCollator(processor),
                callbacks=[timer],
            )
            with open(os.devnull, "w") as devnull, contextlib.redirect_stdout(devnull):
                trainer.train()
            times.append(timer.last)
    return times[0], times[1]


def at_length_of_musiccaps(clips: Sequence[Recording], seed: int = 0) -> list[Recording]:
    """The clips with captions as long as MusicCaps': 47 words on average, of words that the captions of all have."""
    rng = np.random.default_rng(seed)
    words = [word for clip in clips for word in (clip.caption or "").split()]
    lengths = np.exp(rng.normal(MUSICCAPS_LOG_WORDS, MUSICCAPS_LOG_WORDS_DEVIATION, len(clips))).round().astype(int)
    return [
        dataclasses.replace(clip, caption=" ".join(rng.choice(words, max(1, length))))
        for clip, length in zip(clips, lengths, strict=True)
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--data", help="a folder of captioned recordings (default: synthetic pieces)")
    parser.add_argument("--clips", type=int, default=16)
    parser.add_argument("--long", action="store_true", help="with captions as long as MusicCaps'")
    parser.add_argument("--recipe", default="model_1")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        if options.data is None:
            write_album(Path(folder), random_pieces(options.clips, seed=0))
        clips = load_pairs(options.data or folder).recordings[: options.clips]
        clips = tuple(at_length_of_musiccaps(clips)) if options.long else clips
        cached, uncached = time_epochs(clips, options.recipe)
    words = sum(len((clip.caption or "").split()) for clip in clips) / len(clips)
    print(f"{options.recipe}, {len(clips)} clips, captions of {words:.0f} words, {torch.get_num_threads()} threads")
    for name, fast, slow in zip(EpochSeconds._fields, cached, uncached, strict=True):
        print(f"{name:10} {slow:8.2f} s without, {fast:8.2f} s with the cache: {slow / fast:5.1f} times faster")


if __name__ == "__main__":
    main()
