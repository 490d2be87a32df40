"""Retrieval: every caption searched among all recordings (text -> music), every recording among all captions.

Figures depend on the gallery, the number of answers to choose from. So they are also given for smaller galleries that
other papers use: there a figure is its mean over 20 seeded random galleries, each of so many recordings with one
caption each.
"""

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from kobza.audio import AudioError, decode, printable, windows
from kobza.evaluation.intervals import RESAMPLES, rank_intervals
from kobza.evaluation.metrics import RETRIEVAL, rank_metrics, ranks

DIRECTIONS = ("text -> music", "music -> text")
GALLERIES = (62, 100, 1000)
DRAWS = 20
WINDOWS_AT_ONCE = 16
Progress = Callable[[int, int, Path], None]  # recordings done, of how many, the last one


def embed_recordings(
    embedder, paths: Sequence[Path], progress: Progress | None = None
) -> tuple[np.ndarray, dict[int, str]]:
    """The normalised mean of each recording's windows, embedded in batches that go across recordings.

    Returns:
        (n, dim) float32, of unit length, zeros where a recording cannot be used; and {its place: a sentence} of those.
    """
    totals, reasons = np.zeros((len(paths), embedder.dim)), {}
    held: list[tuple[int, np.ndarray]] = []

    def embed(batch: list[tuple[int, np.ndarray]]) -> None:
        try:
            vectors = embedder.embed_windows([samples for _, samples in batch])
        except ValueError as error:  # of one window, such as one too short for a frame: each alone, to find whose
            if len(batch) == 1:
                reasons[batch[0][0]] = f"{printable(paths[batch[0][0]])} cannot be embedded: {error}"
                return
            for one in batch:
                embed([one])
            return
        for (i, _), vector in zip(batch, vectors, strict=True):
            totals[i] += vector

    rule = embedder.sampling_rate, embedder.window_seconds, embedder.min_window_seconds
    for i, path in enumerate(paths):
        try:
            for _, samples in windows(decode(path, embedder.sampling_rate), *rule):
                held.append((i, samples))
                if len(held) == WINDOWS_AT_ONCE:
                    embed(held)
                    held.clear()
        except AudioError as error:
            reasons[i] = str(error)
        if progress is not None:
            progress(i + 1, len(paths), path)
    if held:
        embed(held)
    lengths = np.linalg.norm(totals, axis=1, keepdims=True)
    for i in np.flatnonzero(~(lengths[:, 0] > 0)):
        reasons.setdefault(int(i), f"{printable(paths[i])} has no vector: its windows' are not numbers or cancel out.")
    totals[list(reasons)], lengths[list(reasons)] = 0, 1
    return (totals / lengths).astype(np.float32), dict(sorted(reasons.items()))


def embed_recording(embedder, path: Path) -> np.ndarray:
    """The normalised mean of a recording's windows, (dim,) float32: the same vector as the library's.

    Raises:
        AudioError: it cannot be used.
    """
    vectors, reasons = embed_recordings(embedder, [path])
    if reasons:
        raise AudioError(reasons[0])
    return vectors[0]


def gallery_sizes(recordings: int) -> list[int]:
    """The sizes that are reported: those of `GALLERIES` below the number of recordings."""
    return [size for size in GALLERIES if size < recordings]


def small_galleries(
    text: np.ndarray, audio: np.ndarray, owner: np.ndarray, size: int, seed: int = 0, draws: int = DRAWS
) -> dict[str, list[tuple[np.ndarray, np.ndarray]]]:
    """Random galleries of `size` recordings, a caption each: per direction (recordings (size,), ranks (size,))."""
    rng = np.random.default_rng([seed, size])
    order = np.argsort(owner, kind="stable")
    first, captions = np.searchsorted(owner[order], np.arange(len(audio))), np.bincount(owner, minlength=len(audio))
    found: dict[str, list] = {direction: [] for direction in DIRECTIONS}
    for _ in range(draws):
        chosen = rng.choice(len(audio), size, replace=False)
        asked = order[first[chosen] + rng.integers(0, captions[chosen])]
        similarity = text[asked] @ audio[chosen].T
        found["text -> music"].append((chosen, ranks(similarity)))
        found["music -> text"].append((chosen, ranks(similarity.T)))
    return found


def retrieval_figures(
    text: np.ndarray, audio: np.ndarray, owner: np.ndarray, resamples: int = RESAMPLES, seed: int = 0
) -> tuple[list[dict], dict[str, list[int]]]:
    """Figures of both directions at every gallery size, and the ranks in the whole set.

    Args:
        text: (captions, dim). audio: (recordings, dim). owner: (captions,), the recording of each caption; every
            recording has one or more. Where it has several, the best placed counts.

    Returns:
        (figures with direction, gallery, metric, value, low, high; {direction: ranks (queries,)})
    """
    right = owner[:, None] == np.arange(len(audio))
    similarity = text @ audio.T
    whole = {"text -> music": ranks(similarity, right), "music -> text": ranks(similarity.T, right.T)}
    small = {size: small_galleries(text, audio, owner, size, seed) for size in gallery_sizes(len(audio))}
    figures = []
    for direction, answers in zip(DIRECTIONS, similarity.shape[::-1], strict=True):
        for size, drawn in small.items():
            figures += _figures(direction, size, drawn[direction], len(audio), resamples, seed)
        everything = [(np.arange(len(whole[direction])), whole[direction])]
        figures += _figures(direction, answers, everything, len(whole[direction]), resamples, seed)
    return figures, {direction: found.tolist() for direction, found in whole.items()}


def _figures(direction: str, gallery: int, galleries: list, queries: int, resamples: int, seed: int) -> list[dict]:
    found = [rank_metrics(ranks) for _, ranks in galleries]
    intervals = rank_intervals(galleries, queries, resamples, seed)
    figures = []
    for metric in RETRIEVAL:
        value = float(np.mean([metrics[metric] for metrics in found]))
        low, high = intervals[metric]
        figures.append(
            {"direction": direction, "gallery": gallery, "metric": metric, "value": value, "low": low, "high": high}
        )
    return figures
