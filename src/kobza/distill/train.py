"""Trains the student on what the teachers said of the labelled windows, from scratch or from an earlier checkpoint.

Each window is disguised as another file would bring it (`file_disguise.py`), while its labels are those of the clean
one: so the student hears past what a file adds. The result is the running mean of the weights. Learning rate: linear
warm-up, then half a cosine to zero.
"""

import json
import math
import time
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from safetensors.torch import load_file
from torch import Tensor, nn
from transformers import ASTConfig

from kobza.distill.features import feature_extractor
from kobza.distill.file_disguise import disguise
from kobza.distill.label_space import LabelSpace
from kobza.distill.labelling import LabelledBatch, LabelledWindows
from kobza.distill.starting_point import EVALUATION_BATCH, HELD_OUT_WINDOWS, prepare
from kobza.distill.student import (
    DistillationTargets,
    Student,
    audio_config,
    distillation_losses,
)
from kobza.distill.training_state import TrainingState

LOSS_WEIGHTS = {"direction": 1.0, "relation": 0.5, "logits": 0.1, "cells": 0.2, "embedding": 0.2}
LOSS_SMOOTHING = 0.98  # of the training losses in the log
MAX_GRADIENT_NORM = 1.0
CLEAN_SHARE = 0.2  # of the windows that are not disguised


@dataclass
class DistillationSettings:
    """`steps` of `batch` windows of 10 s. The names are the keys of `settings.json` beside the training state.

    The defaults train from scratch on a GPU; `warm` are those for a tower that has learned before, on a CPU.
    """

    steps: int = 4505
    batch: int = 256
    learning_rate: float = 1.5e-3
    weight_decay: float = 0.05
    warmup: int = 100  # steps
    seed: int = 0
    save_every: int = 500  # steps
    from_scratch: bool = True
    tower: dict[str, Any] = field(default_factory=lambda: audio_config().to_diff_dict())

    @classmethod
    def load(cls, path: Path) -> "DistillationSettings":
        return cls(**json.loads(path.read_text()))

    @classmethod
    def warm(cls, **changes: Any) -> "DistillationSettings":
        small = {"steps": 6000, "batch": 16, "learning_rate": 3e-4, "weight_decay": 0.02, "warmup": 60}
        return cls(**{**small, "save_every": 200, "from_scratch": False, **changes})


def build_optimizers(student: Student, settings: DistillationSettings) -> list[torch.optim.Optimizer]:
    """AdamW; from scratch with Muon for the matrices inside the layers, because it needs far fewer steps."""
    rate, decay = settings.learning_rate, settings.weight_decay
    if not settings.from_scratch:
        return [torch.optim.AdamW(student.parameters(), rate, betas=(0.9, 0.98), weight_decay=decay, fused=True)]
    inner = {id(p) for p in student.audio_model.layers.parameters() if p.ndim == 2}
    matrices = [p for p in student.parameters() if id(p) in inner]
    others = [p for p in student.parameters() if id(p) not in inner]
    muon = torch.optim.Muon(matrices, rate, weight_decay=decay, adjust_lr_fn="match_rms_adamw")
    return [muon, torch.optim.AdamW(others, rate, betas=(0.9, 0.98), weight_decay=0.0, fused=True)]


def cosine_factor(step: int, steps: int, warmup: int) -> float:
    """Factor of the learning rate at a step: linear warm-up, and half a cosine to zero.

    >>> [round(cosine_factor(step, 100, 10), 3) for step in (0, 9, 50, 100)]
    [0.1, 0.98, 0.5, 0.0]
    """
    return min(1.0, (step + 1) / warmup) * 0.5 * (1 + math.cos(math.pi * step / steps))


def student_inputs(windows: LabelledWindows, step: int, settings: DistillationSettings) -> tuple[Tensor, LabelledBatch]:
    """Features (n, 1024, 128) of a step, most of them disguised, and their labels.

    Both depend on the seed and the step only, so that a resumed run sees the batches of an uninterrupted one.
    """
    seed = settings.seed * 1_000_003 + step
    batch = windows.sample(settings.batch, torch.Generator().manual_seed(seed))
    rng = torch.Generator(windows.device).manual_seed(seed)
    extractor = feature_extractor()
    mel = extractor.log_mel(batch.waves)
    is_clean = torch.rand(len(mel), 1, 1, generator=rng, device=mel.device) < CLEAN_SHARE
    return torch.where(is_clean, mel, disguise(mel, extractor, rng)), batch


@torch.no_grad()
def evaluate(student: Student, targets: DistillationTargets, windows: LabelledWindows) -> dict[str, float]:
    """Mean losses over held-out windows, and `disguised`: one minus the cosine between clean and disguised ones."""
    extractor, rng = feature_extractor(), torch.Generator(windows.device).manual_seed(0)
    numbers = windows.spread(HELD_OUT_WINDOWS)
    sums: dict[str, float] = {}
    for start in range(0, len(numbers), EVALUATION_BATCH):
        batch = windows.batch(numbers[start : start + EVALUATION_BATCH])
        mel = extractor.log_mel(batch.waves)
        pooled, tokens = student.encode(mel)
        losses = distillation_losses(student, pooled, tokens, targets(batch), targets.get_buffer("label_weights"))
        disguised, _ = student.encode(disguise(mel, extractor, rng))
        projected = (student.audio_projection(pooled), student.audio_projection(disguised))
        losses["disguised"] = 1 - F.cosine_similarity(*projected).mean()
        for name, loss in losses.items():
            sums[name] = sums.get(name, 0.0) + loss.item() * len(mel) / len(numbers)
    return sums


def train(
    folder: Path,
    out: Path,
    space: LabelSpace,
    settings: DistillationSettings,
    start: dict[str, Tensor] | None = None,
    device: str = "cpu",
) -> Student:
    """Trains until `settings.steps`, resuming from `out/state.pt` if it exists; writes `out/student.safetensors`.

    Args:
        folder: of the label files.
        start: `audio_model.*` and `audio_projection.*` of an earlier checkpoint, unless `settings.from_scratch`.

    Raises ValueError where `folder` holds no windows, and FloatingPointError where a loss is not finite.
    """
    out.mkdir(parents=True, exist_ok=True)
    (out / "settings.json").write_text(json.dumps(asdict(settings), indent=2))
    torch.manual_seed(settings.seed)
    windows = LabelledWindows(folder, device=device)
    held_out = LabelledWindows(folder, held_out=True, device=device)
    config = ASTConfig.from_dict(settings.tower)
    student = Student(config, space.axes.shape[1], len(space.axes), settings.from_scratch).to(device)
    prepared = out / "start.safetensors"
    if not prepared.exists():
        prepare(student, windows, held_out, space, None if settings.from_scratch else start or {}, out)
    student.load_state_dict(load_file(prepared, device=device))
    statistics = load_file(out / "statistics.safetensors") if settings.from_scratch else {}
    targets = DistillationTargets(space, statistics).to(device)
    state = TrainingState(out, student, build_optimizers(student, settings))

    began, first_step = time.monotonic(), state.step
    running: dict[str, Tensor] = {}
    with open(out / "log.jsonl", "a") as log:
        while state.step < settings.steps:
            losses = _train_step(state, targets, windows, settings)
            for name, loss in losses.items():
                running[name] = torch.lerp(loss, running.get(name, loss), LOSS_SMOOTHING)
            if state.step % settings.save_every == 0 or state.step == settings.steps:
                _require_finite(running, state.step)
                with state.averaged():
                    held_out_losses = evaluate(student, targets, held_out)
                row = {
                    "step": state.step,
                    "windows_per_second": (state.step - first_step) * settings.batch / (time.monotonic() - began),
                    "train": {name: loss.item() for name, loss in running.items()},
                    "held_out": held_out_losses,
                }
                print(json.dumps(row), file=log, flush=True)
                print(state.step, {name: round(loss, 3) for name, loss in held_out_losses.items()}, flush=True)
                state.save()
    state.finish(out / "student.safetensors")
    return student


def _train_step(
    state: TrainingState, targets: DistillationTargets, windows: LabelledWindows, settings: DistillationSettings
) -> dict[str, Tensor]:
    """One update of the student; returns its losses, detached."""
    factor = cosine_factor(state.step, settings.steps, settings.warmup)
    for optimizer in state.optimizers:
        for group in optimizer.param_groups:
            group["lr"] = settings.learning_rate * factor
    student = state.student
    mel, batch = student_inputs(windows, state.step, settings)
    with torch.autocast(windows.device, torch.bfloat16, enabled=windows.device != "cpu"):
        pooled, tokens = student.encode(mel)
        losses = distillation_losses(student, pooled, tokens, targets(batch), targets.get_buffer("label_weights"))
    loss = torch.zeros((), device=mel.device)
    for name, value in losses.items():
        loss = loss + LOSS_WEIGHTS[name] * value
    student.zero_grad()
    loss.backward()
    nn.utils.clip_grad_norm_(student.parameters(), MAX_GRADIENT_NORM)
    for optimizer in state.optimizers:
        optimizer.step()
    state.count_step()
    return {name: value.detach() for name, value in losses.items()}


def _require_finite(losses: dict[str, Tensor], step: int) -> None:
    """Called before the state is saved, so that the last good state is kept."""
    for name, loss in losses.items():
        if not torch.isfinite(loss):
            raise FloatingPointError(
                f"The {name} loss is not finite at step {step}: lower the learning rate and resume from the last state."
            )
