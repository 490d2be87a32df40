"""Distillation: the student learns from scratch to hear what the teacher hears, without a label or a caption.

Per batch, a run of time columns is cut out of each spectrogram: short crops cost less and are new lessons each time.
The teacher's map of those columns goes through the teacher's own head again, so that the targets are the crop's.
Learning rate: warm-up, constant, then a linear fall to zero. The last steps see whole windows.
"""

import json
import os
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, field
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from transformers import ASTConfig

from .bridge import Bridge
from .lessons import Lessons, crop
from .student import Student, Targets, audio_config, distillation_losses
from .teacher import Teacher


@dataclass
class Settings:
    """`steps` of `batch` windows, cut to `columns` of 32 but for the last part, `whole`; the rate falls over `fall`."""

    steps: int = 3300
    batch: int = 64
    learning_rate: float = 1.5e-3
    weight_decay: float = 0.05
    warmup: int = 100
    fall: float = 0.35
    whole: float = 0.06
    columns: int = 16
    seed: int = 0
    save_every: int = 200
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


def evaluate(student: Student, targets: Targets, lessons: Lessons, device: str, limit: int = 512) -> dict[str, float]:
    """Mean losses over held-out windows, whole."""
    sums: dict[str, float] = {}
    numbers = list(range(0, len(lessons), max(1, len(lessons) // limit)))[:limit]
    for start in range(0, len(numbers), 64):
        chunk = numbers[start : start + 64]
        batch = {name: tensor.to(device) for name, tensor in lessons.batch(chunk).items()}
        with torch.no_grad(), torch.autocast(device, torch.bfloat16):
            pooled, tokens = student.encode(batch["input_values"], torch.arange(batch["cells"].shape[-1]))
        for name, loss in distillation_losses(student, pooled.float(), tokens.float(), targets(batch["cells"])).items():
            sums[name] = sums.get(name, 0.0) + loss.item() * len(chunk) / len(numbers)
    return sums


def _save(state: dict, path: Path) -> None:
    partial = path.with_suffix(".partial")
    torch.save(state, partial)
    os.replace(partial, path)


def train(
    folder: Path, out: Path, teacher: Teacher, bridge: Bridge, settings: Settings, device: str = "cpu"
) -> Student:
    """Train until `settings.steps`, going on from `out/state.pt` if it is there; writes `out/student.safetensors`."""
    out.mkdir(parents=True, exist_ok=True)
    (out / "settings.json").write_text(json.dumps(asdict(settings), indent=2))
    torch.manual_seed(settings.seed)
    lessons, held_out = Lessons(folder), Lessons(folder, held_out=True)
    statistics_file = out / "statistics.safetensors"
    if not statistics_file.exists():
        save_file(lessons.statistics(), statistics_file)
    standard = {"logits_mean": bridge.logits_mean, "logits_std": bridge.logits_std}  # by which its axes were found
    targets = Targets(teacher, load_file(statistics_file) | standard, bridge.axes).to(device)
    student = Student(ASTConfig.from_dict(settings.tower), bridge.axes.shape[1]).to(device)
    optimizers = build_optimizers(student, settings)
    step, state_file = 0, out / "state.pt"
    if state_file.exists():
        state = torch.load(state_file, weights_only=True, map_location=device)
        student.load_state_dict(state["student"])
        for optimizer, saved in zip(optimizers, state["optimizers"], strict=True):
            optimizer.load_state_dict(saved)
        step = state["step"]

    def fetch(step: int) -> dict[str, Tensor]:
        # The batch of a step depends on the seed and the step only, so a resumed run sees what an unbroken one sees.
        rng = torch.Generator().manual_seed(settings.seed * 1_000_003 + step)
        return lessons.batch(torch.randint(len(lessons), (settings.batch,), generator=rng).tolist())

    began, seen, running = time.monotonic(), 0, {}
    with ThreadPoolExecutor(1) as reader, open(out / "log.jsonl", "a") as log:
        upcoming = reader.submit(fetch, step)
        while step < settings.steps:
            batch = upcoming.result()
            upcoming = reader.submit(fetch, step + 1)
            share = rate(step, settings)
            for group in (group for optimizer in optimizers for group in optimizer.param_groups):
                group["lr"] = settings.learning_rate * share
            rng = torch.Generator().manual_seed(settings.seed * 7_368_787 + step)
            whole = step >= (1 - settings.whole) * settings.steps
            total = batch["cells"].shape[-1]
            mel, cells, columns = crop(batch, total if whole else settings.columns, rng)
            mel, cells, columns = mel.to(device), cells.to(device), columns.to(device)
            with torch.autocast(device, torch.bfloat16):
                pooled, tokens = student.encode(mel, columns)
                losses = distillation_losses(student, pooled, tokens, targets(cells.float()))
            loss = sum(losses.values()) + 4 * losses["direction"]
            if not torch.isfinite(loss):
                raise FloatingPointError(
                    f"The loss is {loss.item()} at step {step}: lower the learning rate and resume."
                )
            student.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(student.parameters(), 1.0)
            for optimizer in optimizers:
                optimizer.step()
            step, seen = step + 1, seen + settings.batch
            running = {
                name: 0.98 * running.get(name, value.item()) + 0.02 * value.item() for name, value in losses.items()
            }
            if step % settings.save_every == 0 or step == settings.steps:
                checked = evaluate(student, targets, held_out, device)
                row = {
                    "step": step,
                    "windows_per_second": seen / (time.monotonic() - began),
                    "train": running,
                    "held_out": checked,
                }
                print(json.dumps(row), file=log, flush=True)
                print(step, {name: round(value, 3) for name, value in checked.items()}, flush=True)
                saved = [optimizer.state_dict() for optimizer in optimizers]
                _save({"student": student.state_dict(), "optimizers": saved, "step": step}, state_file)
    save_file(student.state_dict(), out / "student.safetensors")
    return student
