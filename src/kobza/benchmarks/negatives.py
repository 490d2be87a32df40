"""What a bank of negatives and mixed losses bring: recall after training with each.

    python -m kobza.benchmarks.negatives

Made data, four minutes on one core, as in `several_captions`, with 4,000 recordings to train on and one caption of
each in a batch. A bank holds keys by the average of the weights, as the trainer's does, or plain embeddings of the last
steps.
"""

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from kobza.benchmarks.several_captions import CAPTIONS, PROPERTIES, WIDTH, made_recordings
from kobza.training.losses import KeyLogits, loss_weights, weighted_key_loss, weighted_loss
from kobza.training.negatives_bank import EmbeddedPairs, NegativesBank

RECORDINGS, UNSEEN, STEPS, SEEDS, RATE = 4000, 400, 1500, 8, 1e-3
SCALE, BIAS = float(np.exp(2.0)), -5.0  # the bias is siglip's; to the others it makes no difference
RUNS = (  # losses, batch, bank, what the bank holds
    ("clip", 8, 0, ""),
    ("clip", 8, 256, "plain embeddings"),
    ("clip", 8, 256, "the average's keys"),
    ("clip", 32, 0, ""),
    ("clip", 32, 256, "the average's keys"),
    ("siglip", 32, 0, ""),
    ("mulan", 32, 0, ""),
    ("clip:1 siglip:0.5", 32, 0, ""),
    ("clip:1 mulan:0.5", 32, 0, ""),
)


def similarity(one: Tensor, two: Tensor) -> Tensor:
    return one @ two.t() * SCALE + BIAS


def towers() -> tuple[nn.Module, nn.Module]:
    text, audio = (nn.Sequential(nn.Linear(width, 128), nn.GELU(), nn.Linear(128, 64)) for width in (PROPERTIES, WIDTH))
    return text, audio


def recall(losses: str, batch: int, size: int, holds: str, seed: int) -> tuple[float, float]:
    """R@1 and R@10 of one caption of each of the unseen recordings."""
    rng = torch.Generator().manual_seed(seed)
    torch.manual_seed(seed)
    mixing = torch.randn(PROPERTIES, WIDTH, generator=rng)
    audio, captions = made_recordings(RECORDINGS, mixing, rng)
    unseen, described = made_recordings(UNSEEN, mixing, rng)
    model = nn.ModuleList(towers())
    optimizer = torch.optim.AdamW(model.parameters(), RATE)
    schedule = torch.optim.lr_scheduler.LinearLR(optimizer, 1.0, 0.0, STEPS)
    weights, bank = loss_weights(losses.split()), NegativesBank(size, model)

    def embed(said: Tensor, heard: Tensor) -> tuple[Tensor, Tensor]:
        text_tower, audio_tower = model
        return F.normalize(text_tower(said), dim=-1), F.normalize(audio_tower(heard), dim=-1)

    for _ in range(STEPS):
        rows = torch.randperm(RECORDINGS)[:batch]
        said = captions[rows, torch.randint(CAPTIONS, (batch,))]
        heard = audio[rows] + torch.randn(batch, WIDTH)
        with torch.no_grad(), bank.average.applied():
            keys = EmbeddedPairs(*embed(said, heard), rows, rows)
        pairs = EmbeddedPairs(*embed(said, heard), rows, rows)
        optimizer.zero_grad()
        if size:
            keys = bank.add(EmbeddedPairs(*(part.detach() for part in pairs)) if holds == "plain embeddings" else keys)
            text, sound = similarity(pairs.text, keys.audio), similarity(pairs.audio, keys.text)
            weighted_key_loss(weights, KeyLogits(text, sound, pairs.same(keys))).backward()
        else:
            weighted_loss(weights, similarity(pairs.text, pairs.audio)).backward()
        optimizer.step()
        schedule.step()
        bank.average.update()
    with torch.no_grad():
        text, sound = embed(described[:, 0], unseen)
    cosines = text @ sound.t()
    rank = (cosines > cosines.diagonal()[:, None]).sum(1)
    return (rank < 1).float().mean().item(), (rank < 10).float().mean().item()


if __name__ == "__main__":
    torch.set_num_threads(1)
    for losses, batch, size, holds in RUNS:
        found = np.array([recall(losses, batch, size, holds, seed) for seed in range(SEEDS)])
        (r1, r10), (e1, e10) = found.mean(0), found.std(0) / SEEDS**0.5
        values = f"R@1 {r1:.3f} +- {e1:.3f}   R@10 {r10:.3f} +- {e10:.3f}"
        print(f"{losses:18} batch {batch:3}  bank {size:4} {holds:18}   {values}", flush=True)
