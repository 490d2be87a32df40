"""Retrieval: search every caption among all recordings (text -> music), and every recording among all captions.

Metrics depend on the gallery, the set of candidates that is searched. They are therefore also given for the smaller
gallery sizes of other papers: as the mean over 20 seeded random galleries of that many recordings, one caption each.
"""

import numpy as np

from kobza.evaluation.intervals import rank_intervals
from kobza.evaluation.metrics import RETRIEVAL_METRICS, rank_metrics, ranks

DIRECTIONS = ("text -> music", "music -> text")
GALLERY_SIZES = (62, 100, 1000)
RANDOM_GALLERIES = 20  # per size


def smaller_gallery_sizes(recordings: int) -> list[int]:
    """The `GALLERY_SIZES` below the number of recordings.

    >>> smaller_gallery_sizes(130)
    [62, 100]
    """
    return [size for size in GALLERY_SIZES if size < recordings]


def rank_random_galleries(
    text: np.ndarray, audio: np.ndarray, owner: np.ndarray, size: int, seed: int = 0, galleries: int = RANDOM_GALLERIES
) -> dict[str, list[tuple[np.ndarray, np.ndarray]]]:
    """Search random galleries of `size` recordings, one caption each.

    Args: see `evaluate_retrieval`.

    Returns:
        {direction: [(indices of the recordings (size,), ranks (size,)) of each gallery]}
    """
    rng = np.random.default_rng([seed, size])
    by_recording = np.argsort(owner, kind="stable")
    first_caption = np.searchsorted(owner[by_recording], np.arange(len(audio)))
    caption_count = np.bincount(owner, minlength=len(audio))
    found: dict[str, list] = {direction: [] for direction in DIRECTIONS}
    for _ in range(galleries):
        chosen = rng.choice(len(audio), size, replace=False)
        captions = by_recording[first_caption[chosen] + rng.integers(0, caption_count[chosen])]
        similarity = text[captions] @ audio[chosen].T
        found["text -> music"].append((chosen, ranks(similarity)))
        found["music -> text"].append((chosen, ranks(similarity.T)))
    return found


def evaluate_retrieval(
    text: np.ndarray, audio: np.ndarray, owner: np.ndarray, seed: int = 0
) -> tuple[list[dict], dict[str, list[int]]]:
    """Metrics of both directions at every gallery size, and the ranks in the whole set.

    Args:
        text: (captions, dim).
        audio: (recordings, dim).
        owner: (captions,), the index of each caption's recording. Every recording has one caption or more; where it
            has several, the best ranked one counts.

    Returns:
        (entries with direction, gallery, metric, value, low, high; {direction: ranks (queries,)})
    """
    relevant = owner[:, None] == np.arange(len(audio))
    similarity = text @ audio.T
    whole = {"text -> music": ranks(similarity, relevant), "music -> text": ranks(similarity.T, relevant.T)}
    smaller = {
        size: rank_random_galleries(text, audio, owner, size, seed) for size in smaller_gallery_sizes(len(audio))
    }
    entries = []
    each = np.arange(len(audio))
    for direction, owners, candidates in zip(DIRECTIONS, (owner, each), similarity.shape[::-1], strict=True):
        for size, galleries in smaller.items():  # whose queries are recordings, or their captions
            entries += _entries(direction, size, galleries[direction], each)
        entries += _entries(direction, candidates, [(np.arange(len(owners)), whole[direction])], owners)
    return entries, {direction: found.tolist() for direction, found in whole.items()}


def _entries(direction: str, gallery: int, galleries: list, owner: np.ndarray) -> list[dict]:
    per_gallery = [rank_metrics(ranks) for _, ranks in galleries]
    intervals = rank_intervals(galleries, owner, gallery)
    entries = []
    for metric in RETRIEVAL_METRICS:
        value = float(np.mean([metrics[metric] for metrics in per_gallery]))
        low, high = intervals[metric]
        entries.append(
            {"direction": direction, "gallery": gallery, "metric": metric, "value": value, "low": low, "high": high}
        )
    return entries
