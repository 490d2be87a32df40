"""Labels windows with all teachers, once, and keeps what they say beside the sound.

The teachers cost several times what a step of the student does, so a build without a GPU can hear each window only
once. A label file holds windows (n, ...): `waves` int16 at 16 kHz, `logits` of the three teachers, and `embedding` and
`cells` of the first. Files are written whole or not at all, and what is there is never made again:

    unchanged/KIND/...    every window of every audio shard, one after another
    changed/NUMBER        windows drawn from the training audio and changed (`augment.py`); the number is the seed

Use processes, one a core, instead of threads: `--part i --parts n`.
"""

import zlib
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from kobza.atomic import atomic_path
from kobza.distill.audio_shards import (
    MIXTURE_WEIGHTS,
    WINDOW_SAMPLES,
    AudioShards,
    cut_windows,
    is_held_out,
    list_shards,
)
from kobza.distill.augment import MAX_SPEED, DualRateAudio, augment, without_augmentation
from kobza.distill.teachers.ensemble import Teachers

UNCHANGED, CHANGED = "unchanged", "changed"
TEACHER_BATCH = 16  # windows
WINDOWS_PER_FILE = 64  # of changed ones
CHANGED_SHARE = 0.6  # of the draws, where there are changed windows


class LabelledBatch(NamedTuple):
    """Windows and what the teachers say of them."""

    waves: Tensor  # (n, samples) float32 in [-1, 1] at 16 kHz
    logits: Tensor  # (n, 627)
    embedding: Tensor  # (n, 384)
    cells: Tensor  # (n, 64, 4, 32)


def label(batches: Iterable[DualRateAudio], teachers: Teachers) -> dict[str, Tensor]:
    """The content of a label file."""
    parts: dict[str, list[Tensor]] = {"waves": [], "logits": [], "embedding": [], "cells": []}
    for audio in batches:
        output = teachers(audio)
        parts["waves"].append((audio.student * 32767).round().to(torch.int16))
        parts["logits"].append(output.logits.float())
        parts["embedding"].append(output.embedding.half())
        parts["cells"].append(output.cells.half())
    return {name: torch.cat(values).cpu().contiguous() for name, values in parts.items()}


def _write(content: dict[str, Tensor], path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with atomic_path(path) as part:
        save_file(content, part)


def label_unchanged(
    audio: Path, out: Path, teachers: Teachers, device: str = "cpu", part: int = 0, parts: int = 1
) -> int:
    """Labels all audio shards below `audio` that have no label file; returns the number of new files.

    The shards come in a random order, so that wherever the work stops, what is done is a fair sample.
    """
    shards = [path for paths in list_shards(audio).values() for path in paths]
    shards.sort(key=lambda path: zlib.crc32(path.relative_to(audio).as_posix().encode()))
    new = 0
    for path in shards[part::parts]:
        target = out / UNCHANGED / path.relative_to(audio)
        if target.exists():
            continue
        windows = cut_windows(load_file(path)["audio"]).split(TEACHER_BATCH)
        _write(label((without_augmentation(batch.to(device)) for batch in windows), teachers), target)
        new += 1
    return new


def label_changed(
    audio: Path, out: Path, windows: int, teachers: Teachers, device: str = "cpu", part: int = 0, parts: int = 1
) -> int:
    """Labels changed windows of the training audio, at least `windows` in all; returns the number of new files."""
    numbers = range(part, -(-windows // WINDOWS_PER_FILE), parts)
    targets = {number: out / CHANGED / f"{number:06d}.safetensors" for number in numbers}
    missing = {number: path for number, path in targets.items() if not path.exists()}
    if not missing:
        return 0
    shards = AudioShards(audio, device=device)
    for number, path in missing.items():
        window_rng = torch.Generator().manual_seed(number)
        augment_rng = torch.Generator(device).manual_seed(number)
        drawn = shards.sample(WINDOWS_PER_FILE, round(MAX_SPEED * WINDOW_SAMPLES), window_rng)
        changed = augment(drawn, augment_rng)
        batches = zip(changed.teacher.split(TEACHER_BATCH), changed.student.split(TEACHER_BATCH), strict=True)
        _write(label((DualRateAudio(*batch) for batch in batches), teachers), path)
    return len(missing)


class LabelledWindows:
    """The label files below `folder` that are for training, or those that are held out. They stay on disk, mapped.

    The kinds of audio are mixed by `MIXTURE_WEIGHTS`, whatever their sizes.
    """

    def __init__(self, folder: Path, held_out: bool = False, device: str = "cpu"):
        self.device = device
        self.windows: list[tuple[dict[str, Tensor], int]] = []
        self.kinds: list[str] = []
        for kind, paths in list_shards(folder / UNCHANGED).items():
            self._add([path for path in paths if is_held_out(path) == held_out], kind)
        if not held_out:
            self._add(sorted((folder / CHANGED).glob("*.safetensors")), CHANGED)
        if not self.windows:
            what = "held-out windows" if held_out else "windows"
            raise ValueError(f"No labelled {what} in {folder}: run the label stage first, with more recordings.")
        has_changed = CHANGED in self.kinds
        shares = {kind: weight * (1 - CHANGED_SHARE * has_changed) for kind, weight in MIXTURE_WEIGHTS.items()}
        shares[CHANGED] = CHANGED_SHARE
        counts = {kind: self.kinds.count(kind) for kind in set(self.kinds)}
        self.weights = torch.tensor([shares[kind] / counts[kind] for kind in self.kinds], dtype=torch.float64)

    def _add(self, paths: list[Path], kind: str) -> None:
        for path in paths:
            content = load_file(path)
            self.windows += [(content, row) for row in range(len(content["waves"]))]
            self.kinds += [kind] * len(content["waves"])

    def __len__(self) -> int:
        return len(self.windows)

    def batch(self, indices: Iterable[int]) -> LabelledBatch:
        """The windows of these numbers, on the device."""
        rows = [self.windows[index] for index in indices]

        def stack(name: str) -> Tensor:
            return torch.stack([content[name][row] for content, row in rows]).to(self.device).float()

        return LabelledBatch(stack("waves") / 32767, stack("logits"), stack("embedding"), stack("cells"))

    def sample(self, n: int, rng: torch.Generator) -> LabelledBatch:
        """Draws `n` windows."""
        return self.batch(torch.multinomial(self.weights, n, replacement=True, generator=rng).tolist())

    def spread(self, limit: int) -> list[int]:
        """The numbers of at most `limit` windows, evenly spread over all."""
        return list(range(0, len(self.windows), -(-len(self.windows) // limit)))

    def logits(self, kind: str) -> Tensor:
        """The teachers' logits of all windows of a kind, (n, 627)."""
        windows = zip(self.windows, self.kinds, strict=True)
        return torch.stack([content["logits"][row] for (content, row), of in windows if of == kind])
