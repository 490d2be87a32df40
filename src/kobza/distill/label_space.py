"""A shared space of text and audio through labels, fitted without any audio-caption pair.

Each row of MusicCaps (arXiv 2301.11325) has a caption and the AudioSet labels of the same recording; keyword rules add
the labels and the music taggers' tags that its words name. Ridge regression maps a sentence embedding to these 627
labels, the teachers (`teachers/`) map audio to logits of the same labels, and the principal axes of what is predicted
from text span the shared space. So the text projection is fixed before any audio is heard, and the audio tower learns
to map to the same space (`student.py`).

Every label counts by the root of its rarity, and each teacher's block of labels by a weight of its own. A label's name
stands as a row, too: what people type is more often a word than a caption.
"""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from kobza.distill.captioned_rows import CaptionedRow
from kobza.distill.music_tag_rules import TAGS

RIDGE_PENALTY = 0.1  # relative to the mean variance of a text dimension; results hardly change between 0.03 and 1
BLOCKS = ((527, 1.0), (50, 0.5), (50, 0.1))  # labels and weight of AudioSet, MSD, MTT; docs/kobza-mini.md has others
MIN_LABEL_FREQUENCY = 0.004  # rarer labels are weighted as if they had this frequency
MIN_NAME_FREQUENCY = 0.002  # the names of rarer labels are left out: most of them are no music
MIN_CAPTIONS = 4  # of which a mean is taken for a label's name; a rarer label stands for itself
NAME_PROMPTS = ("{}", "The {} song")
MAX_DEVIATIONS = 6.0  # of a standardised logit


class LabelSpace(NamedTuple):
    """Text: pooled sentence @ `weight`.T + `bias`. Audio: standardised logits @ `axes`. Both are then normalised."""

    weight: Tensor  # (projection_dim, text width)
    bias: Tensor  # (projection_dim,)
    axes: Tensor  # (labels, projection_dim)
    logits_mean: Tensor  # (labels,); with logits_std: standardises the teachers' logits
    logits_std: Tensor  # (labels,)

    def project_text(self, pooled: Tensor) -> Tensor:
        """Pooled sentences (n, text width) -> unit vectors (n, projection_dim)."""
        return F.normalize(pooled @ self.weight.T + self.bias, dim=-1)

    def standardise(self, logits: Tensor) -> Tensor:
        """The teachers' logits (n, labels), in deviations from their mean over music."""
        return ((logits - self.logits_mean) / self.logits_std).clamp(-MAX_DEVIATIONS, MAX_DEVIATIONS)

    def project_audio(self, logits: Tensor) -> Tensor:
        """The teachers' logits (n, labels) -> unit vectors (n, projection_dim)."""
        return F.normalize(self.standardise(logits) @ self.axes, dim=-1)

    def with_statistics(self, logits: Tensor) -> "LabelSpace":
        """The space with the mean and the deviation of these logits (n, labels) of the teachers.

        They are worth as much as a teacher: choose recordings that are like those that will be searched.
        """
        return self._replace(logits_mean=logits.mean(0), logits_std=logits.std(0).clamp_min(1e-4))


def block_weights() -> Tensor:
    """(627,): the weight of a label's block, shared by its labels so that a block's size does not count."""
    return torch.cat([torch.full((labels,), weight / labels**0.5) for labels, weight in BLOCKS])


def rarity_weights(labels: Tensor) -> Tensor:
    """(labels,): the inverse square root of each column's frequency in labels (n, labels), 0 or 1."""
    frequency = labels.mean(0).clamp_min(MIN_LABEL_FREQUENCY)
    return (frequency.max() / frequency).sqrt()


def name_targets(labels: Tensor, weights: Tensor) -> Tensor:
    """What each label's name stands for, (labels, labels): half the label, half what goes with it in the captions.

    Args:
        labels: of the captions, (n, labels), 0 or 1. weights: of the labels.
    """
    centered = labels - labels.mean(0)
    rows = []
    for label, alone in enumerate(torch.diag(weights)):
        has = labels[:, label] > 0
        mean = centered[has].mean(0) * weights if int(has.sum()) >= MIN_CAPTIONS else alone
        rows.append(0.5 * F.normalize(alone, dim=0) * mean.norm() + 0.5 * mean)
    return torch.stack(rows)


def ridge(x: Tensor, y: Tensor, penalty: float = RIDGE_PENALTY) -> tuple[Tensor, Tensor]:
    """Ridge regression of y (n, b) on x (n, a), with an intercept, in double precision: weight (b, a) and bias (b,).

    The penalty is relative to the mean variance of x's columns.
    """
    x, y = x.double(), y.double()
    centered = x - x.mean(0)
    covariance = centered.T @ centered / len(x)
    penalties = penalty * covariance.trace() / len(covariance) * torch.eye(len(covariance), dtype=x.dtype)
    solved = torch.linalg.solve(covariance + penalties, centered.T @ (y - y.mean(0)) / len(x))
    return solved.T.contiguous(), y.mean(0) - x.mean(0) @ solved


def fit(sentences: Tensor, targets: Tensor, projection_dim: int = 128) -> LabelSpace:
    """Ridge regression from pooled sentences (n, width) to weighted labels (n, labels), cut to its principal axes.

    The logits' mean and deviation stay 0 and 1.
    """
    weight, bias = ridge(sentences, targets)
    predicted = sentences.double() @ weight.T + bias
    centered = predicted - predicted.mean(0)
    axes = torch.linalg.eigh(centered.T @ centered).eigenvectors.flip(1)[:, :projection_dim]  # largest first
    return LabelSpace(
        weight=(axes.T @ weight).float().contiguous(),
        bias=(axes.T @ bias).float(),
        axes=axes.float().contiguous(),
        logits_mean=torch.zeros(len(axes)),
        logits_std=torch.ones(len(axes)),
    )


def center_text(space: LabelSpace, captions: Tensor) -> LabelSpace:
    """Scales the text side to length 1 on average, and subtracts the mean direction of captions (n, width).

    What all captions have in common says nothing of any, and draws all queries to the same recordings.
    """
    scale = (captions @ space.weight.T + space.bias).norm(dim=1).mean()
    return space._replace(weight=space.weight / scale, bias=space.bias / scale - space.project_text(captions).mean(0))


def label_matrix(rows: Sequence[CaptionedRow], audioset_labels: int) -> Tensor:
    """(rows, labels), 1 where a row has a label: AudioSet's labels, then the taggers' tags."""
    labels = torch.zeros(len(rows), audioset_labels + len(TAGS))
    for line, row in zip(labels, rows, strict=True):
        line[sorted(row.labels)] = 1.0
        line[[audioset_labels + tag for tag in sorted(row.tags)]] = 1.0
    return labels


def build(
    rows: Sequence[CaptionedRow], names: Sequence[str], pool_sentences: Callable[[list[str]], Tensor]
) -> LabelSpace:
    """Fits the space on MusicCaps' rows and on the `names` of AudioSet's labels and of the tags.

    `pool_sentences` maps n sentences to the vectors that the text projection reads, (n, width).
    """
    labels = label_matrix(rows, len(names))
    weights = rarity_weights(labels) * block_weights()
    targets = (labels - labels.mean(0)) * weights

    captions = pool_sentences([row.caption for row in rows])
    aspects = sorted({aspect for row in rows for aspect in row.aspects})
    vector_of_aspect = dict(zip(aspects, pool_sentences(aspects), strict=True)) if aspects else {}
    with_aspects = [number for number, row in enumerate(rows) if row.aspects]
    aspect_means = [
        torch.stack([vector_of_aspect[aspect] for aspect in rows[number].aspects]).mean(0) for number in with_aspects
    ]

    common = [label for label, rate in enumerate(labels.mean(0).tolist()) if rate > MIN_NAME_FREQUENCY]
    prompts = [prompt.format([*names, *TAGS][label]) for label in common for prompt in NAME_PROMPTS]
    sentences = torch.cat([captions, *(mean[None] for mean in aspect_means), pool_sentences(prompts)])
    names_of_targets = name_targets(labels, weights)[common].repeat_interleave(len(NAME_PROMPTS), 0)
    fitted = fit(sentences, torch.cat([targets, targets[with_aspects], names_of_targets]))
    return center_text(fitted._replace(axes=fitted.axes * block_weights()[:, None]), captions)
