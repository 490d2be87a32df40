"""Reading what `corpus.py` wrote: moments of recordings, drawn at random or in order.

Shards are files of `audio`, (recordings, samples) int16 at 32 kHz. The folder they lie in says what they are; the
folders take part in the batches by `SHARES`, whatever their sizes.
"""

from collections.abc import Sequence
from pathlib import Path

import torch
from safetensors.torch import load_file
from torch import Tensor

from kobza.distill.teachers.efficientat import TEACHER_RATE

WINDOW = 10 * TEACHER_RATE
SHARES = {"real": 0.42, "midi": 0.27, "singing": 0.18, "effects": 0.06, "voices": 0.05, "made": 0.02}


class Sounds:
    """All recordings of the shards below `folder`; one shard in thirty, by its name, is held out.

    The shards stay on the disk, mapped, for a processor; a GPU holds them in its memory (230 MB an hour).
    """

    def __init__(self, folder: Path, held_out: bool = False, device: str = "cpu"):
        self.rows: list[Tensor] = []
        weights: list[float] = []
        for name, share in SHARES.items():
            rows = []
            for path in sorted((folder / name).rglob("*.safetensors")):
                if (sum(path.stem.encode()) % 30 == 0) == held_out:
                    rows += load_file(path, device=device)["audio"]
            total = sum(map(len, rows))
            self.rows += rows
            weights += [share * len(row) / total for row in rows]
        if not self.rows:
            which = "held-out sound (a shard in thirty is)" if held_out else "sound"
            raise ValueError(f"No {which} in {folder}: run the collecting stage first, with more to collect.")
        self.weights, self.device = torch.tensor(weights, dtype=torch.float64), device

    def draw(self, n: int, samples: int, rng: torch.Generator) -> Tensor:
        """`n` moments at random, (n, samples) float32 in [-1, 1] on the device; a shorter recording is repeated."""
        numbers = torch.multinomial(self.weights, n, replacement=True, generator=rng).tolist()
        places = torch.rand(n, generator=rng, dtype=torch.float64).tolist()
        return _stacked([self._cut(row, place, samples) for row, place in zip(numbers, places, strict=True)])

    def _cut(self, number: int, place: float, samples: int) -> Tensor:
        row = self.rows[number]
        start = int(place * max(len(row) - samples + 1, 1))
        return _filled(row[start : start + samples], samples)

    def windows(self, limit: int) -> list[Tensor]:
        """At most `limit` windows of 10 s, evenly over the recordings: the same ones at every call."""
        places = [
            (number, start)
            for number, row in enumerate(self.rows)
            for start in range(0, max(len(row) - WINDOW + 1, 1), WINDOW)
        ]
        step = max(1, len(places) // limit)
        chosen = places[::step][:limit]
        cuts = [self.rows[number][start : start + WINDOW] for number, start in chosen]
        return [_stacked([_filled(cut, WINDOW) for cut in cuts[i : i + 64]]) for i in range(0, len(cuts), 64)]


def _filled(cut: Tensor, samples: int) -> Tensor:
    """A cut that is too short is repeated."""
    return cut if len(cut) == samples else cut.repeat(-(-samples // len(cut)))[:samples]


def _stacked(cuts: Sequence[Tensor]) -> Tensor:
    return torch.stack(list(cuts)).float() / 32768
