"""Reading what `corpus.py` wrote: batches of windows, their statistics, and crops of them."""

from pathlib import Path

import torch
import torch.nn.functional as F
from safetensors import safe_open
from safetensors.torch import load_file
from torch import Tensor

COLUMN = 32  # frames in a cell of the teacher's map, and in a patch of the student
NATS = 9.138  # one unit of the extractor's scale, twice AudioSet's standard deviation, in the natural log of energy


class Lessons:
    """All windows of the shards below `folder`; one track in thirty, by its name, is held out in all its versions."""

    def __init__(self, folder: Path, held_out: bool = False):
        self.index: list[tuple[Path, int]] = []
        for path in sorted(folder.rglob("*.safetensors")):
            if (sum(path.stem.encode()) % 30 == 0) != held_out:
                continue
            with safe_open(path, "pt") as shard:
                rows = shard.get_slice("logits").get_shape()[0]
            self.index += [(path, row) for row in range(rows)]
        if not self.index:
            raise ValueError(f"No labelled windows in {folder}: run the labelling stage first.")
        self._open: dict[Path, dict[str, Tensor]] = {}

    def __len__(self) -> int:
        return len(self.index)

    def batch(self, numbers: list[int]) -> dict[str, Tensor]:
        """`input_values` (n, 1024, 128) and `cells` (n, 64, 4, 32), float32."""
        rows = []
        for number in numbers:
            path, row = self.index[number]
            shard = self._open.setdefault(path, load_file(path))  # mapped, not read
            rows.append({name: shard[name][row] for name in ("input_values", "cells")})
        return {name: torch.stack([row[name] for row in rows]).float() for name in rows[0]}

    def statistics(self) -> dict[str, Tensor]:
        """Mean and standard deviation of the teacher's outputs over all windows."""
        sums: dict[str, Tensor] = {}
        for path in dict.fromkeys(path for path, _ in self.index):
            shard = load_file(path)
            for name in ("logits", "embedding", "cells"):
                values = shard[name].float().transpose(0, 1).flatten(1)  # (channels, everything else)
                part = torch.stack([torch.full((len(values),), values.shape[1]), values.sum(1), values.square().sum(1)])
                sums[name] = sums.get(name, 0) + part.double()
        out = {}
        for name, (count, total, squares) in sums.items():
            mean = total / count
            out[f"{name}_mean"] = mean.float()
            out[f"{name}_std"] = (squares / count - mean.square()).clamp_min(1e-8).sqrt().float()
        return out


def crop(batch: dict[str, Tensor], keep: int, rng: torch.Generator) -> tuple[Tensor, Tensor, Tensor]:
    """A run of `keep` columns of every window, the same for the batch: spectrograms, cells, column numbers."""
    total = batch["cells"].shape[-1]
    start = int(torch.randint(total - keep + 1, (), generator=rng))
    frames = slice(start * COLUMN, (start + keep) * COLUMN)
    mel = disguise(batch["input_values"][:, frames], rng)
    return mel, batch["cells"][..., start : start + keep], torch.arange(start, start + keep)


def disguise(mel: Tensor, rng: torch.Generator) -> Tensor:
    """The same music as another recording of it, (n, frames, bins) -> same: what the student must learn to hear past.

    Another loudness and a smooth equaliser curve; in half of the windows a floor of noise; and in half a band or a
    moment that is missing (SpecAugment, arXiv 1904.08779). In the scale of the extractor 0.1 is 4 dB.
    """
    n, frames, bins = mel.shape

    def curve() -> Tensor:
        return F.interpolate(torch.randn(n, 1, 8, generator=rng), bins, mode="linear", align_corners=True)

    def uniform(low: float, high: float) -> Tensor:
        return low + (high - low) * torch.rand(n, 1, 1, generator=rng)

    def span(length: int, longest: int) -> Tensor:  # in half of the windows, (n, length)
        start, size = uniform(0, length)[..., 0], uniform(-longest, longest)[..., 0]
        place = torch.arange(length)
        return (place >= start) & (place < start + size)

    mel = mel + 0.1 * (curve() + torch.randn(n, 1, 1, generator=rng))
    floor = torch.where(uniform(-1, 1) > 0, uniform(-1.0, -0.2), -9.0) + 0.1 * curve()
    mel = torch.logaddexp(NATS * mel, NATS * floor) / NATS  # energies add, not their logarithms
    hidden = span(frames, 64)[:, :, None] | span(bins, 24)[:, None, :]
    return mel.masked_fill(hidden, 0.0)
