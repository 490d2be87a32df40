"""Pairs of random tensors and a trainer on them, for tests of training that need no audio."""

import numpy as np
import torch
from tiny import TINY_AUDIO, TINY_TEXT, make_model

from kobza.training.arguments import KobzaTrainingArguments
from kobza.training.trainer import KobzaTrainer

NO_DROPOUT = {"hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0}


class TensorPairs(torch.utils.data.Dataset):
    """n random pairs, as `dataset.PairDataset` and the processor make them."""

    def __init__(self, n: int, keys: list[str] | None = None):
        rng = np.random.default_rng(n)
        self.ids = torch.from_numpy(rng.integers(5, 80, (n, 6)))
        self.values = torch.from_numpy(rng.standard_normal((n, 1024, 128), dtype=np.float32))
        self.keys = keys or [f"{i}.flac" for i in range(n)]

    def __len__(self):
        return len(self.ids)

    def __getitem__(self, index):
        return {"input_ids": self.ids[index], "input_values": self.values[index], "key": self.keys[index]}


def collate(items: list[dict]) -> dict:
    batch = {name: torch.stack([item[name] for item in items]) for name in ("input_ids", "input_values")}
    return {**batch, "attention_mask": torch.ones_like(batch["input_ids"]), "keys": [item["key"] for item in items]}


def model_without_dropout(**fields):
    """A tiny model without dropout: the same weights and batch give the same gradient."""
    return make_model(text_config={**TINY_TEXT, **NO_DROPOUT}, audio_config={**TINY_AUDIO, **NO_DROPOUT}, **fields)


def make_trainer(
    out, model=None, train=8, validation=6, callbacks=None, processor=None, losses=None, **arguments
) -> KobzaTrainer:
    """A trainer whose sets are `TensorPairs` of these sizes, or those given; it saves nothing by default."""
    arguments = {"save_strategy": "no", "load_best_model_at_end": False, "early_stopping_patience": 0, **arguments}
    args = KobzaTrainingArguments(output_dir=str(out), use_cpu=True, disable_tqdm=True, **arguments)
    sets = [TensorPairs(part) if isinstance(part, int) else part for part in (train, validation)]
    return KobzaTrainer(
        model or model_without_dropout(),
        args,
        processor,
        *sets,
        data_collator=collate,
        callbacks=callbacks,
        losses=losses,
    )
