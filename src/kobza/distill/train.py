"""Trains the student on the teacher's outputs, from scratch and without a label or a caption.

Batches are made on the fly: windows of recordings are augmented (`augment.py`) and given to the teacher, and, with
augmented spectrograms (`spec_augment.py`), to the student; no input is seen twice. Learning rate: linear warm-up,
constant, then linear decay to zero.
"""

import json
import time
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from transformers import ASTConfig

from kobza.atomic import atomic_path
from kobza.distill.audio_shards import WINDOW_SAMPLES, AudioShards
from kobza.distill.augment import MAX_SPEED, DualRateAudio, augment, without_augmentation
from kobza.distill.label_space import LabelSpace
from kobza.distill.spec_augment import spec_augment
from kobza.distill.student import DistillationTargets, Student, audio_config, channel_statistics, distillation_losses
from kobza.distill.teachers.efficientat import Teacher, TeacherOutput
from kobza.model.feature_extraction_kobza import KobzaFeatureExtractor

STATISTICS_WINDOWS = 4096
LOSS_WEIGHTS = {"cells": 1.0, "embedding": 1.0, "logits": 1.0, "direction": 5.0, "relation": 1.0}
LOSS_SMOOTHING = 0.98  # of the training losses in the log
MAX_GRADIENT_NORM = 1.0


@dataclass
class DistillationSettings:
    """`steps` of `batch` windows of 10 s. The names are the keys of `settings.json` beside the training state."""

    steps: int = 4505
    batch: int = 256
    learning_rate: float = 1.5e-3
    weight_decay: float = 0.05
    warmup: int = 100  # steps
    fall: float = 0.5  # fraction of the steps in which the learning rate decays to zero
    seed: int = 0
    save_every: int = 500  # steps
    tower: dict[str, Any] = field(default_factory=lambda: audio_config().to_diff_dict())

    @classmethod
    def load(cls, path: Path) -> "DistillationSettings":
        return cls(**json.loads(path.read_text()))


def build_optimizers(student: Student, settings: DistillationSettings) -> list[torch.optim.Optimizer]:
    """Muon for the matrices inside the layers (it needs far fewer steps from scratch), AdamW for the rest."""
    inner = {id(p) for p in student.audio_model.layers.parameters() if p.ndim == 2}
    matrices = [p for p in student.parameters() if id(p) in inner]
    others = [p for p in student.parameters() if id(p) not in inner]
    muon = torch.optim.Muon(
        matrices, settings.learning_rate, weight_decay=settings.weight_decay, adjust_lr_fn="match_rms_adamw"
    )
    return [muon, torch.optim.AdamW(others, settings.learning_rate, betas=(0.9, 0.98), weight_decay=0.0, fused=True)]


def learning_rate_factor(step: int, settings: DistillationSettings) -> float:
    """Factor of the learning rate at a step.

    >>> plan = DistillationSettings(steps=100, warmup=10, fall=0.2, tower={})
    >>> [learning_rate_factor(step, plan) for step in (0, 50, 90, 100)]
    [0.1, 1.0, 0.5, 0.0]
    """
    warmup = (step + 1) / settings.warmup
    decay = (settings.steps - step) / (settings.fall * settings.steps)
    return max(0.0, min(1.0, warmup, decay))


class DistillationInputs:
    """The teacher's outputs and the student's features of the same audio."""

    def __init__(self, teacher: Teacher, device: str):
        self.teacher = teacher.to(device)
        self.extractor = KobzaFeatureExtractor()

    def teacher_output(self, audio: DualRateAudio) -> TeacherOutput:
        with torch.no_grad():
            return self.teacher(audio.teacher)

    def student_features(self, audio: DualRateAudio) -> Tensor:
        """(n, 1024, 128), as the feature extractor gives them at inference."""
        return self.extractor.log_mel(audio.student)


def sample_batch(
    shards: AudioShards, step: int, settings: DistillationSettings
) -> tuple[DualRateAudio, torch.Generator]:
    """The augmented windows of a step, and the generator for what else is random in it.

    Both depend on the seed and the step only, so that a resumed run sees the batches of an uninterrupted one.
    """
    seed = settings.seed * 1_000_003 + step
    window_rng = torch.Generator().manual_seed(seed)
    augment_rng = torch.Generator(shards.device).manual_seed(seed)
    windows = shards.sample(settings.batch, round(MAX_SPEED * WINDOW_SAMPLES), window_rng)
    return augment(windows, augment_rng), augment_rng


def evaluate(
    student: Student, targets: DistillationTargets, shards: AudioShards, inputs: DistillationInputs, limit: int = 512
) -> dict[str, float]:
    """Mean losses over at most `limit` windows without augmentation."""
    sums: dict[str, float] = {}
    batches = shards.fixed_windows(limit)
    windows = sum(len(batch) for batch in batches)
    for batch in batches:
        audio = without_augmentation(batch)
        mel = inputs.student_features(audio)
        with torch.no_grad(), torch.autocast(shards.device, torch.bfloat16):
            pooled, tokens = student.encode(mel)
        losses = distillation_losses(student, pooled.float(), tokens.float(), targets(inputs.teacher_output(audio)))
        for name, loss in losses.items():
            sums[name] = sums.get(name, 0.0) + loss.item() * len(batch) / windows
    return sums


def train(
    folder: Path,
    out: Path,
    teacher: Teacher,
    label_space: LabelSpace,
    settings: DistillationSettings,
    device: str = "cpu",
) -> Student:
    """Trains until `settings.steps`, resuming from `out/state.pt` if it exists; writes `out/student.safetensors`.

    Raises ValueError where `folder` holds no audio, and FloatingPointError where a loss is not finite.
    """
    out.mkdir(parents=True, exist_ok=True)
    (out / "settings.json").write_text(json.dumps(asdict(settings), indent=2))
    torch.manual_seed(settings.seed)
    shards = AudioShards(folder, device=device)
    held_out = AudioShards(folder, held_out=True, device=device)
    inputs = DistillationInputs(teacher, device)
    targets = _load_targets(out, shards, inputs, label_space, settings).to(device)
    student = Student(ASTConfig.from_dict(settings.tower), label_space.axes.shape[1]).to(device)
    optimizers = build_optimizers(student, settings)
    first_step = _resume(out / "state.pt", student, optimizers, device)

    began = time.monotonic()
    running: dict[str, Tensor] = {}
    with open(out / "log.jsonl", "a") as log:
        for step in range(first_step, settings.steps):
            losses = _train_step(student, optimizers, targets, shards, inputs, step, settings)
            for name, loss in losses.items():
                running[name] = torch.lerp(loss, running.get(name, loss), LOSS_SMOOTHING)
            done = step + 1
            if done % settings.save_every == 0 or done == settings.steps:
                _require_finite(running, done)
                held_out_losses = evaluate(student, targets, held_out, inputs)
                row = {
                    "step": done,
                    "windows_per_second": (done - first_step) * settings.batch / (time.monotonic() - began),
                    "train": {name: loss.item() for name, loss in running.items()},
                    "held_out": held_out_losses,
                }
                print(json.dumps(row), file=log, flush=True)
                print(done, {name: round(loss, 3) for name, loss in held_out_losses.items()}, flush=True)
                states = [optimizer.state_dict() for optimizer in optimizers]
                _save({"student": student.state_dict(), "optimizers": states, "step": done}, out / "state.pt")
    with atomic_path(out / "student.safetensors") as part:
        save_file(student.state_dict(), part)
    return student


def _load_targets(
    out: Path,
    shards: AudioShards,
    inputs: DistillationInputs,
    label_space: LabelSpace,
    settings: DistillationSettings,
) -> DistillationTargets:
    """Measures the statistics of the teacher's outputs, or reads them where an earlier run has measured them."""
    path = out / "statistics.safetensors"
    if not path.exists():
        batches = -(-STATISTICS_WINDOWS // settings.batch)
        # Negative steps draw windows that no training step sees.
        outputs = [inputs.teacher_output(sample_batch(shards, -1 - i, settings)[0]) for i in range(batches)]
        with atomic_path(path) as part:
            save_file(channel_statistics(outputs), part)
    # The axes of the label space were found by its own statistics of the logits.
    logits = {"logits_mean": label_space.logits_mean, "logits_std": label_space.logits_std}
    return DistillationTargets(load_file(path) | logits, label_space.axes)


def _resume(path: Path, student: Student, optimizers: list[torch.optim.Optimizer], device: str) -> int:
    """Restores the state of an interrupted run, if there is one; returns the number of finished steps."""
    if not path.exists():
        return 0
    state = torch.load(path, weights_only=True, map_location=device)
    student.load_state_dict(state["student"])
    for optimizer, saved in zip(optimizers, state["optimizers"], strict=True):
        optimizer.load_state_dict(saved)
    return state["step"]


def _train_step(
    student: Student,
    optimizers: list[torch.optim.Optimizer],
    targets: DistillationTargets,
    shards: AudioShards,
    inputs: DistillationInputs,
    step: int,
    settings: DistillationSettings,
) -> dict[str, Tensor]:
    """One update of the student; returns its losses, detached."""
    factor = learning_rate_factor(step, settings)
    for optimizer in optimizers:
        for group in optimizer.param_groups:
            group["lr"] = settings.learning_rate * factor
    audio, rng = sample_batch(shards, step, settings)
    step_targets = targets(inputs.teacher_output(audio))
    mel = spec_augment(inputs.student_features(audio), rng)
    with torch.autocast(shards.device, torch.bfloat16):
        pooled, tokens = student.encode(mel)
        losses = distillation_losses(student, pooled, tokens, step_targets)
    loss = torch.zeros((), device=mel.device)
    for name, value in losses.items():
        loss = loss + LOSS_WEIGHTS[name] * value
    student.zero_grad()
    loss.backward()
    nn.utils.clip_grad_norm_(student.parameters(), MAX_GRADIENT_NORM)
    for optimizer in optimizers:
        optimizer.step()
    return {name: value.detach() for name, value in losses.items()}


def _save(state: dict[str, Any], path: Path) -> None:
    with atomic_path(path) as part:
        torch.save(state, part)


def _require_finite(losses: dict[str, Tensor], step: int) -> None:
    """Called before the state is saved, so that the last good state is kept."""
    for name, loss in losses.items():
        if not torch.isfinite(loss):
            raise FloatingPointError(
                f"The {name} loss is not finite at step {step}: lower the learning rate and resume from the last state."
            )
