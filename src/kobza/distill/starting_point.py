"""What the student's training starts from: new weights, or an earlier tower with heads that fit it."""

from pathlib import Path

import torch
from safetensors.torch import save_file
from torch import Tensor

from kobza.atomic import atomic_path
from kobza.distill.features import feature_extractor
from kobza.distill.label_space import LabelSpace
from kobza.distill.labelling import LabelledWindows
from kobza.distill.student import (
    DistillationTargets,
    Student,
    channel_statistics,
    fit_heads,
    keep_better_projection,
)

STATISTICS_WINDOWS = 2048
HELD_OUT_WINDOWS = 256
EVALUATION_BATCH = 16


@torch.no_grad()
def prepare(
    student: Student,
    windows: LabelledWindows,
    held_out: LabelledWindows,
    space: LabelSpace,
    start: dict[str, Tensor] | None,
    out: Path,
) -> None:
    """Writes what training starts from: `start.safetensors`, and the `statistics.safetensors` of cells and embedding.

    Args:
        start: `audio_model.*` and, if at hand, `audio_projection.*` of an earlier checkpoint; None: from scratch.
    """
    numbers = windows.spread(STATISTICS_WINDOWS)
    if start is None:
        batches = [numbers[i : i + EVALUATION_BATCH] for i in range(0, len(numbers), EVALUATION_BATCH)]
        with atomic_path(out / "statistics.safetensors") as part:
            save_file(channel_statistics(windows.batch(batch) for batch in batches), part)
    else:
        if not start:
            raise ValueError("Without from_scratch training needs the weights to start from.")
        student.audio_model.load_state_dict(_part(start, "audio_model."))
        student.eval()
        targets = DistillationTargets(space, {}).to(windows.device)
        fit_heads(student, *_pool(student, targets, windows, numbers))
        earlier = _part(start, "audio_projection.")
        if earlier and earlier["weight"].shape == student.audio_projection.weight.shape:
            pooled, wanted = _pool(student, targets, held_out, held_out.spread(HELD_OUT_WINDOWS))
            keep_better_projection(student, earlier, pooled, wanted["direction"])
        student.train()
    with atomic_path(out / "start.safetensors") as part:
        save_file({name: value.contiguous() for name, value in student.state_dict().items()}, part)


def _part(weights: dict[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {name.removeprefix(prefix): value.float() for name, value in weights.items() if name.startswith(prefix)}


def _pool(
    student: Student, targets: DistillationTargets, windows: LabelledWindows, numbers: list[int]
) -> tuple[Tensor, dict[str, Tensor]]:
    """The pooled outputs (n, h) of these windows, and their targets."""
    extractor = feature_extractor()
    pooled, wanted = [], []
    for start in range(0, len(numbers), EVALUATION_BATCH):
        labelled = windows.batch(numbers[start : start + EVALUATION_BATCH])
        pooled.append(student.encode(extractor.log_mel(labelled.waves))[0])
        wanted.append(targets(labelled))
    return torch.cat(pooled), {name: torch.cat([one[name] for one in wanted]) for name in wanted[0]}
