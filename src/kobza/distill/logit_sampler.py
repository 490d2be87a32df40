"""Sounds that nobody played: what the teacher might have said of a recording of which only some labels are known.

Standardised logits of real sounds are taken for Gaussian. A label that is known moves its logit to where the teacher's
positives lie, and the others after it, as far as they are correlated (conditioning of a Gaussian on noisy values, as
in kriging). Everything else varies as it does from recording to recording.
"""

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

Known = Mapping[int, tuple[float, float]]  # label -> its place as a share of a positive's, and the doubt, in deviations
GEOMETRY = 0.35  # share of the covariance that is read off the teacher's last layer: there are few sounds, 527 labels
OTHERS = 0.6  # how much of the variation of real sounds is left in imagined ones
LOWEST, HIGHEST = 2.0, 4.0  # deviations between which a positive lies


class Imagined:
    """Draws standardised logits.

    Args:
        logits: the teacher's, of sounds at hand, (n, labels).
        head: the teacher's last layer, (labels, hidden).
    """

    def __init__(self, logits: Tensor, head: Tensor):
        logits, head = logits.double(), head.double()
        self.mean = logits.mean(0)
        self.std = logits.std(0, correction=0).clamp_min(1e-4)
        real = (logits - self.mean) / self.std
        alike = head @ head.T
        size = alike.diagonal().sqrt().clamp_min(1e-8)
        self.covariance = (1 - GEOMETRY) * real.T @ real / len(real) + GEOMETRY * alike / size[:, None] / size
        # Were the teacher's probabilities true, this would be the mean logit of recordings that have the label.
        odds = logits.sigmoid()
        self.positive = (((odds * logits).sum(0) / odds.sum(0) - self.mean) / self.std).clamp(LOWEST, HIGHEST)
        self.real = real.float()
        ridge = 1e-4 * torch.eye(len(self.covariance), dtype=torch.double)
        self.root = torch.linalg.cholesky(self.covariance + ridge).float()

    def others(self, n: int, rng: torch.Generator) -> Tensor:
        """(n, labels) of which nothing is known: half of them real sounds, blurred, half made by the covariance."""
        made = torch.randn(n, len(self.root), generator=rng) @ self.root.T
        real = self.real[torch.randint(len(self.real), (n,), generator=rng)]
        return OTHERS * torch.where(torch.rand(n, 1, generator=rng) < 0.5, made, 0.9 * real + 0.3 * made)

    def draw(self, known: Sequence[Known], copies: int, rng: torch.Generator) -> Tensor:
        """`copies` sounds for each of n descriptions: (copies, n, labels), float16."""
        out = torch.empty(copies, len(known), len(self.root), dtype=torch.float16)
        for number, labels in enumerate(known):
            sound = self.others(copies, rng)
            if labels:
                at = torch.tensor(list(labels))
                places, doubts = torch.tensor(list(labels.values()), dtype=torch.double).unbind(1)
                among = self.covariance[at][:, at] + doubts.square().diag()
                gain = torch.linalg.solve(among, self.covariance[at]).float()  # (known, labels)
                said = places * self.positive[at] + doubts * torch.randn(copies, len(at), generator=rng)
                sound = sound + (said.float() - sound[:, at]) @ gain
            out[:, number] = sound.half()
        return out
