"""Tunes both projections on captioned recordings, anchored where captions and sounds were before.

CLIP's loss (arXiv 2103.00020) with several right answers: recordings of which the same is said are no negatives of each
other. The texts are few, partly wrong, and mostly of made songs: without the anchors they would cost more on captions
than they bring on genres and voices. The result lies between the start and what was learned.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor


class Projections(NamedTuple):
    """Pooled sentence @ `text_weight`.T + `text_bias`; pooled window @ `audio_weight`.T + `audio_bias`."""

    text_weight: Tensor  # (projection_dim, text width)
    text_bias: Tensor  # (projection_dim,)
    audio_weight: Tensor  # (projection_dim, audio width)
    audio_bias: Tensor  # (projection_dim,)

    def text(self, pooled: Tensor) -> Tensor:
        """(n, text width) -> unit vectors (n, projection_dim)."""
        return F.normalize(pooled @ self.text_weight.T + self.text_bias, dim=-1)

    def audio(self, pooled: Tensor) -> Tensor:
        """(n, audio width) -> unit vectors (n, projection_dim)."""
        return F.normalize(pooled @ self.audio_weight.T + self.audio_bias, dim=-1)


class CaptionedRecordings(NamedTuple):
    """Recording i has `texts[i]` (k, text width), `windows[i]` (m, audio width) and `topics[i]`, what is said of it."""

    texts: Sequence[Tensor]
    windows: Sequence[Tensor]
    topics: Sequence[frozenset[str]]


@dataclass
class PairSettings:
    """Of `tune_pairs`; chosen on held-out sources."""

    steps: int = 500
    batch: int = 96
    text_rate: float = 2e-4
    audio_rate: float = 1e-4
    logit_scale: float = 14.0
    text_anchor: float = 20.0  # weights of the anchors
    audio_anchor: float = 20.0
    anchor_batch: int = 256
    noise: float = 0.3  # of a window's pooled vector, in deviations
    tuned_share: float = 0.4  # of the tuned projections in the result; all of them cost a tenth of the genres' mAP
    seed: int = 0


def unit_scale(projections: Projections, sentences: Tensor, windows: Tensor) -> Projections:
    """The same directions with outputs of length 1 on average, so that rates and shares mean the same on both sides."""
    text_weight, text_bias, audio_weight, audio_bias = projections
    text = (sentences @ text_weight.T + text_bias).norm(dim=1).mean()
    audio = (windows @ audio_weight.T + audio_bias).norm(dim=1).mean()
    return Projections(text_weight / text, text_bias / text, audio_weight / audio, audio_bias / audio)


def multi_positive_loss(logits: Tensor, positives: Tensor) -> Tensor:
    """Cross-entropy in both directions where several columns may be right: (n, n), and (n, n) symmetric of 0 and 1.

    >>> one_right, two_right = torch.eye(2), torch.ones(2, 2)
    >>> [round(multi_positive_loss(9 * torch.eye(2), right).item(), 2) for right in (one_right, two_right)]
    [0.0, 4.5]
    """
    wanted = positives / positives.sum(1, keepdim=True)
    rows = -(wanted * logits.log_softmax(1)).sum(1).mean()
    columns = -(wanted * logits.T.log_softmax(1)).sum(1).mean()
    return (rows + columns) / 2


def tune_pairs(
    start: Projections, pairs: CaptionedRecordings, sentences: Tensor, windows: Tensor, settings: PairSettings
) -> Projections:
    """Tunes on `pairs`, anchored at `sentences` (n, text width) and `windows` (m, audio width), both pooled."""
    rng = torch.Generator().manual_seed(settings.seed)
    start = unit_scale(start, sentences, windows)
    tuned = Projections(*(value.clone().requires_grad_() for value in start))
    rates = (settings.text_rate, settings.audio_rate)
    sides = ([tuned.text_weight, tuned.text_bias], [tuned.audio_weight, tuned.audio_bias])
    optimizer = torch.optim.Adam([{"params": side} for side in sides], betas=(0.9, 0.98))
    deviation = windows.std(0)

    def draw(rows: Tensor, n: int) -> Tensor:
        return rows[torch.randint(len(rows), (n,), generator=rng)]

    for step in range(settings.steps):
        factor = min(1.0, (step + 1) / 30, (settings.steps - step) / (0.6 * settings.steps))
        for group, rate in zip(optimizer.param_groups, rates, strict=True):
            group["lr"] = rate * factor
        chosen = torch.randperm(len(pairs.texts), generator=rng)[: settings.batch].tolist()
        text = tuned.text(torch.cat([draw(pairs.texts[i], 1) for i in chosen]))
        heard = torch.cat([draw(pairs.windows[i], 1) for i in chosen])
        audio = tuned.audio(heard + settings.noise * deviation * torch.randn(heard.shape, generator=rng))
        positives = torch.tensor([[i == j or bool(pairs.topics[i] & pairs.topics[j]) for j in chosen] for i in chosen])
        loss = multi_positive_loss(settings.logit_scale * text @ audio.T, positives.float())
        some = draw(sentences, settings.anchor_batch)
        loss = loss + settings.text_anchor * (1 - (tuned.text(some) * start.text(some)).sum(-1)).mean()
        some = draw(windows, settings.anchor_batch)
        loss = loss + settings.audio_anchor * (1 - (tuned.audio(some) * start.audio(some)).sum(-1)).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    mixed = (torch.lerp(old, new.detach(), settings.tuned_share) for old, new in zip(start, tuned, strict=True))
    return Projections(*mixed)
