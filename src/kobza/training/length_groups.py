"""Sentences of one batch encoded in groups of similar length, so that short ones are not padded to the longest.

A batch of 64 captions of 47 words on average has one of about 110; encoded together, more than half of the tokens are
padding. The batch itself stays as it was drawn, so its negatives, its loss and what a resumed run or another number of
processes sees do; only the random numbers of dropout are drawn in another order.
"""

from collections.abc import Callable

import torch
from torch import Tensor

MIN_GROUP_ROWS = 8  # fewer use a processor badly
MAX_GROUPS = 8  # on a GPU, each costs the launches of a tower
MIN_SAVING = 0.1  # of the tokens: small groups take longer than a large one of as many tokens


def encode_by_length(encode: Callable[[Tensor, Tensor], Tensor], tokens: Tensor, attention_mask: Tensor) -> Tensor:
    """What `encode(tokens, attention_mask)` returns, computed in groups of rows.

    Args:
        encode: one row of output (n, dim) for each row of input, whatever the others are and however it is padded.
        tokens: (n, length) or (n, length, width), padded behind.
        attention_mask: (n, length), 1 for a token, 0 for padding.

    >>> encode_by_length(lambda t, m: t.sum(1, keepdim=True), torch.tensor([[1, 2], [3, 0]]), torch.ones(2, 2)).tolist()
    [[3], [3]]
    """
    groups = min(MAX_GROUPS, len(tokens) // MIN_GROUP_ROWS)
    if groups < 2:
        return encode(tokens, attention_mask)
    lengths = attention_mask.sum(dim=1)
    order = torch.argsort(lengths, stable=True)
    parts = order.tensor_split(groups)
    longest = torch.stack([lengths[part[-1]] for part in parts]).long().tolist()  # one wait for the GPU, not one each
    kept = sum(n * len(part) for part, n in zip(parts, longest, strict=True))
    if kept > (1 - MIN_SAVING) * attention_mask.numel():
        return encode(tokens, attention_mask)
    encoded = [encode(tokens[part, :n], attention_mask[part, :n]) for part, n in zip(parts, longest, strict=True)]
    return torch.cat(encoded)[torch.argsort(order)]
