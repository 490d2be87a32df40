"""The same recording, the same vector: the student's lower layers learn to hear past what a file adds.

The student teaches itself: a disguised window (`file_disguise.py`) must come to where the student puts the clean one.
Only the embeddings and the first layers learn, because what a resampler or a codec changes is in the spectrum, and what
the student knows of music stays as it is. Half of the windows are mixes of two, so that there is more music than was
labelled; no label is needed.
"""

import copy
from dataclasses import dataclass
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from kobza.distill.features import feature_extractor
from kobza.distill.file_disguise import disguise
from kobza.distill.labelling import LabelledWindows
from kobza.distill.student import Student
from kobza.distill.train import MAX_GRADIENT_NORM, cosine_factor
from kobza.distill.training_state import TrainingState
from kobza.model.feature_extraction_kobza import KobzaFeatureExtractor

DEVIATION_WINDOWS = 64  # by which the pooled outputs' deviations are measured
COSINE_WEIGHT, POOLED_WEIGHT = 5.0, 0.3  # of the losses


@dataclass
class RobustnessSettings:
    """Of `train_robustness`."""

    steps: int = 3000
    batch: int = 12
    learning_rate: float = 1.5e-4
    warmup: int = 30  # steps
    trained_layers: int = 2
    clean_share: float = 0.15  # of the windows that are left as they are
    seed: int = 0
    save_every: int = 100


def mix_pairs(mel: Tensor, other: Tensor, extractor: KobzaFeatureExtractor, rng: torch.Generator) -> Tensor:
    """Adds the energies of windows (n, frames, bins), between one part to four and four to one."""
    unit = 2 * extractor.std
    share = 0.2 + 0.6 * torch.rand(len(mel), 1, 1, generator=rng, device=mel.device)
    return torch.logaddexp(mel * unit + share.log(), other * unit + (1 - share).log()) / unit


def train_robustness(
    folder: Path, out: Path, student: Student, settings: RobustnessSettings, device: str = "cpu"
) -> Student:
    """Trains `student` in place until `settings.steps`, resuming from `out/state.pt`; writes `out/student.safetensors`.

    Args:
        folder: of the label files. student: as trained before (`train.py`), the same at every call.
    """
    out.mkdir(parents=True, exist_ok=True)
    windows = LabelledWindows(folder, device=device)
    extractor = feature_extractor()
    student = student.to(device)
    reference = copy.deepcopy(student).eval()
    student.requires_grad_(False)
    tower = student.audio_model
    lower = [tower.embeddings, *tower.layers[: settings.trained_layers]]
    learned = [parameter.requires_grad_() for module in lower for parameter in module.parameters()]
    optimizer = torch.optim.AdamW(learned, settings.learning_rate, betas=(0.9, 0.98), weight_decay=0.01)
    state = TrainingState(out, student, [optimizer])
    with torch.no_grad():
        sample = windows.batch(windows.spread(DEVIATION_WINDOWS))
        deviation = reference.encode(extractor.log_mel(sample.waves))[0].std(0)

    while state.step < settings.steps:
        rng = torch.Generator().manual_seed(settings.seed * 1_000_003 + state.step)
        device_rng = torch.Generator(device).manual_seed(settings.seed * 1_000_003 + state.step)
        half = settings.batch // 2
        mel = extractor.log_mel(windows.sample(settings.batch + half, rng).waves)
        mixed = mix_pairs(mel[:half], mel[settings.batch :], extractor, device_rng)
        mel = torch.cat([mixed, mel[half : settings.batch]])
        with torch.no_grad():
            wanted, _ = reference.encode(mel)
        is_clean = torch.rand(len(mel), 1, 1, generator=device_rng, device=device) < settings.clean_share
        pooled, _ = student.encode(torch.where(is_clean, mel, disguise(mel, extractor, device_rng)))
        project = student.audio_projection
        cosine = F.cosine_similarity(project(pooled), project(wanted), dim=-1).mean()
        error = ((pooled - wanted) / deviation).square().mean()
        for group in optimizer.param_groups:
            group["lr"] = settings.learning_rate * cosine_factor(state.step, settings.steps, settings.warmup)
        optimizer.zero_grad()
        (COSINE_WEIGHT * (1 - cosine) + POOLED_WEIGHT * error).backward()
        nn.utils.clip_grad_norm_(learned, MAX_GRADIENT_NORM)
        optimizer.step()
        state.count_step()
        if state.step % settings.save_every == 0 or state.step == settings.steps:
            print(state.step, f"cosine {cosine.item():.3f}", flush=True)
            state.save()
    state.finish(out / "student.safetensors")
    return student.requires_grad_(True)
