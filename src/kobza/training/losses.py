"""What a step minimises: one of the losses of `loss_kobza`, or a weighted sum of several; and with a bank of negatives.

    logits.text     sentences (n)  x  keys of recordings: (n) of the batch, (m) of the bank
    logits.audio    recordings (n) x  keys of sentences:  (n) of the batch, (m) of the bank

The bank (`negatives_bank.py`) adds columns and no rows. So each loss against keys is, of the loss over the batch and
the bank together, the part that concerns the batch's pairs.
"""

import re
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from kobza.model.loss_kobza import LOSSES


class KeyLogits(NamedTuple):
    """A batch of n pairs against n + m keys: their own, which are the diagonal, then those of the bank."""

    text: Tensor  # (n, n + m): the batch's sentences against the keys of recordings
    audio: Tensor  # (n, n + m): the batch's recordings against the keys of sentences
    same: Tensor  # (n, n + m), bool: whether both are of one recording, or have one caption; those are left out


def loss_weights(given: Sequence[str]) -> dict[str, float]:
    """The weights of losses, each written as NAME or NAME:WEIGHT.

    Raises:
        ValueError: one is unknown, or named twice, or its weight is not above 0.

    >>> loss_weights(["clip"]), loss_weights(["clip:1", "siglip:0.5"])
    ({'clip': 1.0}, {'clip': 1.0, 'siglip': 0.5})
    """
    weights: dict[str, float] = {}
    for text in given:
        match = re.fullmatch(rf"({'|'.join(LOSSES)})(?::(\d*\.?\d+))?", text)
        if match is None or match[1] in weights or float(match[2] or 1) == 0:
            raise ValueError(
                f"--loss_type {' '.join(given)} is not a sum of losses: give one of {', '.join(LOSSES)}, or several, "
                "each once, with weights above 0: clip:1 siglip:0.5."
            )
        weights[match[1]] = float(match[2] or 1)
    return weights


def config_loss_type(weights: Mapping[str, float]) -> str:
    """The `loss_type` of a model that is trained with these losses: siglip if it is one of them, because that model has
    the bias which siglip needs; to the other losses, a bias added to all logits makes no difference.

    >>> config_loss_type({"clip": 1.0, "siglip": 0.5})
    'siglip'
    """
    return "siglip" if "siglip" in weights else next(iter(weights))


def weighted_loss(weights: Mapping[str, float], logits: Tensor, same: Tensor | None = None) -> Tensor:
    """The sum of weighted losses; `logits` and `same`, (n, n), are as for the losses of `loss_kobza`."""
    return torch.stack([weight * LOSSES[name](logits, same) for name, weight in weights.items()]).sum()


def weighted_key_loss(weights: Mapping[str, float], logits: KeyLogits) -> Tensor:
    """`weighted_loss` of a batch against keys."""
    n = len(logits.text)
    itself = torch.eye(n, logits.text.shape[1], dtype=torch.bool, device=logits.text.device)
    text, audio = (part.masked_fill(logits.same & ~itself, -torch.inf) for part in logits[:2])
    return torch.stack([weight * KEY_LOSSES[name](text, audio, itself) for name, weight in weights.items()]).sum()


def clip_key_loss(text: Tensor, audio: Tensor, itself: Tensor) -> Tensor:
    """`clip_loss`, each sentence against all recordings and each recording against all sentences."""
    targets = torch.arange(len(text), device=text.device)
    return (F.cross_entropy(text, targets) + F.cross_entropy(audio, targets)) / 2


def mulan_key_loss(text: Tensor, audio: Tensor, itself: Tensor) -> Tensor:
    """`mulan_loss`, with all keys but the pair's own in the denominator."""
    others = torch.cat([part.masked_fill(itself, -torch.inf) for part in (text, audio)], 1).logsumexp(1)
    return (others - (text.diagonal() + audio.diagonal()) / 2).mean()


def siglip_key_loss(text: Tensor, audio: Tensor, itself: Tensor) -> Tensor:
    """`siglip_loss`, and all cells against the bank as negatives. The batch's cells are in both matrices."""
    n, signs = len(text), 2 * itself.to(text.dtype) - 1
    cells = F.logsigmoid(signs * text) + F.logsigmoid(signs * audio)
    return -(cells[:, :n].sum() / 2 + cells[:, n:].sum()) / n


KEY_LOSSES = {"clip": clip_key_loss, "mulan": mulan_key_loss, "siglip": siglip_key_loss}
