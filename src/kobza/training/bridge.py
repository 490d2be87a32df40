"""The bridge: how sentences and sound meet in one space without a single captioned recording.

Each row of MusicCaps (arXiv 2301.11325) has a human caption and the AudioSet labels of the same recording. Ridge
regression carries a sentence's vector to those labels; the teacher carries sound to logits of the same labels. The 128
principal axes of what sentences say there become the shared space. So the text projection is known before any audio is
heard, and the audio tower learns to reach the same place (`student.py`).
"""

import ast
import csv
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor

RIDGE = 0.1  # share of the mean variance of a text dimension; the result hardly moves between 0.03 and 1
NAME_PROMPTS = ("{}", "The {} song")


class Bridge(NamedTuple):
    """Text: pooled sentence @ `weight`.T + `bias`. Audio: standardised logits @ `axes`. Both then to unit length."""

    weight: Tensor  # (projection_dim, text width)
    bias: Tensor  # (projection_dim,)
    axes: Tensor  # (labels, projection_dim), orthonormal columns


def read_labels(path: Path) -> tuple[dict[str, int], list[str]]:
    """AudioSet's class table (index, mid, display_name) -> index of each MID, and the names in order."""
    with open(path, newline="") as table:
        rows = sorted(csv.DictReader(table), key=lambda row: int(row["index"]))
    return {row["mid"]: int(row["index"]) for row in rows}, [row["display_name"] for row in rows]


def described_labels(musiccaps: Path, class_table: Path, without: set[str] = frozenset()) -> tuple[list[str], Tensor]:
    """Sentences and the labels they go with: (sentences, (n, labels) of 0 and 1).

    Every row of MusicCaps gives its caption and its aspect list, but for the rows whose ytid is in `without` (so that
    those recordings can be measured on); every label gives its own name, alone and as 'The {name} song'.
    """
    index, names = read_labels(class_table)
    sentences, labels = [], []
    with open(musiccaps, newline="") as table:
        for row in csv.DictReader(table):
            if row["ytid"] in without:
                continue
            target = torch.zeros(len(names))
            target[[index[mid] for mid in row["audioset_positive_labels"].split(",") if mid in index]] = 1.0
            sentences += [row["caption"], ", ".join(ast.literal_eval(row["aspect_list"]))]
            labels += [target, target]
    for number, name in enumerate(names):
        sentences += [prompt.format(name) for prompt in NAME_PROMPTS]
        labels += [torch.eye(len(names))[number]] * len(NAME_PROMPTS)
    return sentences, torch.stack(labels)


def fit(pooled: Tensor, labels: Tensor, projection_dim: int = 128, ridge: float = RIDGE) -> Bridge:
    """Ridge regression from pooled sentences (n, width) to labels (n, classes), cut to its principal axes."""
    x, y = pooled.double(), labels.double()
    x_mean = x.mean(0)
    centred = x - x_mean
    covariance = centred.T @ centred / len(x)
    penalty = ridge * covariance.trace() / len(covariance) * torch.eye(len(covariance), dtype=x.dtype)
    solved = torch.linalg.solve(covariance + penalty, centred.T @ (y - y.mean(0)) / len(x))  # (width, classes)
    axes = torch.linalg.eigh(solved.T @ covariance @ solved).eigenvectors.flip(1)[:, :projection_dim]  # largest first
    weight = (solved @ axes).T.contiguous()
    return Bridge(weight.float(), (-weight @ x_mean).float(), axes.float().contiguous())
