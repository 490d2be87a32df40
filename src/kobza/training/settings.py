"""The settings of a run as its files have them, and which of them a resumed run may not change."""

import dataclasses
import json
from pathlib import Path
from typing import Any

from kobza.data.formats import FORMATS
from kobza.training.arguments import DataArguments, KobzaTrainingArguments, ModelArguments
from kobza.training.recipe import RecipeError
from kobza.training.trainer import last_checkpoint

# Settings of the trainer that a resumed run may not change: the checkpoint would not fit or would override them
FIXED_WHEN_RESUMED = (
    "num_train_epochs",
    "max_steps",
    "early_stopping_patience",
    "learning_rate",
    "lr_scheduler_type",
    "lr_decay",
    "lr_decay_steps",
    "tower_learning_rate",
    "layer_lr_decay",
    "ema_decay",
    "negatives_bank",
    "warmup_steps",
    "optim",
    "weight_decay",
    "per_device_train_batch_size",
    "gradient_accumulation_steps",
    "seed",
)


def all_settings(
    recipe: str, model_args: ModelArguments, data_args: DataArguments, args: KobzaTrainingArguments
) -> dict[str, Any]:
    """All settings of the model and the data, and those of the trainer that are not the default.

    Absolute paths are cut to their last part, because the settings are published with the model.
    """
    defaults = KobzaTrainingArguments().to_dict()
    given = {
        name: value
        for name, value in args.to_dict().items()
        if name in FIXED_WHEN_RESUMED or value != defaults.get(name)
    }
    for name in ("output_dir", "hub_token", "logging_dir", "run_name", "ignore_data_skip", "dataloader_num_workers"):
        given.pop(name, None)
    return {
        "recipe": recipe,
        "model": _without_folders(dataclasses.asdict(model_args)),
        "data": _without_folders(dataclasses.asdict(data_args)),
        "training": _without_folders(given),
    }


def _without_folders(values: dict) -> dict:
    def without_folder(value: Any) -> Any:
        if isinstance(value, list) and len(value) == 1:
            value = value[0]
        if isinstance(value, list):
            return [without_folder(item) for item in value]
        if not isinstance(value, str):
            return value
        name, colon, folder = value.partition(":")
        if colon and name in FORMATS and Path(folder).is_absolute():  # a set as SET:DIR
            return f"{name}:{Path(folder).name}"
        return Path(value).name if Path(value).is_absolute() else value

    return {name: without_folder(value) for name, value in values.items()}


def check_settings(out: Path, settings: dict[str, Any]) -> None:
    """Refuse to resume a run with other settings than it was started with.

    Raises:
        RecipeError: one of them differs.
    """
    if last_checkpoint(out) is None:
        return
    before = json.loads((out / "settings.json").read_text(encoding="utf-8"))
    now = stored_settings(settings)
    for part, names in (("model", now["model"]), ("data", now["data"]), ("training", FIXED_WHEN_RESUMED)):
        for name in names:
            old, new = before[part].get(name), now[part].get(name)
            if old != new and name in before[part]:  # a setting of a later version had its default
                raise RecipeError(
                    f"The run in {out} was started with {name} {old} and cannot be resumed with {new}: give another "
                    "--output_dir, or the same settings."
                )


def stored_settings(settings: dict[str, Any]) -> dict[str, Any]:
    """The settings under the names that settings.json has had since 0.1.0, where --init was called --towers."""
    model = {"towers" if name == "init" else name: value for name, value in settings["model"].items()}
    return {**settings, "model": model}
