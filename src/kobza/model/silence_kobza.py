"""Which windows of a recording have sound, and where the sound of each ends.

Silence has a vector like anything else, near that of no music in particular. A track with half an hour of silence
before its hidden last song would have the vector of silence, and a silent file would be a weak match of every
description. So windows without sound are left out, and silence at the end of a window is cut off, which makes the
window the same as if the recording ended there.

The level of a block of 100 ms is that of its samples without their mean (a constant is no sound), in dB relative to
full scale (dBFS, the root mean square; a sine of full scale has -3). Silence is a level below -60 dBFS that is also 45
dB below the loudest block so far: tape hiss between two songs, the inaudible end of a fade. In a recording that is
quiet as a whole only what is below -78 dBFS is silence: the dither of 16 bits lies at -96, an input that nothing is
connected to near -80, and real recordings that somebody exported 40 dB too low above. "So far", because a recording is
read as a stream, and whoever reads only its beginning must get the same windows.
"""

from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np

BLOCK_SECONDS = 0.1
SILENT_DBFS = -78.0  # below it is silence in any recording
QUIET_DBFS = -60.0  # above it is none in any
RANGE_DB = 45.0


def block_levels(samples: np.ndarray, sampling_rate: int) -> np.ndarray:
    """(samples,) -> (blocks,) dBFS; the last block of a window ends with it, and may overlap the one before. The mean
    of less than a block is counted, too, because what is as short as that has no other.

    >>> tone = np.sin(np.arange(1000.0))
    >>> block_levels(np.concatenate([tone, 1 + 0 * tone[:500]]), 5000).round(1).tolist()
    [-3.0, -3.0, -200.0]
    """
    size = _block_size(len(samples), sampling_rate)
    whole = len(samples) - len(samples) % size
    blocks = samples[:whole].reshape(-1, size)
    if whole < len(samples):
        blocks = np.concatenate([blocks, samples[None, -size:]])
    has_mean = len(samples) < BLOCK_SECONDS * sampling_rate
    with np.errstate(over="ignore", invalid="ignore"):
        power = _power(blocks.astype(np.float32, copy=False), has_mean)
    if not np.isfinite(power).all():  # beyond float32's range
        power = _power(blocks.astype(np.float64), has_mean)
    levels: np.ndarray = 10 * np.log10(power + 1e-20)
    return levels


def _power(blocks: np.ndarray, has_mean: bool) -> np.ndarray:
    """(blocks, samples) -> (blocks,) float64: the mean square, of samples without their mean unless that counts."""
    varying = blocks if has_mean else blocks - blocks.mean(axis=1, keepdims=True)
    power: np.ndarray = np.einsum("bs,bs->b", varying, varying).astype(np.float64) / blocks.shape[1]
    return power


def _block_size(samples: int, sampling_rate: int) -> int:
    return min(samples, max(2, round(BLOCK_SECONDS * sampling_rate)))


def windows_with_sound(windows: Iterable[Any], sampling_rate: int, min_samples: int) -> Iterator[Any | None]:
    """The windows of a recording in order, each without the silence at its end; None in place of a silent one.

    Args:
        windows: (samples,) arrays or tensors, none empty.
        min_samples: a window with less, once its end is cut off, is None too, unless it is the first with sound.

    >>> loud, silent = np.sin(np.arange(40.0)), np.zeros(40)
    >>> given = [silent, loud, silent, np.concatenate([loud, silent])]
    >>> [None if window is None else len(window) for window in windows_with_sound(given, 100, 1)]
    [None, 40, None, 40]
    """
    loudest = -np.inf
    is_first = True
    for window in windows:
        if getattr(window, "is_meta", False):  # has no samples, only a shape
            yield window
            continue
        samples = window.detach().cpu().numpy() if hasattr(window, "detach") else window
        levels = block_levels(samples, sampling_rate)
        loudest = max(loudest, float(levels.max()))
        loud = np.flatnonzero(levels >= max(SILENT_DBFS, min(QUIET_DBFS, loudest - RANGE_DB)))
        end = min(len(samples), (int(loud[-1]) + 1) * _block_size(len(samples), sampling_rate)) if len(loud) else 0
        if end and (is_first or end >= min_samples):
            is_first = False
            yield window[:end]
        else:
            yield None
