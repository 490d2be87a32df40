"""Downmix of channels to mono in which no recording cancels itself out.

The mean of the channels is what listeners of one loudspeaker hear, and the usual downmix. It is silence where one
channel is the negative of another (a cable or microphone wired the wrong way round, widened synthesizers, matrixed
surround). So a channel that is opposite in phase to the loudest one is turned round before the mean is taken. Second by
second, a channel's weight falls from 1 over 0 to -1 while its correlation with the loudest falls from -0.3 to -0.7:
stereo is seldom below 0. Where no correlation is below -0.3 the result is the mean, bit for bit.

There are two correlations, that of the samples and that of their differences, which weighs the treble: bass that is in
phase would otherwise hide that everything above it cancels. Where only one of them is low, the channel's weight does
not fall below 0: it is left out rather than turned, since the loudest channel has both the bass and the rest.
"""

import math

import numpy as np

MEAN_ABOVE, TURNED_BELOW = -0.3, -0.7  # correlation with the loudest channel
BLOCK_SECONDS = 1  # each has its own weights
LEAST_BLOCK_SECONDS = 0.25  # a shorter one, at the end, keeps the weights: its correlation says little
FADE_SECONDS = 0.02  # from the weights of one block to those of the next, without a click
REFERENCE_SHARE = 0.5  # of the largest power: the first channel above it counts as the loudest


def channel_weights(channels: np.ndarray, previous: np.ndarray) -> np.ndarray:
    """(channels, samples) -> (channels,) from -1 to 1. A silent channel keeps its `previous` weight.

    >>> tone = np.sin(np.arange(800.0))
    >>> channel_weights(np.stack([tone, -0.5 * tone, tone]), np.ones(3)).tolist()
    [1.0, -1.0, 1.0]
    """
    with np.errstate(invalid="ignore", over="ignore"):  # whoever decodes refuses samples that are not finite
        pairs = list(zip(_weights(channels), _weights(np.diff(channels, axis=1)), strict=True))
    weights = [max(min(pair), min(max(pair), 0.0)) for pair in pairs]
    return np.array([new if row.any() else old for new, old, row in zip(weights, previous, channels, strict=True)])


def _weights(signal: np.ndarray) -> list[float]:
    """(channels, samples) -> the weight of each channel, by its correlation with the loudest. In Python's numbers: for
    two channels numpy's own cost would be the most of it."""
    power = [_product(row, row) for row in signal]
    if not all(map(math.isfinite, power)):  # beyond float32's range
        signal = signal.astype(np.float64)
        power = [_product(row, row) for row in signal]
    loudest = max(power)
    reference = next((i for i, own in enumerate(power) if own >= REFERENCE_SHARE * loudest), 0)
    weights = []
    for i, own in enumerate(power):
        scale = math.sqrt(own) * math.sqrt(power[reference])
        correlation = _product(signal[i], signal[reference]) / scale if scale > 0 and i != reference else 1.0
        weights.append(min(1.0, max(-1.0, 1 - 2 * (MEAN_ABOVE - correlation) / (MEAN_ABOVE - TURNED_BELOW))))
    return weights


def _product(row: np.ndarray, other: np.ndarray) -> float:
    """`einsum`, because the last digits of `dot` depend on how many threads it has."""
    return float(np.einsum("s,s->", row, other))


class Downmixer:
    """Mixes a stream of blocks; the same stream gives the same samples, however it is used.

    Args:
        sampling_rate: of the samples, Hz.
    """

    def __init__(self, sampling_rate: int) -> None:
        self.sampling_rate = sampling_rate
        self.weights: np.ndarray | None = None  # of the previous block

    def mix(self, block: np.ndarray) -> np.ndarray:
        """(channels, samples) float32, of `BLOCK_SECONDS` or at the end less -> (samples,) float32."""
        mixed: np.ndarray
        if len(block) == 1:
            mixed = block[0]
            return mixed
        samples = block.shape[1]
        before = np.ones(len(block)) if self.weights is None else self.weights
        if self.weights is None or samples >= LEAST_BLOCK_SECONDS * self.sampling_rate:
            after = channel_weights(block, before)
        else:
            after = before
        before = after if self.weights is None else before
        self.weights = after
        if (before == 1).all() and (after == 1).all():
            mixed = block.sum(axis=0) / np.float32(len(block))  # in half of the time of `mean`
            return mixed
        fade = max(1, round(FADE_SECONDS * self.sampling_rate))
        share = np.minimum(np.arange(1, samples + 1) / fade, 1.0)  # (samples,)
        weights = before[:, None] + (after - before)[:, None] * share
        mixed = (weights * block).mean(axis=0).astype(np.float32)
        return mixed


def downmix(channels: np.ndarray, sampling_rate: int) -> np.ndarray:
    """A whole recording, (channels, samples) float32 -> (samples,) float32.

    >>> tone = np.sin(np.arange(8000.0)).astype(np.float32)
    >>> bool(np.allclose(downmix(np.stack([tone, -tone]), 8000), tone))
    True
    """
    mixer, size = Downmixer(sampling_rate), BLOCK_SECONDS * sampling_rate
    blocks = [mixer.mix(channels[:, start : start + size]) for start in range(0, channels.shape[1], size)]
    return np.concatenate(blocks) if blocks else np.zeros(0, np.float32)
