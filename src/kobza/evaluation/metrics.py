"""Metrics as the thesis defines them, pure functions: of ranks (from 0), of a confusion matrix, of scores per tag.

Their bootstrap intervals are in `bootstrap.py`.
"""

from collections.abc import Callable

import numpy as np

RETRIEVAL = ("R@1", "R@5", "R@10", "MeanR", "MedR", "mAP10")


def ranks(similarity: np.ndarray, right: np.ndarray | None = None) -> np.ndarray:
    """Rank of the right answer of each query: how many wrong ones score at least as much, so that a tie counts against.

    Args:
        similarity: (queries, answers); (n, n) if `right` is not given.
        right: (queries, answers) booleans, one or more per query, of which the best placed one counts. By default
            answer i belongs to query i.

    Returns:
        (queries,) integers, 0 for the first place. A right answer that scores NaN comes last.
    """
    right = np.eye(len(similarity), dtype=bool) if right is None else right
    best = np.where(right, similarity, -np.inf).max(axis=1, keepdims=True)
    return (~(similarity < best) & ~right).sum(axis=1)


def recall_at(ranks: np.ndarray, k: int) -> float:
    """R@K: the share of ranks below k."""
    return float((ranks < k).mean())


def mean_rank(ranks: np.ndarray) -> float:
    """MeanR: the mean of the ranks."""
    return float(ranks.mean())


def median_rank(ranks: np.ndarray) -> float:
    """MedR: the median of the ranks."""
    return float(np.median(ranks))


def map_at_10(ranks: np.ndarray) -> float:
    """mAP10: the mean of 1 / (rank + 1) where the rank is below 10, else 0."""
    return float(np.where(ranks < 10, 1.0 / (ranks + 1.0), 0.0).mean())


def rank_metrics(ranks: np.ndarray) -> dict[str, float]:
    """All of the above for ranks (queries,)."""
    recalls = {f"R@{k}": recall_at(ranks, k) for k in (1, 5, 10)}
    return {**recalls, "MeanR": mean_rank(ranks), "MedR": median_rank(ranks), "mAP10": map_at_10(ranks)}


def retrieval_metrics(similarity: np.ndarray) -> dict[str, float]:
    """All of the above for a similarity matrix (n, n), queries by answers."""
    return rank_metrics(ranks(similarity))


def confusion(true: np.ndarray, predicted: np.ndarray, classes: int) -> np.ndarray:
    """(classes, classes) counts, true by predicted, of two lists of class numbers."""
    return np.bincount(true * classes + predicted, minlength=classes * classes).reshape(classes, classes)


def accuracy(confusion: np.ndarray) -> np.ndarray:
    """The share of recordings on the diagonal; of one confusion matrix or of a stack (..., classes, classes)."""
    return np.trace(confusion, axis1=-2, axis2=-1) / confusion.sum(axis=(-2, -1))


def macro_f1(confusion: np.ndarray) -> np.ndarray:
    """F1: the mean over classes of 2 TP / (2 TP + FP + FN); of one confusion matrix or of a stack of them.

    A class that no recording has and none was given is left out.
    """
    hits = 2.0 * np.diagonal(confusion, axis1=-2, axis2=-1)
    marks = confusion.sum(axis=-1) + confusion.sum(axis=-2)
    scores = np.divide(hits, marks, out=np.full(hits.shape, np.nan), where=marks > 0)
    return np.nanmean(scores, axis=-1)


def tag_metrics(right: np.ndarray, scores: np.ndarray) -> dict[str, np.ndarray]:
    """ROC-AUC and PR-AUC of each tag, by scikit-learn; NaN for a tag that no recording has, or every one.

    ROC-AUC: the chance that a recording with the tag scores above one without it, ties counting half.
    PR-AUC: average precision, sum over thresholds of (R_n - R_{n-1}) P_n. A tag's chance level is 0.5, and its share.

    Args:
        right: (recordings, tags) booleans. scores: (recordings, tags).

    Returns:
        {"ROC-AUC": (tags,), "PR-AUC": (tags,)}; the macro average is `numpy.nanmean`.
    """
    both = [0 < count < len(right) for count in right.sum(axis=0)]
    return {
        name: np.array([score(r, s) if ok else np.nan for r, s, ok in zip(right.T, scores.T, both, strict=True)])
        for name, score in areas_under_curves().items()
    }


def areas_under_curves() -> dict[str, Callable]:
    """scikit-learn's functions of (right, scores).

    Raises:
        ValueError: it is not installed.
    """
    try:
        from sklearn.metrics import average_precision_score, roc_auc_score
    except ImportError:
        raise ValueError("AUC needs scikit-learn; install it with: pip install 'kobza[eval]'") from None
    return {"ROC-AUC": roc_auc_score, "PR-AUC": average_precision_score}
