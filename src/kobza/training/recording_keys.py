"""Which pairs of a batch are captions of one recording, compared by numbers, which processes can exchange."""

from collections.abc import Sequence
from hashlib import sha256

import torch


def key_numbers(keys: Sequence[str]) -> torch.Tensor:
    """The recordings' keys as integers (n,): the first 56 bits of their SHA-256.

    >>> key_numbers(["a.flac", "b.flac", "a.flac"]).unique().numel()
    2
    """
    return torch.tensor([int.from_bytes(sha256(key.encode()).digest()[:7], "big") for key in keys])


def same_recording(numbers: torch.Tensor) -> torch.Tensor | None:
    """(n, n) bool, whether two pairs are of one recording; None if each is of another one, as losses expect it.

    >>> same_recording(torch.tensor([1, 2, 1])).int().tolist()
    [[1, 0, 1], [0, 1, 0], [1, 0, 1]]
    """
    if numbers.unique().numel() == numbers.numel():
        return None
    return numbers[:, None] == numbers[None]
