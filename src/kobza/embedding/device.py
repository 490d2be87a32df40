"""Whether a model is to run on a GPU, found out before torch is imported, which takes seconds."""

import os
from importlib.util import find_spec
from pathlib import Path

# Files that the drivers of GPUs make: NVIDIA's, the same in Windows' Linux, AMD's
GPU_FILES = ("/dev/nvidiactl", "/dev/dxg", "/dev/kfd")


def is_torch_wanted(device: str | None) -> bool:
    """Whether a device is asked for that only torch computes on; for None, whether there is a GPU that it can use.

    >>> is_torch_wanted("cpu"), is_torch_wanted("cuda")
    (False, True)
    """
    if device is not None:
        return device != "cpu"
    hidden = os.environ.get("CUDA_VISIBLE_DEVICES") in ("", "-1")
    if hidden or not any(Path(file).exists() for file in GPU_FILES) or find_spec("torch") is None:
        return False
    import torch

    return torch.cuda.is_available()
