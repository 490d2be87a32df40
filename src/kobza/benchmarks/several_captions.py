"""What the loss does with several captions of one recording in a batch: recall after training with each way.

    python -m kobza.benchmarks.several_captions

Made data, two minutes on one core: a recording has some of 40 properties and is heard with noise, anew in each step;
each of its four captions names half of them. Two small towers train with CLIP's loss, then captions of 400 other
recordings are searched for. A batch holds recordings with all captions, random captions, or one of each recording.
"""

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from kobza.model.loss_kobza import clip_loss

PROPERTIES, CAPTIONS, RECORDINGS, WIDTH = 40, 4, 400, 64
BATCH, STEPS, SEEDS = 64, 600, 16
WAYS = (
    ("left out", "together"),
    ("shared targets", "together"),
    ("any of them", "together"),
    ("left out", "random"),
    ("any of them", "random"),
    ("left out", "one of each"),
)


def made_recordings(n: int, mixing: Tensor, rng: torch.Generator) -> tuple[Tensor, Tensor]:
    """Audio (n, WIDTH) and captions (n, CAPTIONS, PROPERTIES)."""
    properties = (torch.rand(n, PROPERTIES, generator=rng) < 0.25).float()
    audio = properties @ mixing + 2 * torch.randn(n, WIDTH, generator=rng)
    named = torch.rand(n, CAPTIONS, PROPERTIES, generator=rng) < 0.5
    return audio, properties[:, None] * named


def loss(way: str, logits: Tensor, same: Tensor) -> Tensor:
    """CLIP's loss with other captions left out; as pairs too, less the targets' entropy; or with any as the pair."""
    if way == "left out":
        return clip_loss(logits, same)
    if way == "shared targets":
        targets = same.float() / same.sum(1, keepdim=True)
        both = F.cross_entropy(logits, targets) + F.cross_entropy(logits.t(), targets)
        return both / 2 - same.sum(1).float().log().mean()
    pairs = logits.masked_fill(~same, -torch.inf)
    rows, columns = ((logits.logsumexp(dim) - pairs.logsumexp(dim)).mean() for dim in (1, 0))
    return (rows + columns) / 2


def rows_of_epoch(batches: str, rng: np.random.Generator) -> np.ndarray:
    if batches == "random":
        return rng.permutation(RECORDINGS * CAPTIONS)
    order = rng.permutation(RECORDINGS) * CAPTIONS
    if batches == "one of each":
        return order + rng.integers(CAPTIONS, size=RECORDINGS)
    return (order[:, None] + np.arange(CAPTIONS)).ravel()


def recall(way: str, batches: str, seed: int) -> tuple[float, float]:
    """R@1 and R@10 of the captions of unseen recordings."""
    rng, order = torch.Generator().manual_seed(seed), np.random.default_rng(seed)
    torch.manual_seed(seed)
    mixing = torch.randn(PROPERTIES, WIDTH, generator=rng)
    (audio, captions), (unseen, described) = (made_recordings(RECORDINGS, mixing, rng) for _ in range(2))
    text_tower, audio_tower = (
        nn.Sequential(nn.Linear(width, 128), nn.GELU(), nn.Linear(128, 64)) for width in (PROPERTIES, WIDTH)
    )
    optimizer = torch.optim.AdamW([*text_tower.parameters(), *audio_tower.parameters()], 1e-3)
    queue = np.array([], int)
    for _ in range(STEPS):
        if len(queue) < BATCH:
            queue = rows_of_epoch(batches, order)[: RECORDINGS // BATCH * BATCH]  # whole batches
        rows, queue = torch.from_numpy(queue[:BATCH]), queue[BATCH:]
        recording = rows // CAPTIONS
        heard = audio[recording] + torch.randn(BATCH, WIDTH)
        texts, sounds = text_tower(captions[recording, rows % CAPTIONS]), audio_tower(heard)
        logits = F.normalize(texts, dim=-1) @ F.normalize(sounds, dim=-1).t() * np.exp(2.0)
        optimizer.zero_grad()
        loss(way, logits, recording[:, None] == recording[None]).backward()
        optimizer.step()
    with torch.no_grad():
        cosines = F.normalize(text_tower(described[:, 0]), dim=-1) @ F.normalize(audio_tower(unseen), dim=-1).t()
    rank = (cosines > cosines.diagonal()[:, None]).sum(1)
    return (rank < 1).float().mean().item(), (rank < 10).float().mean().item()


if __name__ == "__main__":
    torch.set_num_threads(1)
    for way, batches in WAYS:
        found = np.array([recall(way, batches, seed) for seed in range(SEEDS)])
        (r1, r10), (e1, e10) = found.mean(0), found.std(0) / SEEDS**0.5
        print(f"{way:15} {batches:12} R@1 {r1:.3f} +- {e1:.3f}   R@10 {r10:.3f} +- {e10:.3f}", flush=True)
