"""Zero-shot classification: a recording gets the label, or the tags, whose prompt is nearest in the vector space.

A prompt is a template such as "The {} song"; each label is put in place of its placeholder.
"""

import re
from collections.abc import Sequence

import numpy as np

from kobza.embedding.embedder import Embedder
from kobza.evaluation.intervals import class_intervals, tag_intervals
from kobza.evaluation.metrics import accuracy, confusion_matrix, macro_f1, tag_metrics

GENRE_PROMPTS = ("The {} song", "this is a music of {}", "this is a sound of {}", "{}")  # the thesis's, for GTZAN
TAG_PROMPTS = ("{}", "song with this feature: {}", "The {} song")  # and for MagnaTagATune
ENSEMBLE = "ensemble"  # the prompt's name in results of the mean over all prompts
PLACEHOLDER = re.compile(r"\{\w*\}")  # the thesis writes {genre} and {tag}


def parse_prompts(prompts: Sequence[str]) -> list[str]:
    """The different prompts, with "{}" as their placeholder.

    >>> parse_prompts(["The {genre} song", "The {} song", "{tag}"])
    ['The {} song', '{}']

    Raises:
        ValueError: a prompt has no placeholder.
    """
    for prompt in prompts:
        if not PLACEHOLDER.search(prompt):
            raise ValueError(
                f'The prompt {prompt!r} has no placeholder: write {{}} where the label goes, as in "The {{}} song".'
            )
    return list(dict.fromkeys(PLACEHOLDER.sub("{}", prompt) for prompt in prompts))


def embed_labels(
    embedder: Embedder, prompts: Sequence[str], labels: Sequence[str], ensemble: bool
) -> dict[str, np.ndarray]:
    """{prompt: (labels, dim) float32, of unit length}; with `ensemble` also the normalized mean over the prompts."""
    vectors = {}
    for prompt in prompts:
        vectors[prompt] = embedder.embed_text([prompt.replace("{}", label) for label in labels])
    if ensemble:
        mean = np.mean(list(vectors.values()), axis=0)
        vectors[ENSEMBLE] = mean / np.maximum(np.linalg.norm(mean, axis=1, keepdims=True), 1e-12)
    return vectors


def evaluate_classification(
    audio: np.ndarray, text: dict[str, np.ndarray], true: np.ndarray
) -> tuple[list[dict], dict[str, np.ndarray]]:
    """Macro F1 and accuracy of each prompt, for recordings with one label each.

    Args:
        audio: (recordings, dim).
        text: {prompt: (labels, dim)}.
        true: (recordings,), the index of each recording's label.

    Returns:
        (entries with prompt, classes, metric, value, low, high; {prompt: index of each recording's nearest label})
    """
    entries = []
    predicted = {}
    for prompt, vectors in text.items():
        predicted[prompt] = (audio @ vectors.T).argmax(axis=1)
        confusion = confusion_matrix(true, predicted[prompt], len(vectors))
        values = {"F1": float(macro_f1(confusion)), "accuracy": float(accuracy(confusion))}
        entries += _entries(prompt, len(vectors), values, class_intervals(confusion))
    return entries, predicted


def evaluate_tagging(
    audio: np.ndarray, text: dict[str, np.ndarray], has_tag: np.ndarray, judged: np.ndarray | None = None
) -> tuple[list[dict], dict[str, list]]:
    """Macro ROC-AUC and PR-AUC of each prompt, for recordings with any number of tags.

    Args:
        audio: (recordings, dim).
        text: {prompt: (tags, dim)}.
        judged: (recordings, tags) booleans, of which recordings it is known whether they have the tag; all by default.
        has_tag: (recordings, tags) booleans. A tag that no recording has, or every one, is left out; `classes` counts
            the others.

    Returns:
        (entries with prompt, classes, metric, value, low, high; {prompt: ROC-AUC of each tag, NaN where left out})
    """
    entries = []
    roc_aucs = {}
    for prompt, vectors in text.items():
        scores = audio @ vectors.T
        per_tag = tag_metrics(has_tag, scores, judged)
        defined = np.isfinite(per_tag["ROC-AUC"])
        values = {name: float(areas[defined].mean()) for name, areas in per_tag.items()}
        entries += _entries(prompt, int(defined.sum()), values, tag_intervals(has_tag, scores, judged))
        roc_aucs[prompt] = per_tag["ROC-AUC"].tolist()
    return entries, roc_aucs


def _entries(
    prompt: str, classes: int, values: dict[str, float], intervals: dict[str, tuple[float, float]]
) -> list[dict]:
    entries = []
    for name, value in values.items():
        low, high = intervals[name]
        entries.append({"prompt": prompt, "classes": classes, "metric": name, "value": value, "low": low, "high": high})
    return entries
