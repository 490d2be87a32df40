"""Kaldi's log-mel filter bank in numpy and ONNX nodes: equal to `kobza.model.mel_kobza`, without torch.

Fourier's transform is a product with a matrix: numpy's own takes longer, and ONNX Runtime's operators far longer. The
window is symmetric, so a frame's samples are folded about its centre first: sums meet cosines, differences meet sines,
half of the multiplications. What is linear lies in the matrices: the window, and taking away the frame's mean. Raising
the treble (pre-emphasis) can be done before the frames are cut, because the window ignores a frame's first sample.
"""

import math

import numpy as np
from numpy.lib.stride_tricks import as_strided

from kobza.embedding.onnx_proto import Graph

EPSILON = float(np.finfo(np.float32).eps)  # Kaldi's floor under the mel energies
PREEMPHASIS = 0.97
LOWEST_HZ = 20.0
MAX_GAIN = 1000.0  # 60 dB, so that near-silence does not become loud noise
FILTER_GROUPS = 3  # of neighbouring filters, each without the bins where it is 0: fewer multiplications


class Framing:
    """The numbers of a feature extractor's settings, as processor_config.json has them, that cut samples into frames.

    Attributes:
        length, shift: of a frame of 25 ms every 10 ms, in samples. The length must be even.
    """

    def __init__(self, settings: dict):
        rate = settings["sampling_rate"]
        self.length = rate * 25 // 1000
        self.shift = rate // 100
        self.loudness: float | None = settings["window_loudness"]

    @staticmethod
    def can_fold(sampling_rate: int) -> bool:
        """Whether a frame has an even number of samples, as at 16, 32 and 44.1 kHz."""
        return sampling_rate * 25 // 1000 % 2 == 0

    def count(self, samples: int) -> int:
        return (samples - self.length) // self.shift + 1

    def fold(self, samples: np.ndarray, sums: np.ndarray, differences: np.ndarray) -> None:
        """Bring a window to its loudness, cut it into frames and fold them, into existing memory: new memory takes
        longer than the arithmetic.

        Args:
            samples: (samples,) float32.
            sums: (frames, length / 2 + 1), written: each pair about the centre added, and the frame's mean.
            differences: (frames, length / 2), written: the pair's later one without the earlier one.
        """
        half, count = self.length // 2, len(sums)
        gain = np.float32(1.0 if self.loudness is None else loudness_gain(samples, self.loudness))
        treble = np.empty_like(samples)
        treble[0] = 0.0  # the window ignores it
        np.multiply(samples[:-1], -np.float32(PREEMPHASIS), out=treble[1:])
        treble[1:] += samples[1:]
        treble *= gain
        step = treble.itemsize
        frames = as_strided(treble, (count, self.length), (self.shift * step, step))
        later, earlier = frames[:, half:], frames[:, half - 1 :: -1]
        np.add(later, earlier, out=sums[:, :half])
        np.subtract(later, earlier, out=differences)
        block = math.gcd(self.length, self.shift)
        totals = samples[: len(samples) // block * block].reshape(-1, block).sum(axis=1)
        step *= self.shift // block
        blocks = as_strided(totals, (count, self.length // block), (step, totals.itemsize))
        np.multiply(blocks.sum(axis=1), gain / np.float32(self.length), out=sums[:, half])


def loudness_gain(samples: np.ndarray, loudness: float) -> float:
    """The factor that brings a window to a level in dB relative to full scale, at most `MAX_GAIN`.

    >>> loudness_gain(np.full(160, 0.5, np.float32), -20.0), loudness_gain(np.zeros(160, np.float32), -20.0)
    (0.2, 1000.0)
    """
    energy = float(np.einsum("s,s->", samples, samples))  # in one thread, which `dot` is not
    level = math.sqrt(energy / len(samples))
    return min(10 ** (loudness / 20) / level, MAX_GAIN) if level else MAX_GAIN


def mel_filters(num_mel_bins: int, sampling_rate: int, fft_length: int) -> np.ndarray:
    """Kaldi's triangular filters, (fft_length // 2, num_mel_bins) float32, from 20 Hz to half the sampling rate; the
    bin at half the sampling rate is left out. In float32 on purpose, see `mel_kobza.mel_filters`."""

    def mel(hertz: np.ndarray) -> np.ndarray:
        ratio = np.float32(1.0) + hertz / np.float32(700.0)
        return np.float32(1127.0) * np.log(ratio.astype(np.float64)).astype(np.float32)  # rounded as torch rounds

    lowest = 1127.0 * math.log(1.0 + LOWEST_HZ / 700.0)
    highest = 1127.0 * math.log(1.0 + sampling_rate / 2 / 700.0)
    step = np.float32((highest - lowest) / (num_mel_bins + 1))
    index = np.arange(num_mel_bins, dtype=np.float32)
    left, center, right = (np.float32(lowest) + (index + np.float32(k)) * step for k in (0, 1, 2))
    bins = mel(np.float32(sampling_rate / fft_length) * np.arange(fft_length // 2, dtype=np.float32))[:, None]
    rising = (bins - left) / (center - left)
    falling = (right - bins) / (right - center)
    filters: np.ndarray = np.maximum(np.minimum(rising, falling), 0)
    return filters


def spectrum_matrices(length: int, fft_length: int) -> tuple[np.ndarray, np.ndarray]:
    """What folded frames are multiplied by: cosines (length / 2 + 1, fft_length / 2), the last row for the mean, and
    sines (length / 2, fft_length / 2), float32. The two products are the real and the imaginary part of the spectrum
    but for a factor of length 1: it counts time from the frame's centre, between its two middle samples."""
    offsets = np.arange(length // 2) + 0.5
    window = 0.5 + 0.5 * np.cos(2 * np.pi * offsets / (length - 1))
    angles = 2 * np.pi / fft_length * np.outer(offsets, np.arange(fft_length // 2))
    cosines, sines = (window[:, None] * wave(angles) for wave in (np.cos, np.sin))
    mean = -2 * (1 - PREEMPHASIS) * cosines.sum(axis=0, keepdims=True)
    return np.concatenate([cosines, mean]).astype(np.float32), sines.astype(np.float32)


def add_log_mel(graph: Graph, sums: str, differences: str, settings: dict) -> str:
    """Nodes from `Framing.fold`'s two results, (n, frames, ...), to the normalized log-mel (n, num_mel_bins,
    max_length)."""
    rate, num_mel_bins = settings["sampling_rate"], settings["num_mel_bins"]
    length = Framing(settings).length
    fft_length = 1 << (length - 1).bit_length()
    cosines, sines = spectrum_matrices(length, fft_length)
    filters = mel_filters(num_mel_bins, rate, fft_length)
    groups = []
    for columns in np.array_split(np.arange(num_mel_bins), FILTER_GROUPS):
        covered = np.flatnonzero(filters[:, columns].sum(axis=1))
        bins = slice(covered[0], covered[-1] + 1) if len(covered) else slice(0, 1)
        real = graph.add("MatMul", sums, graph.constant(cosines[:, bins]))
        imaginary = graph.add("MatMul", differences, graph.constant(sines[:, bins]))
        power = graph.add("Add", graph.add("Mul", real, real), graph.add("Mul", imaginary, imaginary))
        groups.append(graph.add("MatMul", power, graph.constant(filters[bins, columns])))
    mel = graph.add("Concat", *groups, axis=2)
    log_mel = graph.add("Log", graph.add("Max", mel, graph.constant(EPSILON)))
    mean, scale = settings["mean"], 2 * settings["std"]
    normalized = graph.add("Div", graph.add("Sub", log_mel, graph.constant(mean)), graph.constant(scale))
    count = graph.add("Shape", normalized, start=1, end=2)
    missing = graph.add("Sub", graph.constant([settings["max_length"]]), count)
    pads = graph.add("Concat", graph.constant([0, 0, 0, 0]), missing, graph.constant([0]), axis=0)
    silence = np.array(-np.float32(mean) / np.float32(scale), np.float32)
    padded = graph.add("Pad", normalized, pads, graph.constant(silence))
    return graph.add("Transpose", padded, perm=[0, 2, 1])
