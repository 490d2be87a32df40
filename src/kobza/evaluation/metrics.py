"""Metrics as the thesis defines them: pure functions of ranks (from 0), of a confusion matrix, of scores per tag.

Their intervals are in `intervals.py`.
"""

from collections.abc import Callable

import numpy as np

from kobza.extras import needs

RETRIEVAL_METRICS = ("R@1", "R@5", "R@10", "MeanR", "MedR", "mAP10")
NDCG_AT = (5, 10, 100)  # the cut-offs of graded relevance


def ranks(similarity: np.ndarray, relevant: np.ndarray | None = None) -> np.ndarray:
    """Rank of each query's relevant candidate: how many others score at least as much. A tie counts against the model.

    >>> ranks(np.array([[0.9, 0.1], [0.5, 0.5]])).tolist()
    [0, 1]

    Args:
        similarity: (queries, candidates); (n, n) if `relevant` is not given.
        relevant: (queries, candidates) booleans, one or more per query, of which the best ranked one counts. By
            default candidate i is relevant to query i.

    Returns:
        (queries,) integers, 0 for the first place. A relevant candidate that scores NaN comes last.
    """
    if relevant is None:
        relevant = np.eye(len(similarity), dtype=bool)
    best = np.where(relevant, similarity, -np.inf).max(axis=1, keepdims=True)
    return (~(similarity < best) & ~relevant).sum(axis=1)


def recall_at(ranks: np.ndarray, k: int) -> float:
    """R@K: the fraction of ranks below k."""
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
    """All `RETRIEVAL_METRICS` of ranks (queries,)."""
    recalls = {f"R@{k}": recall_at(ranks, k) for k in (1, 5, 10)}
    return {**recalls, "MeanR": mean_rank(ranks), "MedR": median_rank(ranks), "mAP10": map_at_10(ranks)}


def retrieval_metrics(similarity: np.ndarray) -> dict[str, float]:
    """All `RETRIEVAL_METRICS` of a similarity matrix (n, n), queries by candidates."""
    return rank_metrics(ranks(similarity))


def ndcg_at(similarity: np.ndarray, grades: np.ndarray, k: int) -> np.ndarray:
    """nDCG@K of each query, (queries,), NaN for one without a grade above 0 (Jarvelin and Kekalainen, 2002).

    The gain of a candidate is its grade, discounted by log2(rank + 2) with ranks from 0, as in trec_eval and MTEB; the
    sum over the first K is divided by that of the best order. Of equal scores the lower grade comes first.

    >>> ndcg_at(np.array([[0.9, 0.5, 0.1]]), np.array([[0, 3, 1]]), 10).round(3).tolist()
    [0.659]

    Args:
        similarity, grades: (queries, candidates).
    """
    order = np.lexsort((grades, -np.nan_to_num(similarity, nan=-np.inf)))
    discount = 1 / np.log2(np.arange(min(k, grades.shape[1])) + 2)
    found = np.take_along_axis(grades, order, axis=1)[:, : len(discount)] @ discount
    best = -np.sort(-grades, axis=1)[:, : len(discount)] @ discount
    return np.divide(found, best, out=np.full(len(grades), np.nan), where=best > 0)


def confusion_matrix(true: np.ndarray, predicted: np.ndarray, classes: int) -> np.ndarray:
    """(classes, classes) counts, true by predicted, of two arrays of class indices.

    >>> confusion_matrix(np.array([0, 0, 1]), np.array([0, 1, 1]), 2).tolist()
    [[1, 1], [0, 1]]
    """
    return np.bincount(true * classes + predicted, minlength=classes * classes).reshape(classes, classes)


def accuracy(confusion: np.ndarray) -> np.ndarray:
    """The fraction of recordings on the diagonal, of one confusion matrix or of a stack (..., classes, classes)."""
    return np.trace(confusion, axis1=-2, axis2=-1) / confusion.sum(axis=(-2, -1))


def macro_f1(confusion: np.ndarray) -> np.ndarray:
    """F1: the mean over classes of 2 TP / (2 TP + FP + FN), of one confusion matrix or of a stack of them.

    A class that is neither the true nor the predicted label of any recording is left out.
    """
    twice_tp = 2.0 * np.diagonal(confusion, axis1=-2, axis2=-1)
    denominator = confusion.sum(axis=-1) + confusion.sum(axis=-2)
    scores = np.divide(twice_tp, denominator, out=np.full(twice_tp.shape, np.nan), where=denominator > 0)
    return np.nanmean(scores, axis=-1)


def tag_metrics(has_tag: np.ndarray, scores: np.ndarray, judged: np.ndarray | None = None) -> dict[str, np.ndarray]:
    """ROC-AUC and PR-AUC of each tag, by scikit-learn; NaN for a tag that no recording has, or every one.

    ROC-AUC: the probability that a recording with the tag scores above one without it, ties counting half; 0.5 by
    chance.
    PR-AUC: average precision, sum over thresholds of (R_n - R_{n-1}) P_n; by chance the fraction that has the tag.

    Args:
        has_tag: (recordings, tags) booleans.
        scores: (recordings, tags).
        judged: (recordings, tags) booleans, of which recordings it is known whether they have the tag; all by default.

    Returns:
        {"ROC-AUC": (tags,), "PR-AUC": (tags,)}; the macro average is `numpy.nanmean`.
    """
    judged = np.ones_like(has_tag) if judged is None else judged
    columns = [(tag[known], score[known]) for tag, score, known in zip(has_tag.T, scores.T, judged.T, strict=True)]
    defined = [0 < tag.sum() < len(tag) for tag, _ in columns]
    return {
        name: np.array(
            [auc(*column) if is_defined else np.nan for column, is_defined in zip(columns, defined, strict=True)]
        )
        for name, auc in auc_functions().items()
    }


def auc_functions() -> dict[str, Callable]:
    """scikit-learn's functions of (has_tag, scores), both (recordings,).

    Raises:
        MissingPackageError: scikit-learn is not installed.
    """
    with needs("AUC", "eval"):
        from sklearn.metrics import average_precision_score, roc_auc_score
    return {"ROC-AUC": roc_auc_score, "PR-AUC": average_precision_score}
