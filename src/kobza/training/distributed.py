"""Gathering embeddings over all processes, with gradients: a batch's negatives come from every process.

Each of W processes computes the whole loss L, so the gradients that reach one process's embeddings add up to W dL;
DistributedDataParallel then divides each weight's gradient by W, which leaves that of one process with all pairs.
"""

from typing import Any

import torch
import torch.distributed as dist
from torch.distributed._functional_collectives import all_gather_tensor_autograd


def all_gather_with_grad(embeds: torch.Tensor) -> torch.Tensor:
    """(n, dim) in each process -> (processes * n, dim), the same in all of them, in order of rank."""
    if not dist.is_initialized() or dist.get_world_size() == 1:
        return embeds
    world: Any = dist.group.WORLD  # not None once torch.distributed is initialized
    return all_gather_tensor_autograd(embeds.contiguous(), gather_dim=0, group=world)
