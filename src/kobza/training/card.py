"""The model card of a training run: metrics, curves, settings, and how to use the model."""

from pathlib import Path

from huggingface_hub import ModelCardData
from transformers.trainer_callback import TrainerState

from kobza.evaluation.metrics import RETRIEVAL_METRICS
from kobza.evaluation.plots import plot_training_curves

DIRECTIONS = {"text -> music": "", "music -> text": "music_to_text_"}

TEMPLATE = """---
{metadata}
---

# {name}

Finds music by describing it: two towers, `{text_tower}` and `{audio_tower}` ({init}), put a sentence and a recording
into one space. Trained with Kobza by the recipe `{recipe}` on {pairs}.{skipped}

```python
from transformers import AutoModel, AutoProcessor

model = AutoModel.from_pretrained("{name}", trust_remote_code=True)
processor = AutoProcessor.from_pretrained("{name}", trust_remote_code=True)
```

## Metrics

| split | pairs | direction | {header} |
|---|---|---|{rule}
{rows}

Ranks count from 0 and ties count against the model. {weights}
Their loss on the validation split is {loss:.4f}.

![Losses, and recall on the validation split](curves.png)

## Settings

Recordings that it was trained on: {trained_on}. Their keys are in `trained_on.bin`, so that an evaluation can tell
whether it knows what it is tested on.

{epochs:.0f} epochs, {steps} steps. `training.json` says what it was trained on and how, for evaluations to read.
Every setting is in `settings.json`; `split.json` lists the recordings of each split, `history.json` has the losses and
metrics during training.

| setting | value |
|---|---|
{settings}
"""


def write_card(
    out: Path,
    settings: dict,
    sizes: dict[str, int],
    metrics: dict[str, dict],
    state: TrainerState,
    skipped: int = 0,
    trained_on: str = "",
) -> None:
    """Write README.md and curves.png into a run's folder.

    Args:
        settings: from `settings.all_settings`.
        sizes: {split: number of pairs}.
        metrics: {split: {name: value}}, with names such as `validation_R@1`.
        state: the trainer's, with the history of losses and metrics.
        skipped: pairs that could not be used.
        trained_on: from `TrainedOn.summary`.
    """
    plot_training_curves(state.log_history, out / "curves.png")
    model = settings["model"]
    name = out.resolve().name
    pairs = f"{sizes['train']:,} pairs" if "train" in sizes else "a stream of pairs"
    metadata = ModelCardData(library_name="transformers", tags=["kobza", "music", "audio", "text-to-music-retrieval"])
    card = TEMPLATE.format(
        metadata=metadata.to_yaml(),
        name=name,
        text_tower=model["text_tower"],
        audio_tower=model["audio_tower"],
        init=f"from {model['checkpoint']}" if model["checkpoint"] else model["init"],
        recipe=settings["recipe"],
        pairs=pairs + (" that Kobza composed itself" if settings["data"]["synthetic"] else ""),
        skipped=f" {skipped:,} more could not be used." if skipped else "",
        header=" | ".join(RETRIEVAL_METRICS),
        rule="---|" * len(RETRIEVAL_METRICS),
        rows=metric_rows(metrics, sizes),
        weights=_which_weights(settings["training"], state),
        loss=metrics["validation"]["validation_loss"],
        trained_on=trained_on,
        epochs=state.epoch or 0,
        steps=state.global_step,
        settings="\n".join(f"| {setting} | {value} |" for setting, value in _shown_settings(settings).items()),
    )
    (out / "README.md").write_text(card, encoding="utf-8")


def _which_weights(training: dict, state: TrainerState) -> str:
    if state.best_global_step and training.get("load_best_model_at_end", True):
        metric = training.get("metric_for_best_model", "eval_loss")
        return f"These are the weights of step {state.best_global_step}, the evaluation with the best `{metric}`."
    return f"These are the weights of the last step, {state.global_step}."


def _shown_settings(settings: dict) -> dict:
    """The settings that have a value, except the data's location on the machine that trained."""
    every = {**settings["model"], **settings["data"], **settings["training"]}
    shown = {name: value for name, value in every.items() if value is not None and name != "data"}
    if isinstance(shown.get("loss_type"), list):
        shown["loss_type"] = " ".join(shown["loss_type"])
    return shown


def metric_rows(metrics: dict[str, dict], sizes: dict[str, int]) -> str:
    """A table row for each split and direction, and one for guessing."""
    lines = []
    for split, values in metrics.items():
        for direction, prefix in DIRECTIONS.items():
            cells = [f"{values[f'{split}_{prefix}{metric}']:.3f}" for metric in RETRIEVAL_METRICS]
            lines.append(f"| {split} | {sizes[split]} | {direction} | {' | '.join(cells)} |")
        lines.append(f"| {split} | {sizes[split]} | guessing | {' | '.join(chance_metrics(sizes[split]))} |")
    return "\n".join(lines)


def chance_metrics(n: int) -> list[str]:
    """R@1, R@5, R@10, MeanR, MedR and mAP10 of a random order of n recordings, as text.

    >>> chance_metrics(2)
    ['0.500', '1.000', '1.000', '0.500', '0.500', '0.750']
    """
    recalls = [min(1.0, k / n) for k in (1, 5, 10)]
    reciprocal = sum(1 / rank for rank in range(1, min(n, 10) + 1)) / n
    return [f"{value:.3f}" for value in (*recalls, (n - 1) / 2, (n - 1) / 2, reciprocal)]
