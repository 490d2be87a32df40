"""Kaldi's log-mel filter bank as ONNX nodes: equal to `kobza.model.mel_kobza`, without torch.

Everything from a frame of samples to its spectrum is linear: the mean is taken away, the treble raised (pre-emphasis),
the window laid over, and Fourier's transform taken. So all of it is one matrix, and a frame's spectrum one product.
"""

import math

import numpy as np

from kobza.embedding.onnx_proto import Graph

EPSILON = float(np.finfo(np.float32).eps)  # Kaldi's floor under the mel energies
PREEMPHASIS = 0.97
LOWEST_HZ = 20.0
MAX_GAIN = 1000.0  # 60 dB, so that near-silence does not become loud noise


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


def spectrum_matrix(frame_length: int, fft_length: int) -> np.ndarray:
    """(frame_length, fft_length) float32: a frame times it is the real parts of the spectrum's fft_length / 2 lower
    bins, then the imaginary ones. Its rows are the steps of `mel_kobza.log_mel_of_frames` in float64."""
    size = frame_length
    centring = np.eye(size) - 1.0 / size
    emphasis = np.eye(size) - PREEMPHASIS * np.eye(size, k=1)  # columns are the results
    window = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(size) / (size - 1))
    angles = 2 * np.pi / fft_length * np.outer(np.arange(size), np.arange(fft_length // 2))
    fourier = np.concatenate([np.cos(angles), -np.sin(angles)], axis=1)
    matrix: np.ndarray = (centring @ emphasis * window) @ fourier
    return matrix.astype(np.float32)


def add_log_mel(graph: Graph, samples: str, settings: dict) -> str:
    """Nodes from samples (n, samples) float32 to the normalized log-mel (n, num_mel_bins, max_length).

    Args:
        settings: of the feature extractor, as processor_config.json has them.
    """
    rate = settings["sampling_rate"]
    frame_length, shift = rate * 25 // 1000, rate // 100
    fft_length = 1 << (frame_length - 1).bit_length()
    bins = fft_length // 2
    loudness = settings.get("window_loudness")
    if loudness is not None:
        power = graph.add("ReduceMean", graph.add("Mul", samples, samples), graph.constant([1]), keepdims=1)
        gain = graph.add("Div", graph.constant(10 ** (loudness / 20)), graph.add("Sqrt", power))
        samples = graph.add("Mul", samples, graph.add("Min", gain, graph.constant(MAX_GAIN)))
    frames = _frames(graph, samples, frame_length, shift)  # (n, frames, frame_length)
    spectrum = graph.add("MatMul", frames, graph.constant(spectrum_matrix(frame_length, fft_length)))
    squares = graph.add("Mul", spectrum, spectrum)
    real = graph.add("Slice", squares, graph.constant([0]), graph.constant([bins]), graph.constant([2]))
    imaginary = graph.add("Slice", squares, graph.constant([bins]), graph.constant([2 * bins]), graph.constant([2]))
    filters = mel_filters(settings["num_mel_bins"], rate, fft_length)
    power = graph.add("Add", real, imaginary)
    mel = graph.add("MatMul", power, graph.constant(filters))
    log_mel = graph.add("Log", graph.add("Max", mel, graph.constant(EPSILON)))
    mean, scale = settings["mean"], 2 * settings["std"]
    normalized = graph.add("Div", graph.add("Sub", log_mel, graph.constant(mean)), graph.constant(scale))
    missing = graph.add("Sub", graph.constant([settings["max_length"]]), _size(graph, normalized, 1))
    silence = float(-np.float32(mean) / np.float32(scale))
    pads = graph.add("Concat", graph.constant([0, 0, 0, 0]), missing, graph.constant([0]), axis=0)
    padded = graph.add("Pad", normalized, pads, graph.constant(np.array(silence, np.float32)))
    return graph.add("Transpose", padded, perm=[0, 2, 1])


def _size(graph: Graph, tensor: str, axis: int) -> str:
    """(1,) int64"""
    return graph.add("Shape", tensor, start=axis, end=axis + 1)


def _frames(graph: Graph, samples: str, length: int, shift: int) -> str:
    """(n, samples) -> (n, frames, length): the samples in rows of `shift`, of which a frame is a few neighbours."""
    parts = -(-length // shift)  # the last of them may be used in part
    spare = parts * shift - length
    size = _size(graph, samples, 1)
    count = graph.add("Div", graph.add("Sub", size, graph.constant([length - shift])), graph.constant([shift]))
    rows = graph.add("Add", count, graph.constant([parts - 1]))
    # rows * shift samples are needed; the last frame may end `spare` before, and whole frames leave others over
    needed = graph.add("Mul", rows, graph.constant([shift]))
    pads = graph.add("Concat", graph.constant([0, 0, 0]), graph.constant([spare]), axis=0)
    padded = graph.add("Pad", samples, pads) if spare else samples
    cut = graph.add("Slice", padded, graph.constant([0]), needed, graph.constant([1]))
    shape = graph.add("Concat", graph.constant([0]), rows, graph.constant([shift]), axis=0)
    table = graph.add("Reshape", cut, shape)
    one = graph.constant([1])
    shifted = [
        graph.add("Slice", table, graph.constant([i]), graph.add("Add", count, graph.constant([i])), one)
        for i in range(parts)
    ]
    if spare:
        shifted[-1] = graph.add(
            "Slice", shifted[-1], graph.constant([0]), graph.constant([shift - spare]), graph.constant([2])
        )
    return graph.add("Concat", *shifted, axis=2)
