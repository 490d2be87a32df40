"""One training run, from a recipe to a checkpoint with its card: what `train.py` does.

    OUT/                    the published checkpoint: weights, processor, code, README.md with figures and curves
    OUT/settings.json       every setting of the run;  OUT/split.json  which recordings were which split
    OUT/test_results.json   figures on the test split;  OUT/history.json  losses and figures on the way
    OUT/checkpoint-N/       a state to resume from

The same command goes on where it was stopped, from the last whole state.
"""

import dataclasses
import json
import os
import sys
from pathlib import Path

from accelerate.utils import broadcast_object_list
from transformers import EarlyStoppingCallback, set_seed
from transformers.trainer_callback import TrainerState

from kobza.atomic import atomic_write
from kobza.data.splits import write_split
from kobza.training.arguments import DataArguments, KobzaTrainingArguments, ModelArguments
from kobza.training.card import write_card
from kobza.training.data_sources import is_stream, load_splits
from kobza.training.dataset import PairCollator, PairDataset
from kobza.training.model_factory import build
from kobza.training.recipe import RecipeError, parse
from kobza.training.streaming import PairStream
from kobza.training.trainer import KobzaTrainer, last_state

# Settings of the trainer that a resumed run may not change: its state would not fit, or not know of them
FIXED = (
    "num_train_epochs",
    "max_steps",
    "early_stopping_patience",
    "learning_rate",
    "lr_scheduler_type",
    "lr_decay",
    "lr_decay_steps",
    "warmup_steps",
    "optim",
    "weight_decay",
    "per_device_train_batch_size",
    "gradient_accumulation_steps",
    "seed",
)


def main(argv: list[str] | None = None) -> int:
    """`train.py RECIPE [--setting value ...]`; the exit code: 0, or 1 after an error said in a sentence."""
    try:
        run(*parse(sys.argv[1:] if argv is None else argv))
    except (ValueError, OSError) as error:
        if os.environ.get("RANK", "0") == "0":  # every process fails alike
            print(f"train.py: {error}", file=sys.stderr)
        return 1
    return 0


def run(
    recipe: str, model_args: ModelArguments, data_args: DataArguments, args: KobzaTrainingArguments
) -> dict[str, dict[str, float]]:
    """Train, evaluate, save, and push if asked; {split: its figures, each named `split_R@1` and so on}.

    Raises:
        ValueError: something that was asked for cannot be; the message is one sentence.
    """
    if model_args.towers is None:
        model_args.towers = "tiny" if data_args.synthetic else "pretrained"
    if args.frozen_cache and (data_args.text != "caption" or data_args.spec_augment or data_args.mixup):
        raise RecipeError(
            "--frozen_cache keeps what is computed once, so every epoch must hold the same pairs: leave out --text, "
            "--spec_augment and --mixup, or the cache."
        )
    if is_stream(data_args) and (args.max_steps <= 0 or "epoch" in (args.eval_strategy, args.save_strategy)):
        raise RecipeError(
            "A stream has no end and no epochs: give --max_steps, --eval_strategy steps --eval_steps N, and "
            "--save_strategy steps --save_steps N."
        )
    if args.n_gpu > 1:
        raise RecipeError(
            f"This process sees {args.n_gpu} GPUs and uses one: start one for each, with accelerate launch or torchrun."
        )
    out = Path(args.output_dir)
    settings = all_settings(recipe, model_args, data_args, args)
    check_settings(out, settings)
    found = [load_splits(data_args) if args.process_index == 0 else None]
    broadcast_object_list(found)  # one process makes or checks the recordings, and all agree on them
    splits, rule = found[0]
    set_seed(args.seed)  # random weights must be the same in every process, and again when the run is resumed
    words = splits.get("train", splits["validation"])  # of random towers; a stream is not read ahead
    model, processor = build(model_args, [recording.caption or "" for recording in words.recordings])
    if args.should_save:
        out.mkdir(parents=True, exist_ok=True)
        _write(out / "settings.json", settings)
        write_split(out / "split.json", splits, rule)
    extractor = processor.feature_extractor
    windows = {"sampling_rate": extractor.sampling_rate, "window_seconds": extractor.window_seconds}
    sets = {name: PairDataset(data.recordings, **windows) for name, data in splits.items()}
    how = {**windows, "text": data_args.text, "train": True, "seed": args.seed}
    if is_stream(data_args):
        train = PairStream(data_args.data, **how)
    elif args.frozen_cache:
        train = sets["train"]  # without anything drawn: the same in every epoch
    else:
        train = PairDataset(splits["train"].recordings, mixup=data_args.mixup, **how)
    trainer = KobzaTrainer(
        model,
        args,
        processor,
        train_dataset=train,
        eval_dataset=sets["validation"],
        data_collator=PairCollator(processor, data_args.spec_augment),
    )
    go_on(trainer, last_state(out))
    trainer.remove_callback(EarlyStoppingCallback)  # it would look for its loss among the figures that follow
    figures = {}
    for name in ("validation", "test"):
        if name in sets:
            figures[name] = trainer.evaluate(sets[name], metric_key_prefix=name)
            trainer.save_metrics(name, figures[name])
    trainer.save_model()
    if trainer.is_world_process_zero():
        _write(out / "history.json", trainer.state.log_history)
        write_card(out, settings, {name: len(data) for name, data in sets.items()}, figures, trainer.state)
    if args.push_to_hub:
        trainer.push_to_hub()
    return figures


def go_on(trainer: KobzaTrainer, state: Path | None) -> None:
    """Train from a state, or from the beginning; not at all from the state of a run that had come to its end."""
    if state is not None:
        saved = TrainerState.load_from_json(str(state / "trainer_state.json"))
        if saved.stateful_callbacks["TrainerControl"]["args"]["should_training_stop"]:
            trainer.end_with(saved)
            return
    trainer.train(resume_from_checkpoint=None if state is None else str(state))


def all_settings(
    recipe: str, model_args: ModelArguments, data_args: DataArguments, args: KobzaTrainingArguments
) -> dict[str, dict]:
    """What decides the run: all settings of the model and the data, and those of the trainer that are not the default.

    Of an absolute path only the last part: where things lay on the machine that trained is nobody's business.
    """
    defaults = KobzaTrainingArguments().to_dict()
    given = {name: value for name, value in args.to_dict().items() if name in FIXED or value != defaults.get(name)}
    for name in ("output_dir", "hub_token", "logging_dir", "run_name"):
        given.pop(name, None)
    return {
        "recipe": recipe,
        "model": _named(dataclasses.asdict(model_args)),
        "data": _named(dataclasses.asdict(data_args)),
        "training": _named(given),
    }


def _named(values: dict) -> dict:
    return {
        name: Path(value).name if isinstance(value, str) and Path(value).is_absolute() else value
        for name, value in values.items()
    }


def check_settings(out: Path, settings: dict) -> None:
    """Refuse to go on with other settings than a run was begun with."""
    if last_state(out) is None:
        return
    before = json.loads((out / "settings.json").read_text(encoding="utf-8"))
    for part, names in (("model", settings["model"]), ("data", settings["data"]), ("training", FIXED)):
        for name in names:
            was, now = before[part].get(name), settings[part].get(name)
            if was != now:
                raise RecipeError(
                    f"The run in {out} was begun with {name} {was} and cannot go on with {now}: give another "
                    "--output_dir, or the same settings."
                )


def _write(path: Path, content) -> None:
    atomic_write(path, json.dumps(content, indent=2, ensure_ascii=False) + "\n")
