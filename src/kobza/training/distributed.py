"""Every process's embeddings for every process, with gradients: the negatives of a batch are those of all processes.

Each of W processes has the whole loss L, so the gradients that come back to one process's embeddings add up to W dL;
DistributedDataParallel then divides each weight's gradient by W: what is left is that of one process with all pairs.
"""

import torch
import torch.distributed as dist
from torch.distributed._functional_collectives import all_gather_tensor_autograd


def gather(embeds: torch.Tensor) -> torch.Tensor:
    """(n, dim) of each process -> (processes * n, dim), the same in all, in the order of their ranks."""
    if not dist.is_initialized() or dist.get_world_size() == 1:
        return embeds
    return all_gather_tensor_autograd(embeds.contiguous(), gather_dim=0, group=dist.group.WORLD)
