"""Samples teacher logits conditioned on known labels.

The standardised logits of real recordings are modelled as a Gaussian. A known label is a noisy observation of one
logit; the others follow it as far as they are correlated with it (conditioning on noisy observations, as in kriging).
The rest keeps the variation that it has from recording to recording.
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import torch
from torch import Tensor


class LabelEvidence(NamedTuple):
    """What is known of one label's logit: `position` in multiples of a positive's logit, `noise` in deviations."""

    position: float
    noise: float


KnownLabels = Mapping[int, LabelEvidence]  # by label index

# Weight of the covariance that is derived from the teacher's last layer: the recordings are few for 527 labels.
CLASSIFIER_COVARIANCE_WEIGHT = 0.35
UNCONDITIONAL_SCALE = 0.6  # standard deviation of unconditional samples, relative to real recordings
# Bounds of a positive's standardised logit, in standard deviations.
MIN_POSITIVE_LOGIT, MAX_POSITIVE_LOGIT = 2.0, 4.0


class ConditionalLogitSampler:
    """Samples standardised logits.

    Args:
        logits: the teacher's logits of real recordings, (n, labels).
        classifier: weights of the teacher's last layer, (labels, hidden).
        positive_logits: standardised logits of positives, by label index, instead of the estimated ones.
    """

    def __init__(self, logits: Tensor, classifier: Tensor, positive_logits: Mapping[int, float] | None = None):
        logits = logits.double()
        classifier = classifier.double()
        self.mean = logits.mean(0)
        self.std = logits.std(0, correction=0).clamp_min(1e-4)
        real = (logits - self.mean) / self.std
        empirical = real.T @ real / len(real)
        similarity = classifier @ classifier.T
        norm = similarity.diagonal().sqrt().clamp_min(1e-8)
        weight = CLASSIFIER_COVARIANCE_WEIGHT
        self.covariance = (1 - weight) * empirical + weight * similarity / norm[:, None] / norm
        # If the teacher's probabilities were calibrated, this would be the mean logit of recordings with the label.
        probabilities = logits.sigmoid()
        mean_positive = (probabilities * logits).sum(0) / probabilities.sum(0)
        self.positive = ((mean_positive - self.mean) / self.std).clamp(MIN_POSITIVE_LOGIT, MAX_POSITIVE_LOGIT)
        for label, logit in (positive_logits or {}).items():
            self.positive[label] = logit
        self.real = real.float()
        ridge = 1e-4 * torch.eye(len(self.covariance), dtype=torch.double)
        self.root = torch.linalg.cholesky(self.covariance + ridge).float()

    def sample_unconditional(self, n: int, rng: torch.Generator) -> Tensor:
        """(n, labels): half of the rows are real recordings with noise, half are drawn from the covariance."""
        gaussian = torch.randn(n, len(self.root), generator=rng) @ self.root.T
        real = self.real[torch.randint(len(self.real), (n,), generator=rng)]
        use_gaussian = torch.rand(n, 1, generator=rng) < 0.5
        return UNCONDITIONAL_SCALE * torch.where(use_gaussian, gaussian, 0.9 * real + 0.3 * gaussian)

    def sample(self, known: Sequence[KnownLabels], copies: int, rng: torch.Generator) -> Tensor:
        """`copies` samples for each of n sets of known labels: (copies, n, labels), float16."""
        out = torch.empty(copies, len(known), len(self.root), dtype=torch.float16)
        for row, labels in enumerate(known):
            logits = self.sample_unconditional(copies, rng)
            if labels:
                index = torch.tensor(list(labels))
                positions, noise = torch.tensor(list(labels.values()), dtype=torch.double).unbind(1)
                observed_covariance = self.covariance[index][:, index] + noise.square().diag()
                gain = torch.linalg.solve(observed_covariance, self.covariance[index]).float()  # (known, labels)
                observed = positions * self.positive[index] + noise * torch.randn(copies, len(index), generator=rng)
                logits = logits + (observed.float() - logits[:, index]) @ gain
            out[:, row] = logits.half()
        return out
