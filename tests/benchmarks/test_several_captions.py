import numpy as np
import torch

from kobza.benchmarks.several_captions import WAYS, loss, rows_of_epoch
from kobza.model.loss_kobza import clip_loss


def test_the_ways_differ_only_where_a_recording_has_several_captions():
    logits = torch.randn(6, 6, generator=torch.Generator().manual_seed(0))
    alone, twice = torch.eye(6, dtype=torch.bool), torch.arange(6)[:, None] // 2 == torch.arange(6)[None] // 2
    ways = list(dict.fromkeys(way for way, _ in WAYS))
    for way in ways:
        torch.testing.assert_close(loss(way, logits, alone), clip_loss(logits))
    perfect = torch.where(twice, 9.0, -9.0)
    assert all(loss(way, perfect, twice) < 1e-3 for way in ways) and clip_loss(perfect) > 0.69
    assert len({round(loss(way, logits, twice).item(), 4) for way in ways}) == 3


def test_an_epoch_has_each_caption_or_each_recording_once():
    for batches in ("together", "random", "one of each"):
        rows = rows_of_epoch(batches, np.random.default_rng(0))
        assert len(set(rows.tolist())) == len(rows) == (400 if batches == "one of each" else 1600)
