"""A shared space of text and audio through AudioSet labels, fitted without any audio-caption pair.

Each row of MusicCaps (arXiv 2301.11325) has a caption and the AudioSet labels of the same recording. `fit`: ridge
regression maps a sentence embedding to those labels, and the teacher maps audio to logits of the same labels; the 128
principal axes of the predicted labels span the shared space. `tune`: for captions, their aspects, label names and
keywords, teacher logits are sampled (`logit_sampler.py`), and both linear maps are trained with CLIP's loss (arXiv
2103.00020). The result is a weighted mean of both, because what is learned from sampled logits helps single words more
than captions. The text projection is therefore fixed before any audio is seen, and the audio tower learns to map to the
same space (`student.py`).
"""

import random
from collections.abc import Callable, Sequence
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from kobza.distill.captioned_rows import CaptionedRow
from kobza.distill.keyword_rules import (
    KEYWORD_PATTERNS,
    QUERY_TEMPLATES,
    VOCAL_LABELS,
    add_typo,
    match_labels,
    plain_keywords,
)
from kobza.distill.logit_sampler import ConditionalLogitSampler, KnownLabels, LabelEvidence

RIDGE_PENALTY = 0.1  # relative to the mean variance of a text dimension; results hardly change between 0.03 and 1
LABEL_PROMPTS = ("{}", "The {} song")
TUNED_WEIGHT = 0.4  # of the tuned maps in the result; measured: 1 is better for single words and worse for captions
MIN_LABEL_FREQUENCY = 0.004  # rarer labels are weighted as if they had this frequency
# Standardised logits of positives for labels that most recordings have: there the estimate is too high.
COMMON_POSITIVE_LOGITS = {"Music": 0.3, "Musical instrument": 1.0}
RECORDING_LABEL = LabelEvidence(1.3, 0.3)  # an annotator gave the label to the recording
CAPTION_LABEL = LabelEvidence(1.1, 0.45)  # only the caption names it
KEYWORD_LABEL = LabelEvidence(1.17, 0.35)  # a search word names it
UNKNOWN_KEYWORD = LabelEvidence(1.3, 1.0)  # a search word that names no label: some music
SINGLE_LABEL = LabelEvidence(1.3, 0.25)  # the label's own name
ABSENT_VOICE = LabelEvidence(-0.35, 0.4)  # the caption says that nobody sings


class LabelSpace(NamedTuple):
    """Text: pooled sentence @ `weight`.T + `bias`. Audio: standardised logits @ `axes`. Both are then normalised."""

    weight: Tensor  # (projection_dim, text width)
    bias: Tensor  # (projection_dim,)
    axes: Tensor  # (labels, projection_dim)
    logits_mean: Tensor  # (labels,); with logits_std: standardises the teacher's logits
    logits_std: Tensor  # (labels,)

    def project_text(self, pooled: Tensor) -> Tensor:
        """Pooled sentences (n, text width) -> unit vectors (n, projection_dim)."""
        return F.normalize(pooled @ self.weight.T + self.bias, dim=-1)

    def project_audio(self, logits: Tensor) -> Tensor:
        """The teacher's logits (n, labels) -> unit vectors (n, projection_dim)."""
        return F.normalize((logits - self.logits_mean) / self.logits_std @ self.axes, dim=-1)


class TextAudioSet(NamedTuple):
    """Items that each have several texts and several sampled logits; a step of `tune` draws one of both.

    `texts[i]` is (k, text width), `logits` (copies, n, labels), `batch_size` the items a step takes from the set.
    `first_text_share`: how often the first text, a caption, is drawn; otherwise one of the others or a mean of several.
    """

    texts: Sequence[Tensor]
    logits: Tensor
    batch_size: int
    first_text_share: float = 0.0


def fit(pooled: Tensor, labels: Tensor, projection_dim: int = 128, ridge: float = RIDGE_PENALTY) -> LabelSpace:
    """Fits ridge regression from pooled sentences (n, width) to labels (n, classes), cut to its principal axes.

    Labels are weighted by the inverse square root of their frequency. The logits' mean and deviation stay 0 and 1.
    """
    frequency = labels.double().mean(0).clamp_min(MIN_LABEL_FREQUENCY)
    x = pooled.double()
    y = labels.double() * (frequency.max() / frequency).sqrt()
    x_mean = x.mean(0)
    centered = x - x_mean
    covariance = centered.T @ centered / len(x)
    penalty = ridge * covariance.trace() / len(covariance) * torch.eye(len(covariance), dtype=x.dtype)
    solved = torch.linalg.solve(covariance + penalty, centered.T @ (y - y.mean(0)) / len(x))  # (width, classes)
    axes = torch.linalg.eigh(solved.T @ covariance @ solved).eigenvectors.flip(1)[:, :projection_dim]  # largest first
    weight = (solved @ axes).T.contiguous()
    return LabelSpace(
        weight=weight.float(),
        bias=(-weight @ x_mean).float(),
        axes=axes.float().contiguous(),
        logits_mean=torch.zeros(y.shape[1]),
        logits_std=torch.ones(y.shape[1]),
    )


def _draw_text(texts: Tensor, first_text_share: float, rng: random.Random) -> Tensor:
    """Draws one vector of (k, width), as `TextAudioSet` describes."""
    if len(texts) == 1 or rng.random() < first_text_share:
        return texts[0]
    if not first_text_share:
        return texts[rng.randrange(len(texts))]
    others = texts[1:]
    if rng.random() < 0.55:
        return others[rng.randrange(len(others))]
    return others[rng.sample(range(len(others)), rng.randint(min(2, len(others)), len(others)))].mean(0)


def tune(
    start: LabelSpace,
    sets: Sequence[TextAudioSet],
    steps: int = 200,
    tuned_weight: float = TUNED_WEIGHT,
    seed: int = 0,
) -> LabelSpace:
    """Trains both maps with CLIP's loss; returns `tuned_weight` of the trained maps and the rest of `start`.

    The scale of the vectors before they are normalised is arbitrary, so both sides are first scaled to deviation 1.
    """
    torch.manual_seed(seed)
    rng = random.Random(seed)
    text_scale = (torch.stack([texts[0] for texts in sets[0].texts]) @ start.weight.T + start.bias).std()
    audio_scale = (sets[0].logits[0].float() @ start.axes).std()
    initial = [start.weight / text_scale, start.bias / text_scale, start.axes / audio_scale]
    weight, bias, axes = (tensor.clone().requires_grad_() for tensor in initial)
    logit_scale = torch.tensor(14.0).log().requires_grad_()
    # The audio side learns slowly: it was estimated from real audio, the text side was not.
    rates = (2e-3, 2e-4, 3e-3)
    optimizer = torch.optim.Adam(
        [{"params": p} for p in ([weight, bias], [axes], [logit_scale])],
        betas=(0.9, 0.98),
    )
    for step in range(steps):
        factor = min(1.0, (step + 1) / 50, (steps - step) / (0.6 * steps))
        for group, rate in zip(optimizer.param_groups, rates, strict=True):
            group["lr"] = rate * factor
        texts, audio = [], []
        for item_set in sets:
            items = torch.randint(len(item_set.texts), (item_set.batch_size,))
            texts += [_draw_text(item_set.texts[item], item_set.first_text_share, rng) for item in items.tolist()]
            copies = torch.randint(len(item_set.logits), (item_set.batch_size,))
            audio.append(item_set.logits[copies, items].float())
        logits = torch.cat(audio)
        logits = logits + 0.5 * torch.randn_like(logits)  # stands for the student's deviation from its teacher
        text_vectors = F.normalize(torch.stack(texts) @ weight.T + bias, dim=-1)
        audio_vectors = F.normalize(logits @ axes, dim=-1)
        similarity = logit_scale.exp().clamp(max=40) * (text_vectors @ audio_vectors.T)
        target = torch.arange(len(logits))
        loss = (F.cross_entropy(similarity, target) + F.cross_entropy(similarity.T, target)) / 2
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    trained = (weight.detach(), bias.detach(), axes.detach())
    mixed = [tuned_weight * new + (1 - tuned_weight) * old for new, old in zip(trained, initial, strict=True)]
    return start._replace(weight=mixed[0], bias=mixed[1], axes=mixed[2])


def common_positive_logits(names: Sequence[str]) -> dict[int, float]:
    """`COMMON_POSITIVE_LOGITS` by label index.

    >>> common_positive_logits(["Speech", "Music"])
    {1: 0.3}
    """
    return {label: COMMON_POSITIVE_LOGITS[name] for label, name in enumerate(names) if name in COMMON_POSITIVE_LOGITS}


def known_labels(row: CaptionedRow, index_of_name: dict[str, int]) -> KnownLabels:
    """What a row says of its labels; those of the recording take precedence over those that its text names."""
    known = dict.fromkeys(row.named, CAPTION_LABEL) | dict.fromkeys(row.labels, RECORDING_LABEL)
    if not row.voiceless:
        return known
    absent = {index_of_name[name] for name in VOCAL_LABELS if name in index_of_name} - row.labels
    return known | dict.fromkeys(absent, ABSENT_VOICE)


def build(
    rows: list[CaptionedRow],
    names: list[str],
    sampler: ConditionalLogitSampler,
    pool_sentences: Callable[[list[str]], Tensor],
) -> LabelSpace:
    """Fits and tunes the space on MusicCaps' rows, the labels' `names` and keywords.

    `pool_sentences` maps n sentences to the vectors that the text projection reads, (n, width).
    """
    index_of_name = {name: label for label, name in enumerate(names)}
    rng = random.Random(0)
    logit_rng = torch.Generator().manual_seed(0)
    captions = pool_sentences([row.caption for row in rows])
    aspects = sorted({aspect for row in rows for aspect in row.aspects})
    vector_of_aspect = dict(zip(aspects, pool_sentences(aspects), strict=True))
    row_texts = [
        torch.stack([caption, *(vector_of_aspect[aspect] for aspect in row.aspects)])
        for caption, row in zip(captions, rows, strict=True)
    ]
    prompts = [prompt.format(name) for name in names for prompt in LABEL_PROMPTS]
    label_texts = pool_sentences(prompts).unflatten(0, (len(names), -1))

    row_labels = torch.zeros(len(rows), len(names))
    for labels, row in zip(row_labels, rows, strict=True):
        labels[sorted(row.labels | row.named)] = 1.0
    aspect_means = torch.stack([texts[-len(row.aspects) :].mean(0) for texts, row in zip(row_texts, rows, strict=True)])
    prompt_labels = torch.eye(len(names)).repeat_interleave(len(LABEL_PROMPTS), 0)
    start = fit(
        torch.cat([captions, aspect_means, label_texts.flatten(0, 1)]),
        torch.cat([row_labels, row_labels, prompt_labels]),
    )
    start = start._replace(logits_mean=sampler.mean.float(), logits_std=sampler.std.float())

    keywords = plain_keywords()
    forms = [[*(template.format(word) for template in QUERY_TEMPLATES), add_typo(word, rng)] for word in keywords]
    keyword_texts = pool_sentences([form for group in forms for form in group]).unflatten(0, (len(keywords), -1))
    any_music: KnownLabels = {index_of_name.get("Music", 0): UNKNOWN_KEYWORD}
    keyword_labels = [
        {index_of_name[name]: KEYWORD_LABEL for name in sorted(match_labels(word)[0]) if name in index_of_name}
        or any_music
        for word in keywords
    ]
    row_logits = sampler.sample([known_labels(row, index_of_name) for row in rows], 4, logit_rng)
    label_logits = sampler.sample([{label: SINGLE_LABEL} for label in range(len(names))], 8, logit_rng)
    keyword_logits = sampler.sample(keyword_labels, 4, logit_rng)
    music = [index_of_name[name] for name in names if name in KEYWORD_PATTERNS] or list(range(len(names)))
    return tune(
        start,
        [
            TextAudioSet(row_texts, row_logits, 384, 0.45),
            TextAudioSet([label_texts[label] for label in music], label_logits[:, music], 64),
            TextAudioSet(list(keyword_texts), keyword_logits, 128),
        ],
    )
