"""Batches from a data loader's workers, also where there is little shared memory.

PyTorch hands tensors over in /dev/shm, of which a container has 64 MB. A worker that finds no space there raises in a
background thread whose error nobody sees, and training waits for the lost batch for ever.
"""

from collections.abc import Callable, Sequence

import torch
from torch.utils.data import get_worker_info


class WorkerCollator:
    """`collate`, whose tensors leave a worker through a pipe, which is slower, where shared memory is full."""

    def __init__(self, collate: Callable[[Sequence], dict]):
        self.collate = collate

    def __call__(self, items: Sequence) -> dict:
        batch = self.collate(items)
        if get_worker_info() is None:
            return batch
        return {name: _transferable(value) if torch.is_tensor(value) else value for name, value in batch.items()}


class _PipedTensor:
    """Pickled as an array's bytes; unpickled by the other process as a tensor."""

    def __init__(self, tensor: torch.Tensor):
        self.array = tensor.numpy()

    def __reduce__(self):
        return torch.from_numpy, (self.array,)


def _transferable(tensor: torch.Tensor) -> "torch.Tensor | _PipedTensor":
    try:
        return tensor.share_memory_()
    except RuntimeError:  # shared memory is full
        return _PipedTensor(tensor)
