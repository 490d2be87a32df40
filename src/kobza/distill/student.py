"""The student: a small AST, the heads that only its training needs, and the losses by which the teacher judges it.

It learns these at once, all but the direction standardised over what it hears:

- from each patch token, the teacher's map in that patch (`cells`): 128 targets a window where a label gives one;
- from the pooled token, the teacher's embedding and its logits;
- from `audio_projection`, the direction of the window in the space shared with text (`bridge.py`), by its cosine; and
  by how it lies to the other windows of the batch, which is what a search goes by.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from transformers import ASTConfig, ASTModel

from kobza.distill.teachers.efficientat import TeacherOutput

COLUMN = 32  # frames in a cell of the teacher's map, and in a patch of the student
RELATION_TEMPERATURE = 0.1


def audio_config() -> ASTConfig:
    """The mini's audio tower: 32 x 32 patches on the teacher's own grid (4 x 32 tokens per 10 s), 9.3 M parameters."""
    return ASTConfig(
        hidden_size=384,
        num_hidden_layers=5,
        num_attention_heads=6,
        intermediate_size=1536,
        patch_size=COLUMN,
        frequency_stride=COLUMN,
        time_stride=COLUMN,
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
        heard = self.audio_model(input_values)
        config = self.audio_model.config
        side = COLUMN // config.patch_size
        bands, columns = config.num_mel_bins // COLUMN, config.max_length // COLUMN
        grid = heard.last_hidden_state[:, 2:].unflatten(1, (bands, side, columns, side))
        return heard.pooler_output, grid.mean((2, 4)).flatten(1, 2)


class Targets(nn.Module):
    """What the teacher says of a window: standardised cells, embedding and logits, and the bridge's direction."""

    def __init__(self, statistics: dict[str, Tensor], bridge: Tensor):
        super().__init__()
        for name, value in statistics.items():
            self.register_buffer(name, value)
        self.register_buffer("bridge", bridge)  # (527, projection_dim)

    @torch.no_grad()
    def forward(self, heard: TeacherOutput) -> dict[str, Tensor]:
        cells = heard.cells.flatten(2).mT  # (n, cells, channels)
        logits = (heard.logits - self.logits_mean) / self.logits_std
        return {
            "cells": (cells - self.cells_mean) / self.cells_std,
            "embedding": (heard.embedding - self.embedding_mean) / self.embedding_std,
            "logits": logits,
            "direction": F.normalize(logits @ self.bridge, dim=-1),
        }


def statistics(heard: list[TeacherOutput]) -> dict[str, Tensor]:
    """Mean and standard deviation of every channel of the teacher's outputs over these windows, on the CPU."""
    out = {}
    for name in ("logits", "embedding", "cells"):
        values = torch.cat([getattr(one, name).cpu() for one in heard]).transpose(0, 1).flatten(1).double()
        out[f"{name}_mean"] = values.mean(1).float()
        out[f"{name}_std"] = values.std(1).clamp_min(1e-4).float()
    return out


def distillation_losses(
    student: Student, pooled: Tensor, tokens: Tensor, targets: dict[str, Tensor]
) -> dict[str, Tensor]:
    """Mean squared errors of the standardised targets, one minus the cosine of the shared direction, and `relation`:
    the divergence of a softmax over the batch, the student's window against the teacher's for the teacher's own."""
    direction = F.normalize(student.audio_projection(pooled).float(), dim=-1)
    wanted = targets["direction"]
    theirs = (wanted @ wanted.T / RELATION_TEMPERATURE).softmax(-1)
    mine = (direction @ wanted.T / RELATION_TEMPERATURE).log_softmax(-1)
    return {
        "cells": F.mse_loss(student.cells(tokens).float(), targets["cells"]),
        "embedding": F.mse_loss(student.embedding(pooled).float(), targets["embedding"]),
        "logits": F.mse_loss(student.logits(pooled).float(), targets["logits"]),
        "direction": (1 - (direction * wanted).sum(-1)).mean(),
        "relation": F.kl_div(mine, theirs, reduction="batchmean"),
    }
