"""Heads: a tower's output to a vector of the space by pooling, projection, and the mean over a recording's windows."""

import torch
import torch.nn.functional as F
from torch import nn


class ResidualProjection(nn.Module):
    """A linear layer, then a second one with a skip connection around it."""

    def __init__(self, width: int, dim: int):
        super().__init__()
        self.linear1 = nn.Linear(width, dim)
        self.linear2 = nn.Linear(dim, dim)

    def forward(self, pooled: torch.Tensor) -> torch.Tensor:
        hidden = self.linear1(pooled)
        return hidden + self.linear2(F.gelu(hidden))


def build_projection(kind: str, width: int, dim: int) -> nn.Module:
    """A module from a tower's pooled output (n, width) to the space (n, dim); `kind` as in `KobzaConfig.projection`."""
    if kind == "mlp":
        return nn.Sequential(nn.Linear(width, width), nn.GELU(), nn.Linear(width, dim))
    if kind == "residual":
        return ResidualProjection(width, dim)
    return nn.Linear(width, dim)


def pool_tokens(tokens: torch.Tensor, mask: torch.Tensor, pooling: str) -> torch.Tensor:
    """Tokens (n, length, width) and their mask (n, length), 0 for padding -> (n, width)."""
    if pooling == "cls":
        return tokens[:, 0]
    mask = mask[:, :, None].to(torch.bool)
    if pooling == "max":
        return tokens.masked_fill(~mask, torch.finfo(tokens.dtype).min).amax(dim=1)
    return tokens.masked_fill(~mask, 0.0).sum(dim=1) / mask.sum(dim=1).clamp(min=1)


def mean_over_windows(embeds: torch.Tensor, counts: torch.Tensor) -> torch.Tensor:
    """(windows, dim) -> (recordings, dim), unit length; counts (recordings,) is the number of rows of each."""
    if not torch.compiler.is_compiling() and int(counts.sum()) != embeds.shape[0]:
        raise ValueError(
            f"window_counts adds up to {int(counts.sum())}, but input_values has {embeds.shape[0]} rows: pass both as "
            "the feature extractor returned them."
        )
    owners = torch.arange(counts.shape[0], device=counts.device)
    owners = owners.repeat_interleave(counts, output_size=embeds.shape[0])
    return F.normalize(embeds.new_zeros(counts.shape[0], embeds.shape[1]).index_add(0, owners, embeds), dim=-1)
