"""A bank of negatives: embeddings of the last steps' pairs (Momentum Contrast, He et al. 2020, arXiv:1911.05722).

A batch is compared with keys: embeddings of its own pairs and of those of the last steps, made by a slow average of the
weights and without gradients. Plain embeddings of the last steps (cross-batch memory, arXiv:1912.06798) do harm where
both towers learn: each sentence and its recording escape together from where all were some steps ago, which lowers the
loss and teaches nothing (`python -m kobza.benchmarks.negatives`). An average's keys stay where they were.

All processes hold the same bank, because each has the embeddings of all; a checkpoint keeps it, so that a resumed run
goes on with it.
"""

from pathlib import Path
from typing import NamedTuple

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from kobza.training.weight_average import WeightAverage

FILE = "negatives_bank.safetensors"
KEY_DECAY = 0.995  # of the average that makes the keys, as ALBEF has it (arXiv:2107.07651)


class EmbeddedPairs(NamedTuple):
    """n pairs of sentence and recording."""

    text: Tensor  # (n, dim)
    audio: Tensor  # (n, dim)
    recordings: Tensor  # (n,): numbers, equal where pairs are of one recording
    captions: Tensor  # (n,): numbers, equal where pairs have the same sentence

    def joined(self, others: "EmbeddedPairs") -> "EmbeddedPairs":
        return EmbeddedPairs(*(torch.cat(both) for both in zip(self, others, strict=True)))

    def same(self, others: "EmbeddedPairs") -> Tensor:
        """(n, m) bool, whether two pairs have the recording or the caption in common."""
        recording = self.recordings[:, None] == others.recordings[None]
        return recording | (self.captions[:, None] == others.captions[None])


class NegativesBank:
    """Keys of the last pairs, oldest first, and the average that makes them.

    Args:
        size: how many are kept.
        model: whose weights are averaged.
    """

    def __init__(self, size: int, model: nn.Module):
        self.size = size
        self.average = WeightAverage(model, KEY_DECAY, grows=False)
        self.pairs: EmbeddedPairs | None = None

    def add(self, keys: EmbeddedPairs) -> EmbeddedPairs:
        """Keep a step's keys in place of the oldest. Returns these and then those that the bank held before."""
        old = self.pairs
        every = keys if old is None else old.joined(keys)
        self.pairs = EmbeddedPairs(*(value[-self.size :] for value in every))
        return keys if old is None else keys.joined(old)

    def save(self, folder: Path) -> None:
        """Write it into a checkpoint's folder."""
        rows = {} if self.pairs is None else self.pairs._asdict()
        rows = {name: value.cpu().contiguous() for name, value in rows.items()}
        save_file({**rows, **self.average.state()}, folder / FILE)

    def load(self, folder: Path, device: torch.device) -> None:
        """Read it from a checkpoint's folder."""
        rows = load_file(folder / FILE)
        self.pairs = EmbeddedPairs(*(rows[name].to(device) for name in EmbeddedPairs._fields))
        self.average.load_state(rows)
