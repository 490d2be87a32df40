"""Reads the audio shards that `corpus/fetching.py` writes: windows of recordings, at random or a fixed set.

A shard is a file of `audio`, (recordings, samples) int16 at 32 kHz. Its folder says what kind of audio it holds; the
kinds are mixed by `MIXTURE_WEIGHTS`, whatever their sizes.
"""

from collections.abc import Sequence
from pathlib import Path

import torch
from safetensors.torch import load_file
from torch import Tensor

from kobza.distill.teachers.efficientat import TEACHER_SAMPLING_RATE

WINDOW_SAMPLES = 10 * TEACHER_SAMPLING_RATE
MIXTURE_WEIGHTS = {"real": 0.42, "midi": 0.27, "singing": 0.18, "effects": 0.06, "voices": 0.05, "made": 0.02}
HELD_OUT_EVERY = 30  # one shard in this many, by a hash of its name
WINDOWS_PER_BATCH = 64  # of the fixed windows


class AudioShards:
    """All recordings in the shards below `folder`: the training ones, or those that are held out.

    On a CPU the shards stay on disk, memory-mapped; a GPU holds them in its memory (230 MB an hour).
    """

    def __init__(self, folder: Path, held_out: bool = False, device: str = "cpu"):
        self.recordings: list[Tensor] = []
        weights: list[float] = []
        for kind, weight in MIXTURE_WEIGHTS.items():
            recordings: list[Tensor] = []
            for path in sorted((folder / kind).rglob("*.safetensors")):
                if (sum(path.stem.encode()) % HELD_OUT_EVERY == 0) == held_out:
                    recordings += load_file(path, device=device)["audio"]
            total = sum(len(recording) for recording in recordings)
            self.recordings += recordings
            weights += [weight * len(recording) / total for recording in recordings]
        if not self.recordings:
            what = f"held-out audio (one shard in {HELD_OUT_EVERY} is held out)" if held_out else "audio"
            raise ValueError(f"No {what} in {folder}: run the collect stage first, with more recordings.")
        self.weights = torch.tensor(weights, dtype=torch.float64)
        self.device = device

    def sample(self, n: int, samples: int, rng: torch.Generator) -> Tensor:
        """Draws `n` windows, (n, samples) float32 in [-1, 1] on the device; a shorter recording is repeated."""
        chosen = torch.multinomial(self.weights, n, replacement=True, generator=rng).tolist()
        positions = torch.rand(n, generator=rng, dtype=torch.float64).tolist()
        windows = []
        for index, position in zip(chosen, positions, strict=True):
            recording = self.recordings[index]
            start = int(position * max(len(recording) - samples + 1, 1))
            windows.append(_repeat_to(recording[start : start + samples], samples))
        return _stack(windows)

    def fixed_windows(self, limit: int) -> list[Tensor]:
        """At most `limit` windows of 10 s in batches, evenly spread over the recordings; the same at every call."""
        starts = [
            (index, start)
            for index, recording in enumerate(self.recordings)
            for start in range(0, max(len(recording) - WINDOW_SAMPLES + 1, 1), WINDOW_SAMPLES)
        ]
        step = max(1, len(starts) // limit)
        windows = [
            _repeat_to(self.recordings[index][start : start + WINDOW_SAMPLES], WINDOW_SAMPLES)
            for index, start in starts[::step][:limit]
        ]
        return [_stack(windows[i : i + WINDOWS_PER_BATCH]) for i in range(0, len(windows), WINDOWS_PER_BATCH)]


def _repeat_to(audio: Tensor, samples: int) -> Tensor:
    """Repeats audio that is too short, (any,) -> (samples,)."""
    if len(audio) == samples:
        return audio
    return audio.repeat(-(-samples // len(audio)))[:samples]


def _stack(windows: Sequence[Tensor]) -> Tensor:
    return torch.stack(list(windows)).float() / 32768
