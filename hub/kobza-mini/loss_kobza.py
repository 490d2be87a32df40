"""Contrastive losses over a batch of sentence-recording pairs, as pure functions of the similarity matrix.

Every loss takes `logits` of shape (n, n), cosines times the logit scale: row i is sentence i, column j is recording j,
the pairs are on the diagonal. Every loss returns a scalar, is computed from log-sum-exp, so that large scales do not
overflow, and counts both directions: a sentence against other recordings and a recording against other sentences.

`same`, where it is given, is boolean (n, n): whether sentence i also describes recording j, because both pairs are of
one recording. Such a cell is neither a pair nor a negative: it is left out. (Without that, k captions of a recording
are each other's negatives, and the CLIP loss of perfect pairs is log k instead of 0.)
"""

import math

import torch
import torch.nn.functional as F


def logit_scale(temperature: float, form: str) -> float:
    """The factor s that multiplies the cosines, from the temperature tau.

    Args:
        temperature: tau.
        form: "exp", s = e^tau (CLIP's pseudo-code multiplies the cosines by exp(t)); or "inverse", s = 1 / tau (MuLan:
            h = exp(a.b / tau)).
    """
    return math.exp(temperature) if form == "exp" else 1.0 / temperature


def without_same(logits: torch.Tensor, same: torch.Tensor | None) -> torch.Tensor:
    """The logits with -inf, which weighs nothing among negatives, in the cells of `same` beside the diagonal."""
    if same is None:
        return logits
    itself = torch.eye(logits.shape[0], dtype=torch.bool, device=logits.device)
    return logits.masked_fill(same & ~itself, -torch.inf)


def clip_loss(logits: torch.Tensor, same: torch.Tensor | None = None) -> torch.Tensor:
    """Symmetric cross-entropy (CLIP, Radford et al. 2021, arXiv 2103.00020): the mean of the classification losses over
    rows (which recording belongs to sentence i) and over columns (which sentence belongs to recording j)."""
    logits = without_same(logits, same)
    targets = torch.arange(logits.shape[0], device=logits.device)
    return (F.cross_entropy(logits, targets) + F.cross_entropy(logits.t(), targets)) / 2


def mulan_loss(logits: torch.Tensor, same: torch.Tensor | None = None) -> torch.Tensor:
    """Contrastive multiview coding (MuLan, Huang et al. 2022, arXiv 2208.12415; the thesis's formula 1.1):

        -log( h(t_i, a_i) / sum over j != i of [ h(t_i, a_j) + h(t_j, a_i) ] ),   h = exp(logit),

    averaged over i (the thesis sums, which only scales the learning rate with the batch). Unlike in CLIP's loss the
    pair itself is not in the denominator, so the loss may fall below 0 and needs at least two pairs.
    """
    n = logits.shape[0]
    if n < 2:
        raise ValueError(
            f"The mulan loss compares a pair with others, but the batch has {n}: use a batch of 2 or more."
        )
    if same is not None and bool(same.all()):
        raise ValueError(
            f"The mulan loss compares a pair with other recordings, but all {n} pairs of the batch are of one "
            "recording: use larger batches."
        )
    itself = torch.eye(n, dtype=torch.bool, device=logits.device)
    others = logits.masked_fill(itself if same is None else itself | same, -torch.inf)
    both_ways = torch.cat([others, others.t()], dim=1)  # (n, 2n): row i is all (t_i, a_j), then all (t_j, a_i)
    return (torch.logsumexp(both_ways, dim=1) - logits.diagonal()).mean()


def siglip_loss(logits: torch.Tensor, same: torch.Tensor | None = None) -> torch.Tensor:
    """Pairwise sigmoid loss (SigLIP, Zhai et al. 2023, arXiv 2303.15343): a binary classification of each of the n^2
    cells, summed and divided by n. `logits` must include the learned bias (initially -10), without which the n^2 - n
    negatives outweigh the n positives."""
    n = logits.shape[0]
    logits = without_same(logits, same)
    signs = 2 * torch.eye(n, dtype=logits.dtype, device=logits.device) - 1  # 1 on the diagonal, -1 elsewhere
    return -F.logsigmoid(signs * logits).sum() / n


LOSSES = {"clip": clip_loss, "mulan": mulan_loss, "siglip": siglip_loss}
