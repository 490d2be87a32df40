"""Bootstrap percentile intervals: how much a metric would vary over other recordings of the same kind.

Queries (or recordings) are drawn with replacement, as many as there are, 1,000 times; the 2.5th and 97.5th percentiles
of the metric over these resamples bound its 95 % interval (Efron and Tibshirani, An Introduction to the Bootstrap,
1993). A resample is stored as the number of times each query was drawn, so that a metric of all resamples is a matrix
product.
"""

from collections.abc import Iterator, Sequence

import numpy as np

from kobza.evaluation.metrics import accuracy, macro_f1

RESAMPLES = 1000
PERCENTILES = (2.5, 97.5)
RESAMPLES_PER_CHUNK = 100  # 10 MB for 25,863 recordings
Interval = tuple[float, float]


def _resample_counts(n: int, resamples: int, seed: int) -> Iterator[np.ndarray]:
    """Chunks (at most RESAMPLES_PER_CHUNK, n) float32: how often each of n items is drawn in each resample."""
    rng = np.random.default_rng(seed)
    for start in range(0, resamples, RESAMPLES_PER_CHUNK):
        rows = min(RESAMPLES_PER_CHUNK, resamples - start)
        cells = rng.integers(0, n, (rows, n)) + n * np.arange(rows)[:, None]
        yield np.bincount(cells.ravel(), minlength=rows * n).reshape(rows, n).astype(np.float32)


def _percentile_interval(values: np.ndarray) -> Interval:
    low, high = np.nanpercentile(values, PERCENTILES)
    return float(low), float(high)


def rank_intervals(
    galleries: Sequence[tuple[np.ndarray, np.ndarray]], queries: int, resamples: int = RESAMPLES, seed: int = 0
) -> dict[str, Interval]:
    """Intervals (low, high) of each metric of `rank_metrics`, averaged over galleries.

    Args:
        galleries: for each gallery, the indices of the queries searched in it, (k,), and their ranks, (k,). Queries,
            not ranks, are resampled: a query that occurs in several galleries is drawn in all of them or in none.
        queries: how many different queries there are.
    """
    resampled: dict[str, list[np.ndarray]] = {}
    for counts in _resample_counts(queries, resamples, seed):
        per_gallery = [_weighted_metrics(ranks, counts[:, indices]) for indices, ranks in galleries]
        for name in per_gallery[0]:
            with np.errstate(invalid="ignore"):
                mean = np.mean([metrics[name] for metrics in per_gallery], axis=0)
            resampled.setdefault(name, []).append(mean)
    return {name: _percentile_interval(np.concatenate(values)) for name, values in resampled.items()}


def _weighted_metrics(ranks: np.ndarray, counts: np.ndarray) -> dict[str, np.ndarray]:
    """Metrics (resamples,) of ranks (k,), each weighted by its `counts` (resamples, k)."""
    order = np.argsort(ranks, kind="stable")
    ranks = ranks[order]
    counts = counts[:, order]
    scores = {f"R@{k}": ranks < k for k in (1, 5, 10)}
    scores["MeanR"] = ranks
    scores["mAP10"] = np.where(ranks < 10, 1.0 / (ranks + 1.0), 0.0)
    cumulative = np.cumsum(counts, axis=1)
    total = cumulative[:, -1]
    with np.errstate(invalid="ignore", divide="ignore"):  # a resample may contain none of these queries
        values = {name: counts @ score.astype(np.float32) / total for name, score in scores.items()}
    lower_middle = np.argmax(cumulative > ((total - 1) // 2)[:, None], axis=1)
    upper_middle = np.argmax(cumulative > (total // 2)[:, None], axis=1)
    values["MedR"] = np.where(total > 0, (ranks[lower_middle] + ranks[upper_middle]) / 2, np.nan)
    return values


def class_intervals(confusion: np.ndarray, resamples: int = RESAMPLES, seed: int = 0) -> dict[str, Interval]:
    """Intervals (low, high) of F1 and accuracy. Resampling recordings is resampling cells of their confusion matrix."""
    recordings = confusion.sum()
    rng = np.random.default_rng(seed)
    tables = rng.multinomial(recordings, confusion.ravel() / recordings, resamples).reshape(-1, *confusion.shape)
    return {"F1": _percentile_interval(macro_f1(tables)), "accuracy": _percentile_interval(accuracy(tables))}


def tag_intervals(
    has_tag: np.ndarray, scores: np.ndarray, resamples: int = RESAMPLES, seed: int = 0
) -> dict[str, Interval]:
    """Intervals (low, high) of the macro ROC-AUC and PR-AUC; the arguments are those of `tag_metrics`."""
    tags = [
        _SortedTag(has_tag[:, t], scores[:, t])
        for t in range(has_tag.shape[1])
        if 0 < has_tag[:, t].sum() < len(has_tag)
    ]
    resampled = []
    for counts in _resample_counts(len(has_tag), resamples, seed):
        columns = np.ascontiguousarray(counts.T)
        areas = np.array([tag.areas(columns) for tag in tags])  # (tags, 2, resamples)
        resampled.append(_mean_of_finite(areas))
    roc, pr = np.concatenate(resampled, axis=1)
    return {"ROC-AUC": _percentile_interval(roc), "PR-AUC": _percentile_interval(pr)}


def _mean_of_finite(values: np.ndarray) -> np.ndarray:
    """The mean over the first axis of the values that are finite; NaN where none is."""
    finite = np.isfinite(values)
    count = finite.sum(axis=0)
    total = np.where(finite, values, 0).sum(axis=0)
    return np.divide(total, count, out=np.full(count.shape, np.nan), where=count > 0)


class _SortedTag:
    """The recordings sorted by descending score of one tag, once for all resamples.

    "Positives" are the recordings that have the tag, "negatives" the others.
    """

    def __init__(self, has_tag: np.ndarray, scores: np.ndarray):
        self.order = np.argsort(-scores, kind="stable")
        self.positives = np.flatnonzero(has_tag[self.order])
        descending = -scores[self.order]
        positive_scores = descending[self.positives]
        # For each positive: how many recordings score higher, and how many at least as high. Sums are then needed at
        # these positions only, not at every recording.
        higher = np.searchsorted(descending, positive_scores, "left")
        at_least = np.searchsorted(descending, positive_scores, "right")
        self.positions = np.unique([0, *higher, *at_least])
        self.higher = np.searchsorted(self.positions, higher)
        self.at_least = np.searchsorted(self.positions, at_least)
        self.positives_higher = np.searchsorted(self.positives, higher)
        self.positives_at_least = np.searchsorted(self.positives, at_least)

    def areas(self, counts: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """ROC-AUC and average precision of each resample, (resamples,) each.

        Args:
            counts: (recordings, resamples), how often each recording was drawn. Where no positive or no negative was
                drawn, the areas are NaN.
        """
        counts = np.take(counts, self.order, axis=0)
        positive_counts = counts[self.positives]
        negatives = counts.sum(axis=0) - positive_counts.sum(axis=0)
        between = np.add.reduceat(counts, self.positions[self.positions < len(counts)], axis=0)
        drawn_before = _exclusive_sums(between)  # at each of self.positions
        positives_before = _exclusive_sums(positive_counts)  # at each positive
        positives = positives_before[-1]
        hits = positives_before[self.positives_at_least]
        retrieved = drawn_before[self.at_least]
        # Negatives above each positive, those with an equal score counting half.
        wrong = (retrieved - hits + drawn_before[self.higher] - positives_before[self.positives_higher]) / 2
        with np.errstate(invalid="ignore", divide="ignore"):
            roc = 1 - (positive_counts * wrong).sum(axis=0, dtype=np.float64) / positives / negatives
            precision = np.divide(hits, retrieved, out=np.zeros_like(retrieved), where=retrieved > 0)
            pr = (positive_counts * precision).sum(axis=0, dtype=np.float64) / positives
        return roc, np.where(negatives > 0, pr, np.nan)


def _exclusive_sums(parts: np.ndarray) -> np.ndarray:
    """(n, resamples) -> (n + 1, resamples): the sum of the rows before each row, and of all rows.

    >>> _exclusive_sums(np.array([[1], [2], [3]])).ravel().tolist()
    [0, 1, 3, 6]
    """
    return np.concatenate([np.zeros_like(parts[:1]), np.cumsum(parts, axis=0)])
