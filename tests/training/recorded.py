"""Recordings with captions and a trainer on them, for tests of training from files."""

import time
from pathlib import Path

import numpy as np
from pairs import make_trainer
from recordings import tone, write
from tiny import make_model, make_tokenizer

from kobza import KobzaFeatureExtractor, KobzaProcessor
from kobza.data.recordings import Recording
from kobza.training.cached_dataset import FrozenFeatureCache
from kobza.training.dataset import PairCollator, PairDataset

WORDS = ("slow", "sad piano", "fast drums and bass", "a choir is with the organ", "happy", "flute song")


def make_recordings(folder, n: int) -> list[Recording]:
    """Short recordings, each of another pitch; captions of several lengths, some of them equal."""
    noise, made = np.random.default_rng(0), []
    for k in range(n):
        seconds, path = 1.2 + 0.1 * k, folder / f"{k}.wav"
        if not path.exists():
            write(path, tone(150 * 1.3**k, seconds) + 0.01 * noise.standard_normal(round(seconds * 16000)))
        made.append(Recording(path, path.name, caption=WORDS[k % len(WORDS)]))
    return made


def recorded_trainer(out, model, processor, recordings, validation=3, **arguments):
    """A trainer on all but the last `validation` recordings, for a few steps, logging the loss of each."""
    parts = recordings[:-validation], recordings[-validation:]
    train, evaluate = (PairDataset(part) for part in parts)
    arguments = {
        "per_device_train_batch_size": 4,
        "per_device_eval_batch_size": 2,
        "logging_strategy": "steps",
        "logging_steps": 1,
        "num_train_epochs": 2,
        **arguments,
    }
    trainer = make_trainer(out, model, train, evaluate, processor=processor, **arguments)
    trainer.data_collator = PairCollator(processor) if "frozen_cache" not in arguments else trainer.data_collator
    return trainer


def losses(trainer) -> list[float]:
    """Train; the losses of all steps and evaluations."""
    trainer.train()
    return [row[name] for row in trainer.state.log_history for name in ("loss", "eval_loss") if name in row]


def fill(folder: Path, seconds: float) -> int:
    """Cache a frozen AST's output for eight recordings, one file and `seconds` for each; how many were computed."""
    folder, model, computed = Path(folder), make_model(), []
    model.freeze_towers(1, 0)
    cache = FrozenFeatureCache(
        folder / "cache", model, KobzaProcessor(KobzaFeatureExtractor(), make_tokenizer(folder)), 1
    )
    forward_frozen = cache.audio.forward_frozen

    def slow(values):
        time.sleep(seconds)
        computed.append(len(values))
        return forward_frozen(values)

    cache.audio.forward_frozen = slow
    cache.precompute(PairDataset(make_recordings(folder, 8)))
    return sum(computed)
