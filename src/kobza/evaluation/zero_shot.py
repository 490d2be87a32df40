"""Zero-shot classification: a recording gets the label, or the tags, whose sentence lies nearest to it.

A prompt is a sentence with a gap, such as "The {} song", into which every label is put.
"""

import re
from collections.abc import Sequence

import numpy as np

from kobza.evaluation.intervals import RESAMPLES, class_intervals, tag_intervals
from kobza.evaluation.metrics import accuracy, confusion, macro_f1, tag_metrics

GENRE_PROMPTS = ("The {} song", "this is a music of {}", "this is a sound of {}", "{}")  # the thesis's, for GTZAN
TAG_PROMPTS = ("{}", "song with this feature: {}", "The {} song")  # and for MagnaTagATune
ENSEMBLE = "ensemble"  # stands in the place of a prompt
GAP = re.compile(r"\{\w*\}")  # the thesis writes {genre} and {tag}


def read_prompts(prompts: Sequence[str]) -> list[str]:
    """The prompts with "{}" as their gap, each once.

    Raises:
        ValueError: one has no gap.
    """
    for prompt in prompts:
        if not GAP.search(prompt):
            raise ValueError(
                f'The prompt {prompt!r} has no gap: write {{}} where the label goes, as in "The {{}} song".'
            )
    return list(dict.fromkeys(GAP.sub("{}", prompt) for prompt in prompts))


def label_vectors(embedder, prompts: Sequence[str], labels: Sequence[str], ensemble: bool) -> dict[str, np.ndarray]:
    """{prompt: (labels, dim) float32, of unit length}; with `ensemble` also the normalised mean over the prompts."""
    vectors = {}
    for prompt in prompts:
        vectors[prompt] = embedder.embed_text([prompt.replace("{}", label) for label in labels])
    if ensemble:
        mean = np.mean(list(vectors.values()), axis=0)
        vectors[ENSEMBLE] = mean / np.maximum(np.linalg.norm(mean, axis=1, keepdims=True), 1e-12)
    return vectors


def class_figures(
    audio: np.ndarray, text: dict[str, np.ndarray], true: np.ndarray, resamples: int = RESAMPLES, seed: int = 0
) -> tuple[list[dict], dict[str, list]]:
    """F1 (macro) and accuracy per prompt, of recordings with one label each.

    Args:
        audio: (recordings, dim). text: {prompt: (labels, dim)}. true: (recordings,), the number of each one's label.

    Returns:
        (figures with prompt, classes, metric, value, low, high; {prompt: confusion matrix, true by predicted})
    """
    figures, tables = [], {}
    for prompt, vectors in text.items():
        table = confusion(true, (audio @ vectors.T).argmax(axis=1), len(vectors))
        values = {"F1": macro_f1(table), "accuracy": accuracy(table)}
        figures += _figures(prompt, len(vectors), values, class_intervals(table, resamples, seed))
        tables[prompt] = table.tolist()
    return figures, tables


def tag_figures(
    audio: np.ndarray, text: dict[str, np.ndarray], right: np.ndarray, resamples: int = RESAMPLES, seed: int = 0
) -> tuple[list[dict], dict[str, list]]:
    """ROC-AUC and PR-AUC (macro over tags) per prompt, of recordings with any number of tags.

    Args:
        audio: (recordings, dim). text: {prompt: (tags, dim)}. right: (recordings, tags) booleans; a tag that none has,
            or all, is left out, and `classes` counts the others.

    Returns:
        (figures with prompt, classes, metric, value, low, high; {prompt: ROC-AUC of each tag, NaN where left out})
    """
    figures, areas = [], {}
    for prompt, vectors in text.items():
        scores = audio @ vectors.T
        per_tag = tag_metrics(right, scores)
        counted = np.isfinite(per_tag["ROC-AUC"])
        values = {name: per_tag[name][counted].mean() for name in per_tag}
        figures += _figures(prompt, int(counted.sum()), values, tag_intervals(right, scores, resamples, seed))
        areas[prompt] = per_tag["ROC-AUC"].tolist()
    return figures, areas


def _figures(prompt: str, classes: int, values: dict, intervals: dict) -> list[dict]:
    return [
        dict(
            prompt=prompt,
            classes=classes,
            metric=name,
            value=float(value),
            low=intervals[name][0],
            high=intervals[name][1],
        )
        for name, value in values.items()
    ]
