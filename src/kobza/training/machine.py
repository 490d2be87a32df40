"""What the machine gives each process of a run."""

import os

MAX_WORKERS = 16  # more than feed a card: see "A catalogue of 44 million tracks" in docs/research.md


def cores_of_process() -> int:
    """CPU cores for each process of a run on this machine, at least 1; launchers set LOCAL_WORLD_SIZE."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, cores // int(os.environ.get("LOCAL_WORLD_SIZE", "1")))


def loader_workers(has_accelerator: bool) -> int:
    """Processes that decode for a data loader: one for each further core, as many as can feed a GPU; none without a
    GPU, where the model needs all cores itself."""
    return max(1, min(cores_of_process() - 1, MAX_WORKERS)) if has_accelerator else 0
