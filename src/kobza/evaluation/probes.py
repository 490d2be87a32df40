"""Probes: how well labels or tags are read off frozen embeddings by a small classifier that is trained on them.

As in MARBLE (arXiv:2306.10548) and HEAR (arXiv:2203.03022): embeddings are standardised by the training split, a linear
classifier and one with a hidden layer are trained on it, the strength of regularisation is the one that is best on the
validation split, and the test split is measured once. The few-shot probe is a linear one on k random recordings of each
class (of each tag k with it and k without), repeated with other draws; having no validation, its strength is fixed.
"""

import warnings
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from kobza.evaluation.influence import class_influences, tag_influences
from kobza.evaluation.intervals import interval_of, rarer_recordings
from kobza.evaluation.metrics import tag_metrics

LINEAR_C = (0.001, 0.01, 0.1, 1.0, 10.0)  # inverse of the strength of regularisation
HIDDEN_ALPHA = (1e-4, 1e-2, 1.0)  # its strength
HIDDEN_UNITS = 512  # MARBLE's
FEW_SHOT_C = 1.0
DRAWS = 10  # of a few-shot probe
Scorer = Callable[[np.ndarray], np.ndarray]
Influences = dict[str, tuple[float, np.ndarray]]


class Examples:
    """Embeddings (n, dim) and what is to be read off them.

    Args:
        true: (n,) indices of the labels, or (n, tags) booleans.
        judged: (n, tags) booleans, of which it is known whether they have the tag; all by default.
    """

    def __init__(self, vectors: np.ndarray, true: np.ndarray, classes: int, judged: np.ndarray | None = None):
        self.vectors = vectors
        self.true = true
        self.classes = classes
        self.judged = np.ones_like(true, bool) if judged is None else judged

    @property
    def is_tagged(self) -> bool:
        return self.true.ndim == 2

    def measure(self, scores: np.ndarray) -> Influences:
        """{metric: (value, influence of each recording)} of scores (n, classes); the main metric is the last."""
        if self.is_tagged:
            return tag_influences(self.true, scores, self.judged)
        return class_influences(self.true, scores.argmax(axis=1), self.classes)

    def answers(self, scores: np.ndarray) -> list:
        """What two models are compared by: the class of each recording, or the ROC-AUC of each tag."""
        if self.is_tagged:
            return tag_metrics(self.true, scores, self.judged)["ROC-AUC"].tolist()
        return scores.argmax(axis=1).tolist()


def evaluate_probes(
    train: Examples, validation: Examples, test: Examples, shots: Sequence[int] = (), seed: int = 0
) -> tuple[list[dict], dict, dict[str, list]]:
    """Train and measure all probes.

    Returns:
        (entries with prompt (the probe's name), classes, metric, value, low, high; {probe: its regularisation}; {probe,
        but few-shot ones: `Examples.answers`})

    Raises:
        ValueError: scikit-learn is not installed, or the training split has fewer than two classes.
    """
    scaler = _standardizer(train.vectors)
    parts = [Examples(scaler(part.vectors), part.true, test.classes, part.judged) for part in (train, validation, test)]
    train, validation, test = parts
    entries = []
    details: dict[str, Any] = {}
    answers: dict[str, list] = {}
    probes = {"linear probe": [(value, lambda part, c=value: fit_linear(part, c)) for value in LINEAR_C]}
    if train.judged.all():  # the hidden layer's loss takes every tag of a recording
        probes["hidden-layer probe"] = [(v, lambda part, a=v: fit_hidden(part, a, seed)) for v in HIDDEN_ALPHA]
    for name, choices in probes.items():
        value, scorer = _best(choices, train, validation)
        scores = scorer(test.vectors)
        entries += _entries(name, test, [test.measure(scores)])
        answers[name] = test.answers(scores)
        details[name] = {"C" if name == "linear probe" else "alpha": value}
    for k in shots:
        repeats = []
        for draw in range(DRAWS):
            few = draw_few(train, k, np.random.default_rng([seed, k, draw]))
            repeats.append(test.measure(fit_linear(few, FEW_SHOT_C)(test.vectors)))
        entries += _entries(f"{k}-shot linear probe", test, repeats)
        details[f"{k}-shot linear probe"] = {"C": FEW_SHOT_C, "draws": DRAWS}
    return entries, details, answers


def _standardizer(vectors: np.ndarray) -> Scorer:
    mean = vectors.mean(axis=0)
    deviation = vectors.std(axis=0)
    scale = np.where(deviation > 1e-9, deviation, 1.0)
    return lambda other: (other - mean) / scale


def _best(choices: list[tuple[float, Callable]], train: Examples, validation: Examples) -> tuple[float, Scorer]:
    """The choice with the best main metric (accuracy or PR-AUC) on the validation split, the first of equal ones."""
    best: tuple[float, float, Scorer] | None = None
    for value, fit in choices:
        scorer = fit(train)
        *_, (score, _) = validation.measure(scorer(validation.vectors)).values()
        if best is None or score > best[0]:
            best = (score, value, scorer)
    assert best is not None
    return best[1], best[2]


def _entries(name: str, test: Examples, repeats: list[Influences]) -> list[dict]:
    """The mean of each metric over repeats, with the variance over their draws in its interval."""
    entries = []
    n = rarer_recordings(test.true, test.judged) if test.is_tagged else None
    for metric in repeats[0]:
        values = np.array([found[metric][0] for found in repeats])
        influence = np.mean([found[metric][1] for found in repeats], axis=0)
        variance = float(values.var(ddof=1) / len(values)) if len(values) > 1 else 0.0
        value = float(values.mean())
        low, high = interval_of(value, influence, variance=variance, n=n)
        bounds = {"metric": metric, "value": value, "low": low, "high": high}
        entries.append({"prompt": name, "classes": test.classes, **bounds})
    return entries


def draw_few(examples: Examples, k: int, rng: np.random.Generator) -> Examples:
    """k random examples of each class; of each tag k with it and k without. Of a class with fewer, all."""
    if not examples.is_tagged:
        groups = [np.flatnonzero(examples.true == label) for label in range(examples.classes)]
        chosen = np.concatenate([rng.permutation(group)[:k] for group in groups])
        return Examples(examples.vectors[chosen], examples.true[chosen], examples.classes)
    judged = np.zeros_like(examples.judged)
    for tag in range(examples.classes):
        known = examples.judged[:, tag]
        for group in (known & examples.true[:, tag], known & ~examples.true[:, tag]):
            judged[rng.permutation(np.flatnonzero(group))[:k], tag] = True
    return Examples(examples.vectors, examples.true, examples.classes, judged)


def fit_linear(train: Examples, c: float) -> Scorer:
    """A logistic regression; of tags, one for each. The scores of a class without examples are the lowest."""
    from sklearn.linear_model import LogisticRegression

    if not train.is_tagged:
        model = _fitted(LogisticRegression(C=c, max_iter=1000), train.vectors, train.true)
        return lambda vectors: _spread(model.predict_proba(vectors), model.classes_, train.classes)
    models = []
    for tag in range(train.classes):
        known = train.judged[:, tag]
        true = train.true[known, tag]
        is_learnable = 0 < true.sum() < len(true)
        regression = LogisticRegression(C=c, max_iter=1000)
        models.append(_fitted(regression, train.vectors[known], true) if is_learnable else None)

    def scores(vectors: np.ndarray) -> np.ndarray:
        columns = [np.zeros(len(vectors)) if model is None else model.decision_function(vectors) for model in models]
        return np.stack(columns, axis=1)

    return scores


def fit_hidden(train: Examples, alpha: float, seed: int) -> Scorer:
    """A classifier with one hidden layer, trained with Adam until its loss no longer falls."""
    from sklearn.neural_network import MLPClassifier

    layer = MLPClassifier((HIDDEN_UNITS,), alpha=alpha, max_iter=100, n_iter_no_change=5, random_state=seed)
    model = _fitted(layer, train.vectors, train.true.astype(int))
    if train.is_tagged:
        return lambda vectors: model.predict_proba(vectors).reshape(len(vectors), -1)
    return lambda vectors: _spread(model.predict_proba(vectors), model.classes_, train.classes)


def _fitted(model: Any, vectors: np.ndarray, true: np.ndarray) -> Any:
    if true.ndim == 1 and len(np.unique(true)) < 2:
        raise ValueError("The training split has recordings of one class only: a probe needs two or more.")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that it has not converged: what counts is the validation split
        return model.fit(vectors, true)


def _spread(probabilities: np.ndarray, known: np.ndarray, classes: int) -> np.ndarray:
    """(n, known classes) -> (n, classes), with -1 for a class that the training split lacks."""
    scores = np.full((len(probabilities), classes), -1.0)
    scores[:, known] = probabilities
    return scores
