"""What a sanity check of an embedder comes to, and what the checks have in common."""

from dataclasses import dataclass

import numpy as np

MAX_BATCH_DIFFERENCE = 1e-4  # of a coordinate, batched against single: float32 sums in another order


@dataclass(frozen=True)
class CheckResult:
    """The outcome of one check.

    Attributes:
        value: the number that decided; None where there is nothing to measure.
        message: a sentence for the user.
    """

    name: str
    passed: bool
    value: float | None
    message: str


def unit(vectors: np.ndarray) -> np.ndarray:
    """Vectors of length 1 in the same directions, along the last axis.

    >>> unit(np.array([3.0, 4.0])).tolist()
    [0.6, 0.8]
    """
    return vectors / np.maximum(np.linalg.norm(vectors, axis=-1, keepdims=True), 1e-12)
