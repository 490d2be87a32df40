"""Reading what `corpus.py` wrote: batches of windows, their statistics, and crops of them."""

from pathlib import Path

import torch
import torch.nn.functional as F
from safetensors import safe_open
from safetensors.torch import load_file
from torch import Tensor

COLUMN = 32  # frames in a cell of the teacher's map, and in a patch of the student


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
    mel = batch["input_values"][:, frames]
    mel = mel + timbre(len(mel), mel.shape[2], rng)
    return mel, batch["cells"][..., start : start + keep], torch.arange(start, start + keep)


def timbre(n: int, bins: int, rng: torch.Generator) -> Tensor:
    """Another loudness and a smooth equaliser curve for each window, (n, 1, bins), to be added to a log-mel.

    Recordings of one piece differ in these, and the teacher hears the same in them. In the scale of the extractor 0.1
    is 4 dB.
    """
    curve = F.interpolate(torch.randn(n, 1, 8, generator=rng), bins, mode="linear", align_corners=True)
    return 0.1 * (curve + torch.randn(n, 1, 1, generator=rng))
