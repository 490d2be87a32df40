"""95 % intervals of the metrics: how much a metric would vary over other recordings of the same kind.

How far a metric moves with the weight of one recording is that recording's influence on it (see `influence.py`). The
root of the sum of their squares is the metric's standard error (the infinitesimal jackknife: Efron, The Jackknife, the
Bootstrap and Other Resampling Plans, 1982; of ROC-AUC it is DeLong's, Biometrics 44, 1988). Captions of one recording
are not independent: their influences are added up before they are squared.

Nothing is resampled. A bootstrap repeats recordings, and a repeated positive ranks beside its own copy: average
precision is then higher in most resamples than in the data, and the interval misses its own value.

The interval is Wilson's score interval (JASA 22, 1927) of a proportion with that standard error (Korn and Graubard,
Survey Methodology 24, 1998): it stays between 0 and 1, and has a width where a metric is 0 or 1. Where few recordings
make up the error, as the positives of a rare tag do, Student's t takes the place of the normal distribution.
tests/evaluation/test_coverage.py measures how often the intervals hold the expected metric of 1,000 made sets.
"""

from collections.abc import Callable, Sequence

import numpy as np

from kobza.evaluation.influence import accuracy_influence, f1_influence, mean_influence, tag_influences
from kobza.evaluation.metrics import accuracy, macro_f1

METHOD = "infinitesimal jackknife over recordings, Wilson score"  # as results name it
NORMAL_QUANTILE = 1.959964  # 97.5 %
Interval = tuple[float, float]


def interval_of(
    value: float, influence: np.ndarray, highest: float = 1.0, variance: float = 0.0, n: int | None = None
) -> Interval:
    """The 95 % interval of a metric between 0 and `highest` from the influence of each independent recording, (n,).

    >>> [round(bound, 3) for bound in interval_of(0.3, mean_influence(np.arange(1000) < 300))]
    [0.272, 0.329]

    Args:
        variance: what other random draws, such as a probe's examples, add to that of the recordings.
        n: the number of recordings that count where none has any influence; all by default.
    """
    error = float(np.sqrt(standard_error(influence) ** 2 + variance))
    return score_interval(value, error, n or len(influence), highest, student_quantile(influence))


def standard_error(influence: np.ndarray) -> float:
    """The standard error of a metric from the influence of each independent recording, (n,).

    >>> round(standard_error(mean_influence(np.arange(1000) < 300)), 5)  # sqrt(.3 * .7 / 999)
    0.0145
    """
    n = len(influence)
    return float(np.sqrt((influence.astype(float) ** 2).sum() * n / max(n - 1, 1)))


def student_quantile(influence: np.ndarray) -> float:
    """The 97.5 % quantile of Student's t with as many degrees of freedom as the standard error has.

    A variance from n values of kurtosis k has about 2 n / (k - 1) of them: n where the influences are normal, few where
    few recordings have nearly all influence. The quantile is Cornish and Fisher's expansion, at 2 degrees or more.

    >>> round(student_quantile(np.array([1.0, -1.0] * 50)), 2), round(student_quantile(np.eye(100)[0]), 2)
    (1.96, 4.17)
    """
    squares = influence.astype(float) ** 2
    if not squares.any():
        return NORMAL_QUANTILE
    kurtosis = (squares**2).mean() / squares.mean() ** 2
    degrees = max(2 * len(influence) / max(kurtosis - 1, 1e-9) - 1, 2.0)
    z = NORMAL_QUANTILE
    terms = (
        (z**3 + z) / 4,
        (5 * z**5 + 16 * z**3 + 3 * z) / 96,
        (3 * z**7 + 19 * z**5 + 17 * z**3 - 15 * z) / 384,
    )
    return float(z + sum(term / degrees**power for power, term in enumerate(terms, 1)))


def score_interval(
    value: float, error: float, n: int, highest: float = 1.0, quantile: float = NORMAL_QUANTILE
) -> Interval:
    """Wilson's interval of a metric between 0 and `highest` with this standard error.

    >>> [round(bound, 3) for bound in score_interval(1.0, 0.0, 20)]  # 20 of 20
    [0.839, 1.0]

    Args:
        n: the number of independent recordings, which counts where the error is 0.
    """
    if not np.isfinite(value):
        return float("nan"), float("nan")
    share = min(max(value / highest, 0.0), 1.0)
    spread = share * (1 - share)
    effective = spread / (error / highest) ** 2 if error > 0 and spread > 0 else float(n)
    squared = quantile**2 / effective
    centre = share + squared / 2
    half = float(np.sqrt(spread * squared + squared**2 / 4))
    low, high = (highest * min(max(end / (1 + squared), 0.0), 1.0) for end in (centre - half, centre + half))
    return min(low, value), max(high, value)  # which rounding may have put a little outside


def rank_intervals(
    galleries: Sequence[tuple[np.ndarray, np.ndarray]], owner: np.ndarray, candidates: int
) -> dict[str, Interval]:
    """Intervals (low, high) of each metric of `rank_metrics`, averaged over galleries.

    Args:
        galleries: for each gallery, the indices of the queries searched in it, (k,), and their ranks, (k,).
        owner: (queries,), the index of each query's recording: 0, 1, ... Queries of one recording are not independent.
        candidates: in a gallery.
    """

    def interval(score: Callable[[np.ndarray], np.ndarray], highest: float = 1.0) -> Interval:
        total = np.zeros(int(owner.max()) + 1)
        for indices, ranks in galleries:
            np.add.at(total, owner[indices], mean_influence(score(ranks)) / len(galleries))
        value = float(np.mean([score(ranks).mean() for _, ranks in galleries]))
        return interval_of(value, total, highest)

    median = float(np.mean([np.median(ranks) for _, ranks in galleries]))
    below = interval(lambda ranks: ranks <= median)
    return {
        **{f"R@{k}": interval(lambda ranks, k=k: ranks < k) for k in (1, 5, 10)},  # type: ignore[misc]
        "MeanR": interval(lambda ranks: ranks, max(candidates - 1, 1)),
        "MedR": _median_interval(np.concatenate([ranks for _, ranks in galleries]), median, below),
        "mAP10": interval(lambda ranks: np.where(ranks < 10, 1.0 / (ranks + 1.0), 0.0)),
    }


def _median_interval(ranks: np.ndarray, median: float, below: Interval) -> Interval:
    """Woodruff's interval of a median (JASA 47, 1952): the ranks at the ends of the interval of the fraction below it.

    Args:
        below: the interval of the fraction of ranks up to the median. Only its width is used, around one half: where
            many ranks equal the median, that fraction itself is far above one half.
    """
    half = (below[1] - below[0]) / 2
    ends = np.quantile(ranks, [max(0.5 - half, 0.0), min(0.5 + half, 1.0)], method="inverted_cdf")
    return min(float(ends[0]), median), max(float(ends[1]), median)


def class_intervals(confusion: np.ndarray) -> dict[str, Interval]:
    """Intervals (low, high) of F1 and accuracy of a confusion matrix (classes, classes), true by predicted."""
    counts = confusion.ravel()
    per_recording = {
        "F1": (macro_f1(confusion), np.repeat(f1_influence(confusion).ravel(), counts)),
        "accuracy": (accuracy(confusion), np.repeat(accuracy_influence(confusion).ravel(), counts)),
    }
    return {name: interval_of(float(value), influence) for name, (value, influence) in per_recording.items()}


def tag_intervals(has_tag: np.ndarray, scores: np.ndarray, judged: np.ndarray | None = None) -> dict[str, Interval]:
    """Intervals (low, high) of the macro ROC-AUC and PR-AUC; the arguments are those of `tag_metrics`."""
    found = tag_influences(has_tag, scores, judged)
    n = rarer_recordings(has_tag, judged)
    return {name: interval_of(value, influence, n=n) for name, (value, influence) in found.items()}


def rarer_recordings(has_tag: np.ndarray, judged: np.ndarray | None = None) -> int:
    """How many recordings have one of the tags, or how many lack one, whichever are fewer: a perfect AUC is of so few.

    >>> rarer_recordings(np.array([[True, False], [False, False], [False, False]]))
    1
    """
    judged = np.ones_like(has_tag) if judged is None else judged
    return int(min((kind & judged).any(axis=1).sum() for kind in (has_tag, ~has_tag)))


def mean_interval(values: np.ndarray) -> Interval:
    """The interval of the mean of values (n,) between 0 and 1, one for each query or recording."""
    return interval_of(float(values.mean()), mean_influence(values))
