"""Batches from a data loader's workers, also where there is little shared memory.

PyTorch hands tensors over in /dev/shm, of which a container has 64 MB. A worker that finds no room raises in a thread
that nobody listens to, and training waits for the lost batch for ever.
"""

from collections.abc import Callable, Sequence

import torch
from torch.utils.data import get_worker_info


class WorkerCollator:
    """`collate`; its tensors leave a worker through a pipe, which is slower, where shared memory has no room."""

    def __init__(self, collate: Callable[[Sequence], dict]):
        self.collate = collate

    def __call__(self, items: Sequence) -> dict:
        batch = self.collate(items)
        if get_worker_info() is None:
            return batch
        return {name: _handed_over(value) if torch.is_tensor(value) else value for name, value in batch.items()}


class _Piped:
    """Is pickled as an array's bytes, and read by the other process as a tensor."""

    def __init__(self, tensor: torch.Tensor):
        self.array = tensor.numpy()

    def __reduce__(self):
        return torch.from_numpy, (self.array,)


def _handed_over(tensor: torch.Tensor) -> "torch.Tensor | _Piped":
    try:
        return tensor.share_memory_()
    except RuntimeError:  # there is no room
        return _Piped(tensor)
