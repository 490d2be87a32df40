"""Two results on the same recordings, compared query by query: is B better than A, or only luckier?

Both models answered the same queries, so each query's difference counts, not the spread between queries. The interval
is that of a paired bootstrap: recordings are drawn with replacement, with their captions, for both models at once. The
p-value is that of a paired permutation test (Fisher's randomization test): if the models were alike, swapping their
answers for any recording would change nothing, so the observed difference is compared with that of random swaps
(Smucker et al., A Comparison of Statistical Significance Tests for Information Retrieval Evaluation, CIKM 2007).
"""

from collections.abc import Callable, Iterator
from functools import partial
from typing import NamedTuple

import numpy as np

from kobza.errors import KobzaError
from kobza.evaluation.metrics import accuracy, confusion_matrix, macro_f1
from kobza.evaluation.results import counted, dataset_key, dataset_title

RESAMPLES = 10_000
PER_BATCH = 500  # resamples at once, which bounds the memory
QUERY_SCORES: dict[str, Callable[[np.ndarray], np.ndarray]] = {  # of ranks; each metric is a mean of these
    "R@1": lambda ranks: ranks < 1,
    "R@5": lambda ranks: ranks < 5,
    "R@10": lambda ranks: ranks < 10,
    "MeanR": lambda ranks: ranks,
    "mAP10": lambda ranks: np.where(ranks < 10, 1.0 / (ranks + 1.0), 0.0),
}


class Difference(NamedTuple):
    """A metric of both results, and B - A with its 95 % interval and two-sided p-value."""

    metric: str
    first: float
    second: float
    difference: float
    low: float
    high: float
    p: float


class Comparison(NamedTuple):
    """`what` was measured, and {direction or prompt: differences}."""

    what: str
    tables: dict[str, list[Difference]]


def compare_results(first: dict, second: dict, seed: int = 0) -> Comparison:
    """Compare two results of `kobza evaluate`.

    Raises:
        KobzaError: they are not of the same recordings, one of them does not name its queries (an older version wrote
            it), or nothing was measured in both.
    """
    if any(first[name] != second[name] for name in ("dataset", "data_hash")):
        raise KobzaError(
            f"The results are not of the same recordings ({_about(first)}; {_about(second)}): evaluate both models on "
            "the same data set."
        )
    tables = dict(_tables(first, second, seed))
    if not tables:
        raise KobzaError(
            f"Nothing of {first['model']} and {second['model']} can be compared: their tasks or prompts differ, or an "
            "older version wrote a result; evaluate both again, with the same prompts."
        )
    return Comparison(f"{dataset_title(dataset_key(first))}, {first['used']:,} {counted(first)}", tables)


def _about(result: dict) -> str:
    return f"{dataset_title(dataset_key(result))}, {result['used']:,} used"


def _tables(first: dict, second: dict, seed: int) -> Iterator[tuple[str, list[Difference]]]:
    a, b = (result.get("details") or {} for result in (first, second))
    for direction, queries in (a.get("queries") or {}).items():
        if queries == (b.get("queries") or {}).get(direction):
            unit = np.unique(queries, return_inverse=True)[1]
            yield direction, compare_ranks(np.array(a["ranks"][direction]), np.array(b["ranks"][direction]), unit, seed)
    if a.get("graded_queries") and a["graded_queries"] == b.get("graded_queries"):
        scores = {"nDCG@10": (np.array(a["nDCG@10"]), np.array(b["nDCG@10"]))}
        yield "text -> music", _compare_means(scores, np.arange(len(a["graded_queries"])), seed)
    for prompt, predicted in (a.get("predicted") or {}).items():
        other = (b.get("predicted") or {}).get(prompt)
        if other and a["recordings"] == b["recordings"]:
            true, of_a, of_b = (np.array(values) for values in (a["true"], predicted, other))
            yield prompt, compare_classes(true, of_a, of_b, len(a["labels"]), seed)
    if a.get("auc") and b.get("auc"):
        for prompt, aucs in a["auc"].items():
            if prompt in b["auc"] and a["tags"] == b["tags"]:
                of_a, of_b = (np.array(per_tag, float) for per_tag in (aucs, b["auc"][prompt]))
                yield f"{prompt}, over tags", compare_tags(of_a, of_b, seed)


def compare_ranks(a: np.ndarray, b: np.ndarray, unit: np.ndarray, seed: int = 0) -> list[Difference]:
    """Compare the ranks of the same queries, (queries,) each.

    Args:
        unit: (queries,), the index of each query's recording, 0, 1, ...: what is drawn and swapped.
    """
    scores = {metric: (score(a), score(b)) for metric, score in QUERY_SCORES.items()}
    return _compare_means(scores, unit, seed)


def compare_tags(a: np.ndarray, b: np.ndarray, seed: int = 0) -> list[Difference]:
    """Compare the ROC-AUC of each tag, (tags,), where both are defined. Tags are drawn and swapped, not recordings."""
    defined = np.isfinite(a) & np.isfinite(b)
    return _compare_means({"ROC-AUC": (a[defined], b[defined])}, np.arange(defined.sum()), seed)


def _compare_means(scores: dict[str, tuple[np.ndarray, np.ndarray]], unit: np.ndarray, seed: int) -> list[Difference]:
    """Differences of the means of scores, (queries,) of each model; all metrics of the same resamples."""
    rng = np.random.default_rng(seed)
    size = np.bincount(unit)
    units = len(size)
    sums = np.stack([np.bincount(unit, b.astype(float) - a.astype(float)) for a, b in scores.values()], axis=1)

    def drawn(n: int) -> np.ndarray:  # (n, metrics)
        counts = rng.multinomial(units, np.full(units, 1 / units), n)
        return counts @ sums / (counts @ size)[:, None]

    def swapped(n: int) -> np.ndarray:
        return rng.choice([-1.0, 1.0], (n, units)) @ sums / size.sum()

    resampled, permuted, observed = _in_batches(drawn), _in_batches(swapped), sums.sum(axis=0) / size.sum()
    return [
        _difference(metric, float(a.mean()), float(b.mean()), float(observed[k]), resampled[:, k], permuted[:, k])
        for k, (metric, (a, b)) in enumerate(scores.items())
    ]


def compare_classes(true: np.ndarray, a: np.ndarray, b: np.ndarray, classes: int, seed: int = 0) -> list[Difference]:
    """Compare the predicted classes of the same recordings by accuracy and macro F1.

    Args:
        true, a, b: (recordings,) indices of classes.
    """
    rng = np.random.default_rng(seed)
    n = len(true)
    cells = classes * classes
    of_a, of_b = true * classes + a, true * classes + b

    def tables(weights: np.ndarray, cell: np.ndarray) -> np.ndarray:
        """(resamples, recordings) weights -> (resamples, classes, classes) confusion matrices"""
        one_hot = np.zeros((n, cells))
        one_hot[np.arange(n), cell] = 1
        return (weights @ one_hot).reshape(-1, classes, classes)

    def drawn(score: Callable[[np.ndarray], np.ndarray], size: int) -> np.ndarray:
        counts = rng.multinomial(n, np.full(n, 1 / n), size)
        return score(tables(counts, of_b)) - score(tables(counts, of_a))

    def swapped(score: Callable[[np.ndarray], np.ndarray], size: int) -> np.ndarray:
        swap = rng.integers(0, 2, (size, n))
        left = tables(1 - swap, of_a) + tables(swap, of_b)
        right = tables(1 - swap, of_b) + tables(swap, of_a)
        return score(right) - score(left)

    found = []
    for metric, score in (("F1", macro_f1), ("accuracy", accuracy)):
        first, second = (float(score(confusion_matrix(true, predicted, classes))) for predicted in (a, b))
        resampled, permuted = _in_batches(partial(drawn, score)), _in_batches(partial(swapped, score))
        found.append(_difference(metric, first, second, second - first, resampled, permuted))
    return found


def _in_batches(draw: Callable[[int], np.ndarray]) -> np.ndarray:
    return np.concatenate([draw(PER_BATCH) for _ in range(RESAMPLES // PER_BATCH)])


def _difference(
    metric: str, first: float, second: float, observed: float, drawn: np.ndarray, permuted: np.ndarray
) -> Difference:
    low, high = np.quantile(drawn, [0.025, 0.975])
    # at least as far from 0, rounding aside; the observed arrangement is one of the possible ones
    extreme = int((np.abs(permuted) >= abs(observed) - 1e-12).sum())
    p = (extreme + 1) / (len(permuted) + 1)
    return Difference(metric, first, second, observed, float(low), float(high), p)
