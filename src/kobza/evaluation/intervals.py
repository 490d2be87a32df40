"""How far a figure may be from its value on other recordings of the same kind: bootstrap percentile intervals.

Queries (or recordings) are drawn with replacement, as many as there are, 1,000 times; the 2.5th and the 97.5th
percentile of the metric over the resamples are the interval (Efron and Tibshirani, An Introduction to the Bootstrap,
1993). A resample is held as how often each query was drawn, so that a metric of all resamples is a product of matrices.
"""

from collections.abc import Iterator, Sequence

import numpy as np

from kobza.evaluation.metrics import accuracy, macro_f1

RESAMPLES = 1000
PERCENTILES = (2.5, 97.5)
AT_ONCE = 100  # resamples; of 25,863 recordings they take 10 MB
Interval = tuple[float, float]


def _drawn(n: int, resamples: int, seed: int) -> Iterator[np.ndarray]:
    """(at most AT_ONCE, n) float32 at a time: how often each of n was drawn, in each resample."""
    rng = np.random.default_rng(seed)
    for start in range(0, resamples, AT_ONCE):
        rows = min(AT_ONCE, resamples - start)
        cells = rng.integers(0, n, (rows, n)) + n * np.arange(rows)[:, None]
        yield np.bincount(cells.ravel(), minlength=rows * n).reshape(rows, n).astype(np.float32)


def _interval(values: np.ndarray) -> Interval:
    low, high = np.nanpercentile(values, PERCENTILES)
    return float(low), float(high)


def rank_intervals(
    galleries: Sequence[tuple[np.ndarray, np.ndarray]], queries: int, resamples: int = RESAMPLES, seed: int = 0
) -> dict[str, Interval]:
    """(low, high) of each metric of `rank_metrics`, averaged over galleries.

    Args:
        galleries: for each, which of the `queries` were asked in it, (k,), and their ranks, (k,). Queries, not ranks,
            are drawn: one that was asked in several galleries is drawn in all of them or in none.
    """
    resampled: dict[str, list[np.ndarray]] = {}
    for drawn in _drawn(queries, resamples, seed):
        found = [_weighted_metrics(ranks, drawn[:, asked]) for asked, ranks in galleries]
        for name in found[0]:
            with np.errstate(invalid="ignore"):
                resampled.setdefault(name, []).append(np.mean([metrics[name] for metrics in found], axis=0))
    return {name: _interval(np.concatenate(values)) for name, values in resampled.items()}


def _weighted_metrics(ranks: np.ndarray, drawn: np.ndarray) -> dict[str, np.ndarray]:
    """The metrics of ranks (k,), each counted as often as drawn (resamples, k) says: (resamples,) each."""
    order = np.argsort(ranks, kind="stable")
    ranks, drawn = ranks[order], drawn[:, order]
    scores = {f"R@{k}": ranks < k for k in (1, 5, 10)}
    scores["MeanR"] = ranks
    scores["mAP10"] = np.where(ranks < 10, 1.0 / (ranks + 1.0), 0.0)
    below = np.cumsum(drawn, axis=1)
    total = below[:, -1]
    with np.errstate(invalid="ignore", divide="ignore"):  # a resample without any of these queries
        values = {name: drawn @ score.astype(np.float32) / total for name, score in scores.items()}
    middle = [np.argmax(below > place[:, None], axis=1) for place in ((total - 1) // 2, total // 2)]
    values["MedR"] = np.where(total > 0, (ranks[middle[0]] + ranks[middle[1]]) / 2, np.nan)
    return values


def class_intervals(confusion: np.ndarray, resamples: int = RESAMPLES, seed: int = 0) -> dict[str, Interval]:
    """(low, high) of F1 and accuracy. Drawing recordings is drawing cells of their confusion matrix."""
    recordings = confusion.sum()
    rng = np.random.default_rng(seed)
    tables = rng.multinomial(recordings, confusion.ravel() / recordings, resamples).reshape(-1, *confusion.shape)
    return {"F1": _interval(macro_f1(tables)), "accuracy": _interval(accuracy(tables))}


def tag_intervals(
    right: np.ndarray, scores: np.ndarray, resamples: int = RESAMPLES, seed: int = 0
) -> dict[str, Interval]:
    """(low, high) of the macro ROC-AUC and PR-AUC of `tag_metrics`, whose arguments these are."""
    tags = [_SortedTag(right[:, t], scores[:, t]) for t in range(right.shape[1]) if 0 < right[:, t].sum() < len(right)]
    resampled = []
    for drawn in _drawn(len(right), resamples, seed):
        columns = np.ascontiguousarray(drawn.T)
        both = np.array([tag.areas(columns) for tag in tags])  # (tags, 2, resamples)
        resampled.append(_mean_of_known(both))
    roc, pr = np.concatenate(resampled, axis=1)
    return {"ROC-AUC": _interval(roc), "PR-AUC": _interval(pr)}


def _mean_of_known(values: np.ndarray) -> np.ndarray:
    known = np.isfinite(values)
    count = known.sum(axis=0)
    return np.divide(np.where(known, values, 0).sum(axis=0), count, out=np.full(count.shape, np.nan), where=count > 0)


class _SortedTag:
    """One tag's recordings from the highest score to the lowest, sorted once for all resamples."""

    def __init__(self, right: np.ndarray, scores: np.ndarray):
        self.order = np.argsort(-scores, kind="stable")
        self.right = np.flatnonzero(right[self.order])
        descending = -scores[self.order]
        mine = descending[self.right]
        # of each recording with the tag: how many score more, and how many at least as much; then only these places
        # of the long list matter
        above, until = np.searchsorted(descending, mine, "left"), np.searchsorted(descending, mine, "right")
        self.places = np.unique([0, *above, *until])
        self.above, self.until = np.searchsorted(self.places, above), np.searchsorted(self.places, until)
        self.right_above = np.searchsorted(self.right, above)
        self.right_until = np.searchsorted(self.right, until)

    def areas(self, drawn: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """ROC-AUC and average precision of each resample (recordings, resamples); NaN where one side was not drawn."""
        drawn = np.take(drawn, self.order, axis=0)
        negatives = drawn.sum(axis=0) - (mine := drawn[self.right]).sum(axis=0)
        within = np.add.reduceat(drawn, self.places[self.places < len(drawn)], axis=0)
        counted, hits = _sums_before(within), _sums_before(mine)  # at each place; at each recording with the tag
        positives, hits_until, until = hits[-1], hits[self.right_until], counted[self.until]
        wrong = (until - hits_until + counted[self.above] - hits[self.right_above]) / 2
        with np.errstate(invalid="ignore", divide="ignore"):
            roc = 1 - (mine * wrong).sum(axis=0, dtype=np.float64) / positives / negatives
            precision = np.divide(hits_until, until, out=np.zeros_like(until), where=until > 0)
            pr = (mine * precision).sum(axis=0, dtype=np.float64) / positives
        return roc, np.where(negatives > 0, pr, np.nan)


def _sums_before(parts: np.ndarray) -> np.ndarray:
    """(n, resamples) -> (n + 1, resamples): the sum of the parts before each, and of all."""
    return np.concatenate([np.zeros_like(parts[:1]), np.cumsum(parts, axis=0)])
