"""The student: a small AST with heads that only training needs, and its distillation losses.

Targets:

- `audio_projection` -> the window's direction in the space shared with text (`label_space.py`), by cosine, and its
  similarities to the other windows of the batch (`relation`), which is what retrieval ranks by;
- pooled token -> the standardised logits of all teachers, weighted as the axes of the space weight them;
- where the student is trained from scratch, patch tokens -> the first teacher's feature map in the same cell (`cells`):
  128 targets a window, where a label gives one; and pooled token -> that teacher's embedding; both standardised.

Distillation of a transformer-like tagger into a small network is EfficientAT's idea (Schmid et al., arXiv 2211.04772);
here a small network teaches a small transformer.
"""

from collections.abc import Iterable

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from transformers import ASTConfig, ASTModel

from kobza.distill.label_space import LabelSpace, ridge
from kobza.distill.labelling import LabelledBatch

CELL_FRAMES = 32  # frames and mel bins in a cell of the teacher's map, and in a patch of the student
CELLS, EMBEDDING = 64, 384  # channels of the first teacher's map and embedding
HEAD_PENALTY = 0.05  # of the least-squares heads of a student that has learned before


def audio_config() -> ASTConfig:
    """The audio tower of kobza-mini: 32 x 32 patches on the teacher's grid (4 x 32 tokens per 10 s), 9.3 M weights."""
    return ASTConfig(
        hidden_size=384,
        num_hidden_layers=5,
        num_attention_heads=6,
        intermediate_size=1536,
        patch_size=CELL_FRAMES,
        frequency_stride=CELL_FRAMES,
        time_stride=CELL_FRAMES,
        max_length=1024,
        num_mel_bins=128,
    )


class Student(nn.Module):
    """The audio tower, its projection, and the heads that only training needs.

    Args:
        labels: of all teachers together.
        from_scratch: the tower is new, so that it has heads for cells and embedding as well.
    """

    def __init__(self, config: ASTConfig, projection_dim: int, labels: int = 627, from_scratch: bool = True):
        super().__init__()
        self.audio_model = ASTModel(config)
        nn.init.trunc_normal_(self.audio_model.embeddings.position_embeddings, std=0.02)
        nn.init.trunc_normal_(self.audio_model.embeddings.cls_token, std=0.02)
        nn.init.trunc_normal_(self.audio_model.embeddings.distillation_token, std=0.02)
        self.audio_projection = nn.Linear(config.hidden_size, projection_dim)
        self.logits = nn.Linear(config.hidden_size, labels)
        self.cells = nn.Linear(config.hidden_size, CELLS) if from_scratch else None
        self.embedding = nn.Linear(config.hidden_size, EMBEDDING) if from_scratch else None

    def encode(self, input_values: Tensor) -> tuple[Tensor, Tensor]:
        """Spectrograms (n, frames, bins) -> pooled (n, h), and a token for each cell of the teacher (n, cells, h)."""
        output = self.audio_model(input_values)
        config = self.audio_model.config
        if not isinstance(config.patch_size, int):
            raise ValueError(
                f"The student's patches must be square, patch_size is {config.patch_size}: set one number."
            )
        side = CELL_FRAMES // config.patch_size
        bands = config.num_mel_bins // CELL_FRAMES
        columns = config.max_length // CELL_FRAMES
        grid = output.last_hidden_state[:, 2:].unflatten(1, (bands, side, columns, side))
        return output.pooler_output, grid.mean((2, 4)).flatten(1, 2)


class DistillationTargets(nn.Module):
    """Training targets from labelled windows; `statistics` are `channel_statistics`; empty, no cells and embedding."""

    def __init__(self, space: LabelSpace, statistics: dict[str, Tensor]):
        super().__init__()
        for name, value in (space._asdict() | statistics).items():
            self.register_buffer(name, value)
        weights = space.axes.square().sum(1)
        self.register_buffer("label_weights", weights / weights.mean())  # (labels,)

    @torch.no_grad()
    def forward(self, batch: LabelledBatch) -> dict[str, Tensor]:
        space = LabelSpace(*(self.get_buffer(name) for name in LabelSpace._fields))
        targets = {"logits": space.standardise(batch.logits), "direction": space.project_audio(batch.logits)}
        if hasattr(self, "cells_mean"):
            for name, values in (("cells", batch.cells.flatten(2).mT), ("embedding", batch.embedding)):
                targets[name] = (values - self.get_buffer(f"{name}_mean")) / self.get_buffer(f"{name}_std")
        return targets


def channel_statistics(batches: Iterable[LabelledBatch]) -> dict[str, Tensor]:
    """Mean and standard deviation of every channel of the cells and the embedding, on the CPU."""
    parts: dict[str, list[Tensor]] = {"cells": [], "embedding": []}
    for batch in batches:
        parts["cells"].append(batch.cells.flatten(2).mT.flatten(0, 1).cpu())  # (n * cells, channels)
        parts["embedding"].append(batch.embedding.cpu())
    statistics = {}
    for name, values in ((name, torch.cat(part).double()) for name, part in parts.items()):
        statistics[f"{name}_mean"] = values.mean(0).float()
        statistics[f"{name}_std"] = values.std(0).clamp_min(1e-4).float()
    return statistics


@torch.no_grad()
def fit_heads(student: Student, pooled: Tensor, targets: dict[str, Tensor]) -> None:
    """Sets projection and logits to their least-squares solutions on pooled windows (n, h), in place.

    A tower that has learned before begins where it is, and not with the noise of new heads in its gradients; its
    earlier projection may belong to another space.
    """
    for head, name in ((student.audio_projection, "direction"), (student.logits, "logits")):
        weight, bias = ridge(pooled.cpu(), targets[name].cpu(), HEAD_PENALTY)
        head.weight.copy_(weight.float())
        head.bias.copy_(bias.float())


@torch.no_grad()
def keep_better_projection(student: Student, earlier: dict[str, Tensor], pooled: Tensor, directions: Tensor) -> None:
    """Gives the student its earlier projection where that is closer to the directions (n, dim) of held-out windows.

    It is, if it belongs to this space: it has learned from more windows than the least-squares solution.
    """
    weight, bias = (earlier[name].to(pooled) for name in ("weight", "bias"))
    fitted, before = student.audio_projection(pooled), F.linear(pooled, weight, bias)
    cosines = [F.cosine_similarity(vectors, directions).mean() for vectors in (fitted, before)]
    if cosines[1] > cosines[0]:
        student.audio_projection.weight.copy_(weight)
        student.audio_projection.bias.copy_(bias)


def distillation_losses(
    student: Student, pooled: Tensor, tokens: Tensor, targets: dict[str, Tensor], label_weights: Tensor
) -> dict[str, Tensor]:
    """Losses by name; `pooled` (n, h) and `tokens` (n, cells, h) are `Student.encode`'s.

    One minus the cosine of the direction; mean squared errors of the similarities within the batch (`relation`), of the
    logits, and of cells and embedding where the student has heads for them.
    """
    direction = F.normalize(student.audio_projection(pooled).float(), dim=-1)
    target = targets["direction"]
    error = (student.logits(pooled).float() - targets["logits"]).square()
    losses = {
        "direction": (1 - (direction * target).sum(-1)).mean(),
        "relation": F.mse_loss(direction @ direction.T, target @ target.T),
        "logits": (error * label_weights).mean(),
    }
    if student.cells is not None and student.embedding is not None:
        losses["cells"] = F.mse_loss(student.cells(tokens).float(), targets["cells"])
        losses["embedding"] = F.mse_loss(student.embedding(pooled).float(), targets["embedding"])
    return losses
