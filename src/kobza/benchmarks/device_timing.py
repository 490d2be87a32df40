"""Timing on a device: wait for the GPU before reading the clock. Also the windows that are timed."""

import itertools
import statistics
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch

from kobza.audio import load_audio
from kobza.model.feature_extraction_kobza import KobzaFeatureExtractor


def full_windows(folder: Path, count: int) -> list[np.ndarray]:
    """`count` windows of 10 s at 16 kHz from a folder's recordings, repeated if it has fewer."""
    extractor = KobzaFeatureExtractor()
    length = round(extractor.window_seconds * extractor.sampling_rate)
    waves = (wave for path in sorted(folder.iterdir()) for wave in extractor.split(load_audio(path)))
    full = (wave for wave in waves if len(wave) == length)  # decoded as they are needed
    return list(itertools.islice(itertools.cycle(full), count))


def pinned(waves: list[np.ndarray], device: str) -> torch.Tensor:
    """(windows, samples) in host memory; pinned where the device is a GPU, so that it copies them itself."""
    stacked = torch.from_numpy(np.stack(waves))
    return stacked.pin_memory() if torch.device(device).type == "cuda" else stacked


def synchronize(device: str) -> None:
    """Wait until the device has done all its work."""
    if torch.device(device).type == "cuda":
        torch.cuda.synchronize()


def median_seconds(function: Callable[[], object], device: str, rounds: int = 5) -> float:
    """Median seconds until the device has finished `function`; a first call warms up and is not counted."""
    times = []
    for _ in range(rounds + 1):
        synchronize(device)
        start = time.perf_counter()
        function()
        synchronize(device)
        times.append(time.perf_counter() - start)
    return statistics.median(times[1:])
