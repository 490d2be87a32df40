"""The influence of each recording on a metric: the metric's derivative by the recording's weight, all weights being 1.

Influences add up to 0, because the metrics do not change when all weights do. Recordings that stand in the same place
(a cell of a confusion matrix) have the same influence.
"""

import numpy as np

from kobza.evaluation.metrics import accuracy, confusion_matrix, macro_f1

# Makes the intervals hold 94 to 97 % for 1 to 40 tags of 1 to 75 positives: tests/evaluation/test_coverage.py
PRIOR_POSITIVES = 0.25


def mean_influence(values: np.ndarray) -> np.ndarray:
    """Of a mean: (n,) -> (n,).

    >>> mean_influence(np.array([1, 0, 0, 1])).tolist()
    [0.125, -0.125, -0.125, 0.125]
    """
    values = np.asarray(values, float)
    return (values - values.mean()) / len(values)


def accuracy_influence(confusion: np.ndarray) -> np.ndarray:
    """Of accuracy: (classes, classes), for a recording in each cell of the matrix, true by predicted."""
    total = confusion.sum()
    return (np.eye(len(confusion)) - np.trace(confusion) / total) / total


def f1_influence(confusion: np.ndarray) -> np.ndarray:
    """Of macro F1 (see `metrics.macro_f1`): (classes, classes), for a recording in each cell.

    A recording of class t that is taken for p counts in the denominators of both; where t = p, twice, and in the
    numerator 2 TP.
    """
    denominator = (confusion.sum(axis=0) + confusion.sum(axis=1)).astype(float)
    known = denominator > 0
    scale = np.divide(1.0, denominator, out=np.zeros_like(denominator), where=known)
    f1 = 2.0 * np.diagonal(confusion) * scale
    loss = f1 * scale  # what one more in the denominator takes away
    change = -(loss[:, None] + loss[None, :]) + np.diag(2.0 * scale)
    return change / known.sum()


def auc_influences(has_tag: np.ndarray, scores: np.ndarray) -> dict[str, tuple[float, np.ndarray]]:
    """(value, influences (recordings,)) of ROC-AUC and PR-AUC (average precision) of one tag.

    With P positives and N negatives, ROC-AUC is the mean over positives of the fraction of negatives below (ties count
    half), and as well the mean over negatives of the fraction of positives above. Average precision is the mean over
    positives of hits / retrieved, counted down to each one's score.
    """
    order = np.argsort(-scores, kind="stable")
    positive = has_tag[order].astype(float)
    descending = -scores[order]
    first = np.searchsorted(descending, descending, "left")  # how many score higher
    last = np.searchsorted(descending, descending, "right")  # how many at least as high
    hits_until = np.concatenate([[0.0], np.cumsum(positive)])
    positives = hits_until[-1]
    negatives = len(scores) - positives
    hits = hits_until[last]
    positives_above = (hits_until[first] + hits) / 2
    negatives_above = (first + last) / 2 - positives_above
    # For a positive the fraction of negatives below it, for a negative that of positives above it
    place = np.where(positive > 0, 1 - negatives_above / negatives, positives_above / positives)
    roc = float((place * positive).sum() / positives)
    roc_change = (place - roc) / np.where(positive > 0, positives, negatives)

    precision = hits / last
    average = float((precision * positive).sum() / positives)
    # One more retrieved at a score lowers the precision of every positive from there down; one more hit raises it
    more_retrieved = _sums_from(positive * hits / last**2, first)
    more_hits = _sums_from(positive / last, first)
    gained = np.where(positive > 0, precision - average + more_hits, 0.0) - more_retrieved
    changes = {"ROC-AUC": (roc, roc_change), "PR-AUC": (average, gained / positives)}
    influences = {}
    for name, (value, change) in changes.items():
        influence = np.empty(len(scores))
        influence[order] = change
        influences[name] = (value, influence)
    return influences


def _sums_from(values: np.ndarray, start: np.ndarray) -> np.ndarray:
    """The sum of the values from each start to the end.

    >>> _sums_from(np.array([1.0, 2.0, 4.0]), np.array([0, 1, 1])).tolist()
    [7.0, 6.0, 6.0]
    """
    return np.concatenate([np.cumsum(values[::-1])[::-1], [0.0]])[start]


def class_influences(true: np.ndarray, predicted: np.ndarray, classes: int) -> dict[str, tuple[float, np.ndarray]]:
    """(value, influences (recordings,)) of F1 and accuracy; `true` and `predicted` are (recordings,) class indices."""
    confusion = confusion_matrix(true, predicted, classes)
    return {
        "F1": (float(macro_f1(confusion)), f1_influence(confusion)[true, predicted]),
        "accuracy": (float(accuracy(confusion)), accuracy_influence(confusion)[true, predicted]),
    }


def tag_influences(
    has_tag: np.ndarray, scores: np.ndarray, judged: np.ndarray | None = None
) -> dict[str, tuple[float, np.ndarray]]:
    """(value, influences (recordings,)) of the macro ROC-AUC and PR-AUC; the arguments are those of `tag_metrics`.

    The influences of P positives are scaled by sqrt(P / (P - 1)), as a sample's variance is, and so are those of the
    negatives: a tag may have few of them. On ROC-AUC the variance of the positives is steadied: see
    `_steady_positives`.
    """
    judged = np.ones_like(has_tag) if judged is None else judged
    values: dict[str, list[float]] = {"ROC-AUC": [], "PR-AUC": []}
    totals = {name: np.zeros(len(has_tag)) for name in values}
    positives: list[tuple[np.ndarray, np.ndarray]] = []
    for tagged, score, known in zip(has_tag.T, scores.T, judged.T, strict=True):
        present = tagged[known]
        count = int(present.sum())
        if not 0 < count < len(present):
            continue
        counts = np.where(present, count, len(present) - count)
        scale = np.sqrt(counts / np.maximum(counts - 1, 1))
        for name, (value, influence) in auc_influences(present, score[known]).items():
            values[name].append(value)
            if name == "ROC-AUC":
                positives.append((np.flatnonzero(tagged & known), influence[present]))
                influence = np.where(present, 0.0, influence)
            totals[name][known] += scale * influence
    if positives:
        for (recordings, _), steady in zip(positives, _steady_positives(positives, values["ROC-AUC"]), strict=True):
            totals["ROC-AUC"][recordings] += steady
    return {
        name: (float(np.mean(tags)) if tags else float("nan"), totals[name] / max(len(tags), 1))
        for name, tags in values.items()
    }


def _steady_positives(positives: list[tuple[np.ndarray, np.ndarray]], aucs: list[float]) -> list[np.ndarray]:
    """The influences on ROC-AUC of each tag's positives, such that few of them are not certain by luck.

    The positives of a tag lie somewhere among the negatives; where the few that there are happen to lie close together,
    their variance is far too small, and most often where the AUC is too high. So all tags together get
    `PRIOR_POSITIVES` more observations, of the largest variance that a mean between 0 and 1 permits. The only positive
    of a tag says nothing of how far others would lie from it: it gets the variance of all tags' positives.
    """
    places = [influence * len(influence) for _, influence in positives]  # each positive's distance from the mean
    squares = [float((place**2).sum()) for place in places]
    largest = float(np.mean(aucs) * (1 - np.mean(aucs)))
    degrees = sum(len(place) - 1 for place in places)
    pooled = (sum(squares) + PRIOR_POSITIVES * largest) / (degrees + PRIOR_POSITIVES)
    prior = PRIOR_POSITIVES / len(places)
    steady = []
    for place, square in zip(places, squares, strict=True):
        n = len(place)
        variance = pooled if n == 1 else (square + prior * largest) / (n - 1 + prior)
        # scaled to that variance; without any of their own, all alike
        steady.append(place * np.sqrt(variance / (n * square)) if square > 0 else np.full(n, np.sqrt(variance) / n))
    return steady
