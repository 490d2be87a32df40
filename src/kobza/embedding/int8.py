"""Products of attention layers in 8-bit integers: twice as fast where a CPU has instructions for them.

Weights get a scale for each column, activations one for each window, found as it is computed (ONNX Runtime's
`DynamicQuantizeMatMul`), so nothing has to be calibrated. What costs precision is the input of a layer's last product:
a few of its channels are far larger than the rest. They are made smaller, and the weights that meet them larger, as in
SmoothQuant (Xiao et al. 2023, arXiv 2211.10438), by how large the layer's first weights let them become.
"""

import platform
from pathlib import Path

import numpy as np

SMOOTHING = 0.7  # the power of a channel's size; of .5 to 1 the one whose vectors are nearest to float32's
DEVIATIONS = 4.0  # a channel's size is its input's mean and so many standard deviations
LEAST_SIZE = 0.17  # of GELU's output: its lowest value is -.17


def has_int8_instructions() -> bool:
    """Whether the CPU multiplies and adds 8-bit integers exactly in one instruction: VNNI, or Arm's dot product. Older
    x86 CPUs do so with 16-bit sums, which overflow, and gain little: they stay with float32."""
    return has_instructions(x86=("avx512_vnni", "avx_vnni"), arm=("asimddp",))


def has_instructions(x86: tuple[str, ...], arm: tuple[str, ...]) -> bool:
    """Whether the CPU has one of these extensions, under Linux's names; False where they are not known."""
    machine = platform.machine().lower()
    if machine == "arm64":  # all of Apple's
        return True
    try:
        words = Path("/proc/cpuinfo").read_text(encoding="utf-8").split()
    except OSError:
        return False
    return any(name in words for name in (arm if machine == "aarch64" else x86))


def quantize_columns(matrix: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(k, n) float32 -> (k, n) int8 and the scale of each column, (n,) float32.

    >>> quantized, scales = quantize_columns(np.array([[1.0, 0.0], [-2.0, 0.0]]))
    >>> quantized.tolist(), scales.round(4).tolist()
    ([[64, 0], [-127, 0]], [0.015699999406933784, 1.0])
    """
    scales = np.abs(matrix).max(axis=0) / 127
    scales = np.where(scales > 0, scales, 1.0).astype(np.float32)
    return np.rint(matrix / scales).astype(np.int8), scales


def smoothing_factors(
    norm_scale: np.ndarray, norm_bias: np.ndarray, weight: np.ndarray, bias: np.ndarray, next_weight: np.ndarray
) -> np.ndarray:
    """What each channel between a layer's two last products is divided by, (channels,) float32.

    Args:
        norm_scale, norm_bias: (width,), of the normalization before, whose output has mean 0 and deviation 1 otherwise.
        weight, bias: (channels, width) and (channels,), of the first product. next_weight: (width, channels).
    """
    mean = weight @ norm_bias + bias
    deviation = np.linalg.norm(weight * norm_scale, axis=1)
    size = np.maximum(mean + DEVIATIONS * deviation, LEAST_SIZE)
    factors = size**SMOOTHING / np.maximum(np.abs(next_weight).max(axis=0), 1e-6) ** (1 - SMOOTHING)
    mean_factor = np.exp(np.log(factors).mean())
    smoothed: np.ndarray = (factors / mean_factor).astype(np.float32)
    return smoothed
