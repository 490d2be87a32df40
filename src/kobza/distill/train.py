"""Distillation: the student learns from scratch to hear what the teacher hears, without a label or a caption.

Every batch is made when it is needed: moments of the recordings, changed (`augment.py`), heard by the teacher, and,
with their spectrograms disguised, by the student. So nothing is heard twice in the same way.
Learning rate: warm-up, constant, then a linear fall to zero.
"""

import json
import time
from dataclasses import asdict, dataclass, field
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from transformers import ASTConfig

from kobza.atomic import atomic_path
from kobza.distill.audio_shards import WINDOW, Sounds
from kobza.distill.augment import FASTEST, Changed, change, unchanged
from kobza.distill.label_space import Bridge
from kobza.distill.spec_augment import disguise
from kobza.distill.student import Student, Targets, audio_config, distillation_losses, statistics
from kobza.distill.teachers.efficientat import Teacher, TeacherOutput
from kobza.model.feature_extraction_kobza import KobzaFeatureExtractor

WINDOWS_FOR_STATISTICS = 4096
LOSS_WEIGHTS = {"direction": 5.0, "relation": 1.0}  # the others count once


@dataclass
class Settings:
    """`steps` of `batch` windows of 10 s; the learning rate falls to zero over the last `fall` of them."""

    steps: int = 4505
    batch: int = 256
    learning_rate: float = 1.5e-3
    weight_decay: float = 0.05
    warmup: int = 100
    fall: float = 0.5
    seed: int = 0
    save_every: int = 500
    tower: dict = field(default_factory=lambda: audio_config().to_diff_dict())

    @classmethod
    def read(cls, path: Path) -> "Settings":
        return cls(**json.loads(path.read_text()))


def build_optimizers(student: Student, settings: Settings) -> list[torch.optim.Optimizer]:
    """Muon for the matrices inside the layers (it needs far fewer steps from scratch), AdamW for everything else."""
    inner = {id(p) for p in student.audio_model.layers.parameters() if p.ndim == 2}
    matrices = [p for p in student.parameters() if id(p) in inner]
    others = [p for p in student.parameters() if id(p) not in inner]
    muon = torch.optim.Muon(
        matrices, settings.learning_rate, weight_decay=settings.weight_decay, adjust_lr_fn="match_rms_adamw"
    )
    return [muon, torch.optim.AdamW(others, settings.learning_rate, betas=(0.9, 0.98), weight_decay=0.0, fused=True)]


def rate(step: int, settings: Settings) -> float:
    """Share of the learning rate at a step: warm-up, constant, linear fall over the last `fall` of the steps."""
    rise = (step + 1) / settings.warmup
    fall = (settings.steps - step) / (settings.fall * settings.steps)
    return max(0.0, min(1.0, rise, fall))


class Ears:
    """The teacher's and the student's view of the same sound."""

    def __init__(self, teacher: Teacher, device: str):
        self.teacher, self.extractor = teacher.to(device), KobzaFeatureExtractor()

    def teacher_hears(self, sound: Changed) -> TeacherOutput:
        with torch.no_grad():
            return self.teacher(sound.teacher)

    def student_sees(self, sound: Changed) -> Tensor:
        """(n, 1024, 128), as the feature extractor gives it to every user."""
        return self.extractor.log_mel(sound.student)


def _generators(step: int, settings: Settings, device: str) -> tuple[torch.Generator, torch.Generator]:
    # A step's batch depends on the seed and the step only, so a resumed run hears what an unbroken one hears.
    seed = settings.seed * 1_000_003 + step
    return torch.Generator().manual_seed(seed), torch.Generator(device).manual_seed(seed)


def hear(sounds: Sounds, step: int, settings: Settings) -> tuple[Changed, torch.Generator]:
    """The changed moments of a step, and the generator for what else is random in it."""
    choose, alter = _generators(step, settings, sounds.device)
    return change(sounds.draw(settings.batch, round(FASTEST * WINDOW), choose), alter), alter


def evaluate(student: Student, targets: Targets, sounds: Sounds, ears: Ears, limit: int = 512) -> dict[str, float]:
    """Mean losses over held-out windows as they are."""
    sums: dict[str, float] = {}
    batches = sounds.windows(limit)
    for batch in batches:
        sound = unchanged(batch)
        mel = ears.student_sees(sound)
        with torch.no_grad(), torch.autocast(sounds.device, torch.bfloat16):
            pooled, tokens = student.encode(mel)
        losses = distillation_losses(student, pooled.float(), tokens.float(), targets(ears.teacher_hears(sound)))
        for name, loss in losses.items():
            sums[name] = sums.get(name, 0.0) + loss.item() * len(batch) / sum(map(len, batches))
    return sums


def _save(state: dict, path: Path) -> None:
    with atomic_path(path) as part:
        torch.save(state, part)


def train(
    folder: Path, out: Path, teacher: Teacher, bridge: Bridge, settings: Settings, device: str = "cpu"
) -> Student:
    """Train until `settings.steps`, going on from `out/state.pt` if it is there; writes `out/student.safetensors`."""
    out.mkdir(parents=True, exist_ok=True)
    (out / "settings.json").write_text(json.dumps(asdict(settings), indent=2))
    torch.manual_seed(settings.seed)
    sounds, held_out, ears = Sounds(folder, device=device), Sounds(folder, True, device), Ears(teacher, device)
    statistics_file = out / "statistics.safetensors"
    if not statistics_file.exists():
        batches = -(-WINDOWS_FOR_STATISTICS // settings.batch)
        # negative steps: moments that no step of the training hears
        save_file(
            statistics([ears.teacher_hears(hear(sounds, -1 - i, settings)[0]) for i in range(batches)]), statistics_file
        )
    standard = {"logits_mean": bridge.logits_mean, "logits_std": bridge.logits_std}  # by which its axes were found
    targets = Targets(load_file(statistics_file) | standard, bridge.axes).to(device)
    student = Student(ASTConfig.from_dict(settings.tower), bridge.axes.shape[1]).to(device)
    optimizers = build_optimizers(student, settings)
    step, state_file = 0, out / "state.pt"
    if state_file.exists():
        state = torch.load(state_file, weights_only=True, map_location=device)
        student.load_state_dict(state["student"])
        for optimizer, saved in zip(optimizers, state["optimizers"], strict=True):
            optimizer.load_state_dict(saved)
        step = state["step"]

    began, seen, running = time.monotonic(), 0, {}
    with open(out / "log.jsonl", "a") as log:
        while step < settings.steps:
            share = rate(step, settings)
            for group in (group for optimizer in optimizers for group in optimizer.param_groups):
                group["lr"] = settings.learning_rate * share
            sound, alter = hear(sounds, step, settings)
            wanted, seen_mel = targets(ears.teacher_hears(sound)), disguise(ears.student_sees(sound), alter)
            with torch.autocast(device, torch.bfloat16):
                pooled, tokens = student.encode(seen_mel)
                losses = distillation_losses(student, pooled, tokens, wanted)
            loss = sum(LOSS_WEIGHTS.get(name, 1.0) * value for name, value in losses.items())
            student.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(student.parameters(), 1.0)
            for optimizer in optimizers:
                optimizer.step()
            step, seen = step + 1, seen + settings.batch
            for name, value in losses.items():
                running[name] = torch.lerp(value.detach(), running.get(name, value.detach()), 0.98)
            if step % settings.save_every == 0 or step == settings.steps:
                _check(running, step)
                checked = evaluate(student, targets, held_out, ears)
                row = {
                    "step": step,
                    "windows_per_second": seen / (time.monotonic() - began),
                    "train": {name: value.item() for name, value in running.items()},
                    "held_out": checked,
                }
                print(json.dumps(row), file=log, flush=True)
                print(step, {name: round(value, 3) for name, value in checked.items()}, flush=True)
                saved = [optimizer.state_dict() for optimizer in optimizers]
                _save({"student": student.state_dict(), "optimizers": saved, "step": step}, state_file)
    save_file(student.state_dict(), out / "student.safetensors")
    return student


def _check(running: dict[str, Tensor], step: int) -> None:
    """Before anything is saved: a loss that is no number would spoil the last good state."""
    broken = [name for name, value in running.items() if not torch.isfinite(value)]
    if broken:
        raise FloatingPointError(
            f"The loss {broken[0]} is no number before step {step}: lower the learning rate and resume."
        )
