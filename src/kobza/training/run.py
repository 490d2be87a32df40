"""One training run, from a recipe to a checkpoint with its card: what `train.py` does.

    OUT/                    the published checkpoint: weights, processor, code, README.md with metrics and curves
    OUT/training.json       what it was trained on and how, for evaluations: see `kobza.embedding.training_record`
    OUT/trained_on.bin      keys of the recordings that it was trained on, likewise: see `kobza.embedding.trained_on`
    OUT/settings.json       every setting of the run;  OUT/split.json  the recordings of each split
    OUT/test_results.json   metrics on the test split;  OUT/history.json  losses and metrics during training
    OUT/checkpoint-N/       a training checkpoint to resume from

The same command resumes an interrupted run from its last complete checkpoint.
"""

import json
import os
import sys
from collections import Counter
from pathlib import Path

from accelerate import PartialState
from accelerate.utils import broadcast_object_list
from torch.utils.data import Dataset
from transformers import EarlyStoppingCallback, set_seed
from transformers.trainer_callback import TrainerState

from kobza.atomic import atomic_write
from kobza.data.splits import write_split
from kobza.embedding.trained_on import write_trained_on
from kobza.embedding.training_record import write_training_record
from kobza.terminal import say
from kobza.training.arguments import DataArguments, KobzaTrainingArguments, ModelArguments
from kobza.training.card import write_card
from kobza.training.checked_splits import checked_splits, lost_pairs, say_lost
from kobza.training.data_sources import Splits, is_stream, load_splits, stream_sources
from kobza.training.dataset import PairCollator, PairDataset
from kobza.training.losses import loss_weights
from kobza.training.model_factory import build_model
from kobza.training.provenance import keys_of_run, recordings_of_run, training_record
from kobza.training.recipe import RecipeError, parse_arguments
from kobza.training.settings import FIXED_WHEN_RESUMED, all_settings, check_settings, stored_settings
from kobza.training.streaming import PairStream
from kobza.training.trainer import KobzaTrainer, last_checkpoint

WITHOUT_EFFECT = {  # settings of transformers that its Trainer does not get to see here
    "resume_from_checkpoint": "a run goes on by the same command, from its own --output_dir",
    "label_smoothing_factor": "the losses of pairs have no labels",
}


def main(argv: list[str] | None = None) -> int:
    """`train.py RECIPE [--setting value ...]`; exit code 0, or 1 after an error message on stderr."""
    try:
        run(*parse_arguments(sys.argv[1:] if argv is None else argv))
    except (ValueError, OSError, ImportError) as error:  # a package of an optimizer, for one, is asked for late
        if os.environ.get("RANK", "0") == "0":  # every process fails with the same error
            say(f"train.py: {error}")
        return 1
    state = PartialState()
    state.wait_for_everyone()  # a process that ends while another still works may crash in its threads
    state.destroy_process_group()
    return 0


def run(
    recipe: str, model_args: ModelArguments, data_args: DataArguments, args: KobzaTrainingArguments
) -> dict[str, dict[str, float]]:
    """Train, evaluate, save, and push if asked. Returns {split: {name: value}}, with names such as `test_R@1`.

    Raises:
        ValueError: a setting, the data or the model cannot be used; the message is one sentence.
    """
    if model_args.init is None:
        model_args.init = "tiny" if data_args.synthetic else "pretrained"
    drawn = data_args.text != "caption" or data_args.spec_augment or data_args.wave_augment or data_args.mixup
    if args.frozen_cache and drawn:
        raise RecipeError(
            "--frozen_cache keeps what is computed once, so every epoch must hold the same pairs: leave out --text, "
            "--spec_augment, --wave_augment and --mixup, or the cache."
        )
    if data_args.synthetic and len(data_args.data or ()) > 1:
        raise RecipeError("--synthetic composes into one folder: give one --data, or none.")
    if is_stream(data_args) and (args.max_steps <= 0 or "epoch" in (args.eval_strategy, args.save_strategy)):
        raise RecipeError(
            "A stream (shards, or several sources) is endless and has no epochs: give --max_steps, --eval_strategy "
            "steps --eval_steps N, and --save_strategy steps --save_steps N."
        )
    if is_stream(data_args) and data_args.mixup:
        raise RecipeError("--mixup draws a second recording of a folder, which a stream does not have: leave it out.")
    for name, reason in WITHOUT_EFFECT.items():
        if getattr(args, name):
            raise RecipeError(f"--{name} has no effect, because {reason}: leave it out.")
    if args.n_gpu > 1:
        raise RecipeError(
            f"This process sees {args.n_gpu} GPUs and uses one: start one for each, with accelerate launch or torchrun."
        )
    out = Path(str(args.output_dir))
    settings = all_settings(recipe, model_args, data_args, args)
    check_settings(out, settings)
    loaded: list = [load_splits(data_args) if args.process_index == 0 else None]
    broadcast_object_list(loaded)  # one process composes the recordings or reads the tables for all
    splits, rule = loaded[0]
    sounds: dict[Path, int] = {}
    if rule != "synthetic":
        splits, sounds = checked_splits(splits)
        if args.process_index == 0:
            say_lost(lost_pairs(splits))
            say_single(splits)
    keys = keys_of_run(splits, sounds) if args.should_save else {}
    set_seed(args.seed)  # random weights must be the same in every process and in a resumed run
    captioned = splits.get("train", splits["validation"])  # a stream is not read ahead
    model, processor = build_model(model_args, [recording.caption or "" for recording in captioned.recordings])
    if not is_stream(data_args):
        check_batch(splits, args)
    if args.should_save:
        out.mkdir(parents=True, exist_ok=True)
        _write(out / "settings.json", stored_settings(settings))
        write_split(out / "split.json", splits, rule)
    extractor = processor.feature_extractor
    windows = {"sampling_rate": extractor.sampling_rate, "window_seconds": extractor.window_seconds}
    sets = {name: PairDataset(data.recordings, **windows) for name, data in splits.items()}
    options = {**windows, "text": data_args.text, "wave_augment": data_args.wave_augment}
    options |= {"train": True, "seed": args.seed}
    train: Dataset
    if is_stream(data_args):
        train = PairStream(*stream_sources(data_args, splits, args.seed, sounds), **options)
    elif args.frozen_cache:
        train = sets["train"]  # without random draws: the same in every epoch
    else:
        train = PairDataset(splits["train"].recordings, mixup=data_args.mixup, **options)
    trainer = KobzaTrainer(
        model,
        args,
        processor,
        train_dataset=train,
        eval_dataset=sets["validation"],
        data_collator=PairCollator(processor, data_args.spec_augment),
        losses=loss_weights(model_args.loss_type) if model_args.loss_type else None,
    )
    train_or_resume(trainer, last_checkpoint(out))
    trainer.remove_callback(EarlyStoppingCallback)  # it would look for eval_loss among the metrics below
    metrics = {}
    for name in ("validation", "test"):
        if name in sets:
            metrics[name] = trainer.evaluate(sets[name], metric_key_prefix=name)
            trainer.save_metrics(name, metrics[name])
    trainer.save_model()
    skipped = len(lost_pairs(splits)) + trainer.skipped_in_stream()
    streamed = trainer.recordings_of_stream()
    if trainer.is_world_process_zero():
        _write(out / "history.json", trainer.state.log_history)
        trained_on = recordings_of_run(model_args, splits, keys, streamed)
        write_trained_on(out, trained_on)
        counted = [name for name in sets if name != "train" or not is_stream(data_args)]
        captions = {name: list(Counter(sets[name].recording_ids).values()) for name in counted}
        write_card(out, settings, captions, metrics, trainer.state, skipped, trained_on.summary())
        record = training_record(settings, FIXED_WHEN_RESUMED, model_args, model, splits, rule, args, trainer.state)
        if streamed is not None:
            record["data"]["recordings"]["train"] = len(streamed.rows)
        write_training_record(out, record)  # the last: whoever finds it takes the run for finished
    if args.push_to_hub:
        trainer.push_to_hub()
    return metrics


def say_single(splits: Splits) -> None:
    """Say which splits have one recording to be searched, whose metrics therefore say nothing."""
    for name in ("validation", "test"):
        if name in splits and len({recording.id for recording in splits[name].recordings}) < 2:
            say(f"train.py: the {name} split has one recording, which any weights find: add recordings.")


def check_batch(splits: Splits, args: KobzaTrainingArguments) -> None:
    """Refuse to train on fewer recordings than a batch, of which every epoch would be empty.

    Raises:
        RecipeError: there are fewer.
    """
    batch = args.train_batch_size * args.world_size
    if "train" not in splits or not args.dataloader_drop_last:
        return
    recordings = len({recording.id for recording in splits["train"].recordings})
    if recordings < batch:
        raise RecipeError(
            f"The {recordings} recordings to train on do not fill one batch of {batch}: give a smaller "
            "--per_device_train_batch_size, or more recordings."
        )


def train_or_resume(trainer: KobzaTrainer, checkpoint: Path | None) -> None:
    """Train from a training checkpoint or from the beginning; not at all if the checkpoint's run had finished."""
    if checkpoint is not None:
        saved = TrainerState.load_from_json(str(checkpoint / "trainer_state.json"))
        if saved.stateful_callbacks["TrainerControl"]["args"]["should_training_stop"]:
            trainer.restore_finished(saved, checkpoint)
            return
    trainer.train(resume_from_checkpoint=None if checkpoint is None else str(checkpoint))


def _write(path: Path, content) -> None:
    atomic_write(path, json.dumps(content, indent=2, ensure_ascii=False) + "\n")
