"""How much faster an epoch is with the frozen-tower cache: `python -m kobza.benchmarks.training_cache`.

Towers of their real size with random weights, trained by `KobzaTrainer` as a recipe says. The first epoch, in which the
cache is filled, costs what an epoch without it costs; the figure is for those that follow.
"""

import argparse
import contextlib
import os
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import torch
from transformers import TrainerCallback

from kobza.data.pairs import load_pairs
from kobza.data.recordings import Recording
from kobza.synth.album import random_pieces, write_album
from kobza.training.dataset import PairCollator, PairDataset
from kobza.training.model_factory import build
from kobza.training.recipe import parse
from kobza.training.trainer import KobzaTrainer


class Seconds(NamedTuple):
    """Of one epoch: on the clock, and of all processors together (which other programs disturb less)."""

    clock: float
    processors: float


class _TimeEpoch(TrainerCallback):
    def on_epoch_begin(self, *args, **kwargs):
        self._began = time.perf_counter(), time.process_time()

    def on_epoch_end(self, *args, **kwargs):
        self.last = Seconds(time.perf_counter() - self._began[0], time.process_time() - self._began[1])


def epoch_with_and_without_cache(clips: Sequence[Recording], recipe: str = "model_1") -> tuple[Seconds, Seconds]:
    """Train a recipe on captioned clips, in batches of at most 64; every clip is seen once in an epoch.

    With the cache the second epoch after the filling is timed, without it a single one, in the same process.
    """
    found = []
    with tempfile.TemporaryDirectory() as folder:
        for epochs, cache in ((2, ["--frozen_cache", f"{folder}/cache"]), (1, [])):
            batch = ["--per_device_train_batch_size", str(min(64, len(clips))), "--num_train_epochs", str(epochs)]
            quiet = ["--eval_strategy=no", "--save_strategy=no", "--load_best_model_at_end=false", "--report_to=none"]
            argv = [recipe, "--towers=random", "--disable_tqdm=true", f"--output_dir={folder}", *batch, *quiet, *cache]
            _, model_args, _, args = parse(argv)
            torch.manual_seed(args.seed)
            model, processor = build(model_args, [clip.caption for clip in clips])
            clock = _TimeEpoch()
            trainer = KobzaTrainer(
                model,
                args,
                processor,
                train_dataset=PairDataset(clips),
                data_collator=PairCollator(processor),
                callbacks=[clock],
            )
            with open(os.devnull, "w") as nowhere, contextlib.redirect_stdout(nowhere):
                trainer.train()
            found.append(clock.last)
    return found[0], found[1]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--data", help="a folder of captioned recordings (by default pieces that Kobza composes)")
    parser.add_argument("--clips", type=int, default=16)
    parser.add_argument("--recipe", default="model_1")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as made:
        if options.data is None:
            write_album(Path(made), random_pieces(options.clips, seed=0))
        clips = load_pairs(options.data or made, "pairs", None).recordings[: options.clips]
        cached, whole = epoch_with_and_without_cache(clips, options.recipe)
    words = sum(len(clip.caption.split()) for clip in clips) / len(clips)
    print(f"{options.recipe}, {len(clips)} clips, captions of {words:.0f} words, {torch.get_num_threads()} threads")
    for name, one, other in zip(Seconds._fields, cached, whole, strict=True):
        print(f"{name:10} {other:8.2f} s without, {one:8.2f} s with the cache: {other / one:5.1f} times faster")


if __name__ == "__main__":
    main()
