"""Reads the audio shards that `corpus` writes: windows of recordings, at random or one after another.

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
MIXTURE_WEIGHTS = {
    "songs": 0.70,  # what is searched is most like these
    "real": 0.12,
    "midi": 0.06,
    "singing": 0.04,
    "effects": 0.03,
    "voices": 0.03,
    "made": 0.02,
}
HELD_OUT_EVERY = 30  # one shard in this many, by a hash of its name
HELD_OUT_FOLDER = "held-out"  # shards below a folder of this name are held out as well


def is_held_out(shard: Path) -> bool:
    """Whether a shard is used for evaluation only.

    >>> is_held_out(Path("sounds/songs/held-out/who--demo/song.safetensors"))
    True
    """
    return HELD_OUT_FOLDER in shard.parts or sum(shard.stem.encode()) % HELD_OUT_EVERY == 0


def list_shards(folder: Path) -> dict[str, list[Path]]:
    """The shards below `folder`, by kind of audio, in order."""
    return {kind: sorted((folder / kind).rglob("*.safetensors")) for kind in MIXTURE_WEIGHTS}


class AudioShards:
    """All recordings in the shards below `folder`: the training ones, or those that are held out.

    On a CPU the shards stay on disk, memory-mapped; a GPU holds them in its memory (230 MB an hour).
    """

    def __init__(self, folder: Path, held_out: bool = False, device: str = "cpu"):
        self.recordings: list[Tensor] = []
        weights: list[float] = []
        for kind, paths in list_shards(folder).items():
            weight = MIXTURE_WEIGHTS[kind]
            recordings: list[Tensor] = []
            for path in paths:
                if is_held_out(path) == held_out:
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


def cut_windows(audio: Tensor) -> Tensor:
    """Consecutive windows of recordings (n, samples) int16: (windows, WINDOW_SAMPLES) float32 in [-1, 1].

    A last one shorter than half a window is left out, unless it is all there is; a short one is repeated.
    """
    last = max(audio.shape[1] - WINDOW_SAMPLES // 2 + 1, 1)
    starts = range(0, last, WINDOW_SAMPLES)
    windows = [_repeat_to(row[start : start + WINDOW_SAMPLES], WINDOW_SAMPLES) for row in audio for start in starts]
    return _stack(windows)


def _repeat_to(audio: Tensor, samples: int) -> Tensor:
    """Repeats audio that is too short, (any,) -> (samples,)."""
    if len(audio) == samples:
        return audio
    return audio.repeat(-(-samples // len(audio)))[:samples]


def _stack(windows: Sequence[Tensor]) -> Tensor:
    return torch.stack(list(windows)).float() / 32768
