"""The student: a small AST with heads that only training needs, and its distillation losses.

Targets, standardised over the training audio except for the direction:

- patch tokens -> the teacher's feature map in the same cell (`cells`): 128 targets a window, where a label gives one;
- pooled token -> the teacher's embedding and logits;
- `audio_projection` -> the window's direction in the space shared with text (`label_space.py`), by cosine, and its
  similarities to the other windows of the batch (`relation`), which is what retrieval ranks by.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from transformers import ASTConfig, ASTModel

from kobza.distill.teachers.efficientat import TeacherOutput

CELL_FRAMES = 32  # frames and mel bins in a cell of the teacher's map, and in a patch of the student
RELATION_TEMPERATURE = 0.1


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
    """The audio tower, its projection, and the heads that only training needs."""

    def __init__(
        self, config: ASTConfig, projection_dim: int, cells: int = 64, embedding: int = 384, logits: int = 527
    ):
        super().__init__()
        self.audio_model = ASTModel(config)
        nn.init.trunc_normal_(self.audio_model.embeddings.position_embeddings, std=0.02)
        nn.init.trunc_normal_(self.audio_model.embeddings.cls_token, std=0.02)
        nn.init.trunc_normal_(self.audio_model.embeddings.distillation_token, std=0.02)
        self.audio_projection = nn.Linear(config.hidden_size, projection_dim)
        self.cells = nn.Linear(config.hidden_size, cells)
        self.embedding = nn.Linear(config.hidden_size, embedding)
        self.logits = nn.Linear(config.hidden_size, logits)

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
    """Training targets from the teacher's output: standardised cells, embedding and logits, and the direction.

    Args:
        statistics: mean and deviation of each channel, as `channel_statistics` gives them.
        axes: of the label space, (labels, projection_dim).
    """

    cells_mean: Tensor
    cells_std: Tensor
    embedding_mean: Tensor
    embedding_std: Tensor
    logits_mean: Tensor
    logits_std: Tensor
    axes: Tensor

    def __init__(self, statistics: dict[str, Tensor], axes: Tensor):
        super().__init__()
        for name, value in statistics.items():
            self.register_buffer(name, value)
        self.register_buffer("axes", axes)

    @torch.no_grad()
    def forward(self, output: TeacherOutput) -> dict[str, Tensor]:
        cells = output.cells.flatten(2).mT  # (n, cells, channels)
        logits = (output.logits - self.logits_mean) / self.logits_std
        return {
            "cells": (cells - self.cells_mean) / self.cells_std,
            "embedding": (output.embedding - self.embedding_mean) / self.embedding_std,
            "logits": logits,
            "direction": F.normalize(logits @ self.axes, dim=-1),
        }


def channel_statistics(outputs: list[TeacherOutput]) -> dict[str, Tensor]:
    """Mean and standard deviation of every channel of the teacher's outputs, on the CPU."""
    statistics = {}
    for name in ("logits", "embedding", "cells"):
        values = torch.cat([getattr(output, name).cpu() for output in outputs]).transpose(0, 1).flatten(1).double()
        statistics[f"{name}_mean"] = values.mean(1).float()
        statistics[f"{name}_std"] = values.std(1).clamp_min(1e-4).float()
    return statistics


def distillation_losses(
    student: Student, pooled: Tensor, tokens: Tensor, targets: dict[str, Tensor]
) -> dict[str, Tensor]:
    """Losses by name; `pooled` (n, h) and `tokens` (n, cells, h) are `Student.encode`'s.

    Mean squared errors of the standardised targets; one minus the cosine of the direction; and `relation`, the KL
    divergence between the student's and the teacher's softmax over the similarities to the teacher's batch.
    """
    direction = F.normalize(student.audio_projection(pooled).float(), dim=-1)
    target = targets["direction"]
    target_relation = (target @ target.T / RELATION_TEMPERATURE).softmax(-1)
    relation = (direction @ target.T / RELATION_TEMPERATURE).log_softmax(-1)
    return {
        "cells": F.mse_loss(student.cells(tokens).float(), targets["cells"]),
        "embedding": F.mse_loss(student.embedding(pooled).float(), targets["embedding"]),
        "logits": F.mse_loss(student.logits(pooled).float(), targets["logits"]),
        "direction": (1 - (direction * target).sum(-1)).mean(),
        "relation": F.kl_div(relation, target_relation, reduction="batchmean"),
    }
