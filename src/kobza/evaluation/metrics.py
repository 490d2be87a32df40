"""Retrieval metrics as the thesis defines them: pure functions of ranks, which are counted from 0."""

import numpy as np


def ranks(similarity: np.ndarray) -> np.ndarray:
    """Rank of the right answer of each query: how many others score at least as much, so that a tie counts against.

    Args:
        similarity: (n, n), queries by answers; answer i belongs to query i.

    Returns:
        (n,) integers, 0 for the first place. A right answer that scores NaN comes last.
    """
    right = np.diag(similarity)[:, None]
    return (~(similarity < right)).sum(axis=1) - 1


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


def retrieval_metrics(similarity: np.ndarray) -> dict[str, float]:
    """All of the above for a similarity matrix (n, n), queries by answers."""
    found = ranks(similarity)
    recalls = {f"R@{k}": recall_at(found, k) for k in (1, 5, 10)}
    return {**recalls, "MeanR": mean_rank(found), "MedR": median_rank(found), "mAP10": map_at_10(found)}
