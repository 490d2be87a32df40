"""The student: a small AST, the heads that only its training needs, and the losses by which the teacher judges it.

It learns four things at once, all but the last standardised over the lessons:

- from each patch token, the teacher's map in that patch (`cells`): 128 targets a window where a label gives one;
- from the pooled token, the teacher's embedding and its logits;
- from `audio_projection`, the direction of the window in the space shared with text (`bridge.py`), by its cosine.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from transformers import ASTConfig, ASTModel

from .lessons import COLUMN
from .teacher import Teacher


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

    def encode(self, input_values: Tensor, columns: Tensor) -> tuple[Tensor, Tensor]:
        """Spectrograms of c columns, (n, 32 * c, 128) -> pooled (n, h) and a token for each cell (n, 4 * c, h)."""
        model = self.audio_model
        patches = model.embeddings.patch_embeddings(input_values)  # (n, bands * side * c, h), frequency-major
        n, _, h = patches.shape
        bands, side = model.config.num_mel_bins // model.config.patch_size, COLUMN // model.config.patch_size
        positions = model.embeddings.position_embeddings
        grid = positions[:, 2:].view(1, bands, -1, side, h)[:, :, columns].flatten(1, 3)
        heads = torch.cat([model.embeddings.cls_token, model.embeddings.distillation_token], 1) + positions[:, :2]
        hidden = torch.cat([heads.expand(n, -1, -1), patches + grid], 1)
        for layer in model.layers:
            hidden = layer(hidden, None)
        hidden = model.layernorm(hidden)
        cells = hidden[:, 2:].view(n, bands // side, side, len(columns), side, h).mean((2, 4))
        return hidden[:, :2].mean(1), cells.flatten(1, 2)


class Targets(nn.Module):
    """What the teacher says of a crop: standardised cells, embedding and logits, and the bridge's direction."""

    def __init__(self, teacher: Teacher, statistics: dict[str, Tensor], bridge: Tensor):
        super().__init__()
        self.last, self.head = teacher.features[-1], teacher.classifier
        for name, value in statistics.items():
            self.register_buffer(name, value)
        self.register_buffer("bridge", bridge)  # (527, projection_dim)

    @torch.no_grad()
    def forward(self, cells: Tensor) -> dict[str, Tensor]:
        last = self.last(cells)
        logits = (self.head(last) - self.logits_mean) / self.logits_std
        return {
            "cells": ((cells - self.cells_mean[:, None, None]) / self.cells_std[:, None, None]).flatten(2).mT,
            "embedding": (last.mean((2, 3)) - self.embedding_mean) / self.embedding_std,
            "logits": logits,
            "direction": F.normalize(logits @ self.bridge, dim=-1),
        }


def distillation_losses(
    student: Student, pooled: Tensor, tokens: Tensor, targets: dict[str, Tensor]
) -> dict[str, Tensor]:
    """Mean squared errors of the standardised targets, and one minus the cosine of the shared direction."""
    direction = F.normalize(student.audio_projection(pooled).float(), dim=-1)
    return {
        "cells": F.mse_loss(student.cells(tokens).float(), targets["cells"]),
        "embedding": F.mse_loss(student.embedding(pooled).float(), targets["embedding"]),
        "logits": F.mse_loss(student.logits(pooled).float(), targets["logits"]),
        "direction": (1 - (direction * targets["direction"]).sum(-1)).mean(),
    }
