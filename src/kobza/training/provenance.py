"""What a run's `training.json` says of it: see `kobza.embedding.training_record`."""

import dataclasses
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

from huggingface_hub import try_to_load_from_cache
from transformers.trainer_callback import TrainerState

from kobza.audio import printable
from kobza.data.recording_identity import keys_of_all
from kobza.data.recordings import DataSet
from kobza.embedding.checkpoint_folder import HUB_ID, default_checkpoint, find_checkpoint, fingerprint
from kobza.embedding.trained_on import TrainedOn
from kobza.embedding.training_record import TOWERS, read_training_record
from kobza.evaluation.overlap import recordings_trained_on
from kobza.model.configuration_kobza import KobzaConfig
from kobza.terminal import say
from kobza.training.arguments import DataArguments, KobzaTrainingArguments, ModelArguments
from kobza.training.model_factory import CONFIG_FIELDS, PRETRAINED
from kobza.training.recipe import load_recipe, recipe_names
from kobza.training.stream_recordings import TrainedRecordings

# Settings that do not make it another recipe: where the data is, chance, how a batch is put together, and the towers,
# whose names and sizes are recorded beside them
FREE_SETTINGS = {
    "data",
    "validation_data",
    "pieces",
    "seed",
    "text_tower",
    "audio_tower",
    "per_device_train_batch_size",
    "gradient_accumulation_steps",
}


def changed_settings(settings: Mapping[str, Any], trainer_settings: Collection[str]) -> dict[str, Any]:
    """{setting: value} of those in which a run differs from the recipe of that name that comes with Kobza.

    Args:
        settings: from `settings.all_settings`.
        trainer_settings: the names of those of the trainer that count.
    """
    recipe = load_recipe(settings["recipe"]) if settings["recipe"] in recipe_names() else {}
    defaults = {
        field.name: field.default
        for kind in (ModelArguments, DataArguments, KobzaTrainingArguments)
        for field in dataclasses.fields(kind)
    }
    expected = {**defaults, **recipe}
    expected["init"] = expected["init"] or "pretrained"
    run = {
        **settings["model"],
        **settings["data"],
        **{name: settings["training"].get(name) for name in trainer_settings},
    }
    config = KobzaConfig()

    def value(values: Mapping[str, Any], name: str) -> Any:
        found = values[name]
        if found is None and name in CONFIG_FIELDS:
            return getattr(config, name)
        return str(found) if name in ("lr_scheduler_type", "optim") else found  # enumerations, or their text

    return {name: run[name] for name in run if name not in FREE_SETTINGS and value(run, name) != value(expected, name)}


def training_record(
    settings: Mapping[str, Any],
    trainer_settings: Collection[str],
    model_args: ModelArguments,
    model: Any,
    splits: Mapping[str, DataSet],
    rule: str,
    args: KobzaTrainingArguments,
    state: TrainerState,
) -> dict[str, Any]:
    """The record of a run that has ended.

    Args:
        settings, trainer_settings: see `changed_settings`.
        model: the `KobzaModel`.
        splits, rule: from `data_sources.load_splits`.
        state: the trainer's.
    """
    given = settings["model"]
    layers = ("text_trainable_layers", "audio_trainable_layers")
    some = next(iter(splits.values()))
    return {
        "recipe": settings["recipe"],
        "changed": changed_settings(settings, trainer_settings),
        "init": given["init"],
        "towers": {tower: _tower(model, tower, given[f"{tower}_tower"], given["init"]) for tower in TOWERS},
        "started_from": start_of(model_args),
        "model": {name: getattr(model.config, name) for name in CONFIG_FIELDS} | {name: given[name] for name in layers},
        "data": {
            "name": some.name if "train" in splits else "stream",
            "split": rule,
            "folder": some.folder.resolve().name,
            "recordings": {name: len({r.path for r in data.recordings}) for name, data in splits.items()},
            "pairs": {name: len(data.recordings) for name, data in splits.items()},
        },
        "seed": args.seed,
        "batch": args.train_batch_size * args.world_size * args.gradient_accumulation_steps,
        "steps": state.global_step,
        "epochs": round(state.epoch or 0, 3),
        "weights_of_step": _step_of_weights(args, state),
        "ended": _how_it_ended(args, state),
    }


def keys_of_run(splits: Mapping[str, DataSet], sounds: Mapping[Path, int] | None = None) -> dict[str, list[list[int]]]:
    """{split: the keys of each pair's recording}, having said which recordings of other splits will be trained on.

    Args:
        sounds: the keys of files' sounds, where they are known.
    """
    keys = {name: keys_of_all(data.recordings, sounds) for name, data in splits.items()}
    _say_copies(splits, keys, TrainedOn().added({"train": keys.get("train", [])}), "in train")
    return keys


def _say_copies(
    splits: Mapping[str, DataSet], keys: Mapping[str, list[list[int]]], trained_on: TrainedOn, where: str
) -> None:
    for name, data in splits.items():
        found = [r.id for r, some in zip(data.recordings, keys[name], strict=True) if trained_on.seen("train", some)]
        if found and name != "train":
            say(
                f"train.py: {len(set(found))} recordings of the {name} split are also {where}, in other files, such "
                f"as {printable(found[0])}: remove the copies, or move them to one split."
            )


def recordings_of_run(
    model_args: ModelArguments,
    splits: Mapping[str, DataSet],
    keys: Mapping[str, list[list[int]]],
    streamed: TrainedRecordings | None = None,
) -> TrainedOn:
    """What the checkpoint of a run was trained on: its own recordings, and those of the checkpoint that it starts from.

    Args:
        keys: of `keys_of_run`.
        streamed: the recordings of a stream that it was trained on, which then are those of its training split, too.
    """
    start = start_of(model_args)
    before = TrainedOn()
    if start and model_args.checkpoint:
        unknown = f"What {start['name']} was trained on, from which it started, is not recorded."
        known = recordings_trained_on(_location(model_args.checkpoint), start["fingerprint"])
        before = known or TrainedOn(is_complete=False, note=unknown)
    if streamed is None:
        return before.added({part: keys[part] for part in ("train", "validation") if part in keys})
    _say_copies(splits, keys, TrainedOn().added({"train": streamed.rows}), "in the stream")
    if not streamed.is_complete:
        note = f"{before.note} Its run was begun by a version that did not record the recordings of a stream.".strip()
        before = dataclasses.replace(before, is_complete=False, note=note)
    return before.added({"train": streamed.rows, "validation": keys["validation"]})


def start_of(model_args: ModelArguments) -> dict[str, Any] | None:
    """The checkpoint whose weights a run starts from: {"name", "fingerprint", "training": its own record}, or None."""
    name = model_args.checkpoint
    if not name or model_args.init != "pretrained":
        return None
    folder = find_checkpoint(_location(name))
    identity = fingerprint(folder)
    name = folder.resolve().name if Path(name).is_absolute() else name
    return {"name": name, "fingerprint": identity, "training": read_training_record(folder, identity)}


def _location(checkpoint: str) -> str:
    """Where a checkpoint is loaded from, as `model_factory` does: kobza-mini from the package itself."""
    return default_checkpoint() if checkpoint == HUB_ID else checkpoint


def _tower(model: Any, tower: str, name: str, init: str) -> dict[str, Any]:
    """{"name", "revision", "parameters"}; the revision is the Hub's commit, None for a folder or random weights."""
    config = getattr(model.config, f"{tower}_config")
    if init != "pretrained":
        name, cached = f"{config.model_type}, {init}", None
    else:
        name = PRETRAINED.get(name, name)
        cached = None if Path(name).is_dir() else try_to_load_from_cache(name, "config.json")  # .../COMMIT/config.json
    return {
        "name": Path(name).name if Path(name).is_absolute() else name,
        "revision": Path(cached).parent.name if isinstance(cached, str) else None,
        "parameters": sum(weight.numel() for weight in getattr(model, f"{tower}_model").parameters()),
    }


def _step_of_weights(args: KobzaTrainingArguments, state: TrainerState) -> int:
    return (state.best_global_step if args.load_best_model_at_end else None) or state.global_step


def _how_it_ended(args: KobzaTrainingArguments, state: TrainerState) -> str:
    """ "max_steps" where they were limited, "all epochs" of the recipe, or "early stopping" before."""
    if args.max_steps > 0:
        return "max_steps"
    return "all epochs" if state.global_step >= state.max_steps else "early stopping"
