"""The model card of a training run: metrics, curves, settings, and how to use the model."""

from collections import Counter
from collections.abc import Mapping, Sequence
from math import comb
from pathlib import Path

import numpy as np
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
    captions: Mapping[str, Sequence[int]],
    metrics: dict[str, dict],
    state: TrainerState,
    skipped: int = 0,
    trained_on: str = "",
) -> None:
    """Write README.md and curves.png into a run's folder.

    Args:
        settings: from `settings.all_settings`.
        captions: {split: the number of captions of each recording}.
        metrics: {split: {name: value}}, with names such as `validation_R@1`.
        state: the trainer's, with the history of losses and metrics.
        skipped: pairs that could not be used.
        trained_on: from `TrainedOn.summary`.
    """
    plot_training_curves(state.log_history, out / "curves.png")
    model = settings["model"]
    name = out.resolve().name
    pairs = f"{sum(captions['train']):,} pairs" if "train" in captions else "a stream of pairs"
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
        rows=metric_rows(metrics, captions),
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


def metric_rows(metrics: dict[str, dict], captions: Mapping[str, Sequence[int]]) -> str:
    """A table row for each split and direction, and one below each for guessing."""
    lines = []
    for split, values in metrics.items():
        counts = captions[split]
        pairs = sum(counts)
        by_chance = {
            "text -> music": chance_metrics(len(counts), [1]),
            "music -> text": chance_metrics(pairs, counts),
        }
        for direction, prefix in DIRECTIONS.items():
            cells = [f"{values[f'{split}_{prefix}{metric}']:.3f}" for metric in RETRIEVAL_METRICS]
            lines.append(f"| {split} | {pairs} | {direction} | {' | '.join(cells)} |")
            lines.append(f"| {split} | {pairs} | guessing | {' | '.join(by_chance[direction])} |")
    return "\n".join(lines)


def chance_metrics(candidates: int, relevant: Sequence[int]) -> list[str]:
    """R@1, R@5, R@10, MeanR, MedR and mAP10 of candidates in random order, as text.

    Args:
        relevant: how many candidates are relevant to each query, of which the first one counts.

    >>> chance_metrics(2, [1, 1])
    ['0.500', '1.000', '1.000', '0.500', '0.500', '0.750']
    >>> chance_metrics(4, [2, 2])  # two recordings with two captions each
    ['0.500', '1.000', '1.000', '0.667', '0.500', '0.722']
    """
    at_least = np.zeros(candidates + 1)  # the share of queries whose rank is this or higher
    for count, queries in Counter(relevant).items():
        ways = [comb(candidates - rank, count) / comb(candidates, count) for rank in range(candidates + 1)]
        at_least += np.array(ways) * queries / len(relevant)
    below, exactly = 1 - at_least, at_least[:-1] - at_least[1:]
    recalls = [below[min(k, candidates)] for k in (1, 5, 10)]
    # where exactly half of the queries have a lower rank, the mean of the two middle ranks
    median = (np.argmax(below > 0.5 - 1e-9) + np.argmax(below > 0.5 + 1e-9)) / 2 - 1
    reciprocal = sum(share / rank for rank, share in enumerate(exactly[:10], 1))
    return [f"{value:.3f}" for value in (*recalls, at_least[1:].sum(), median, reciprocal)]
