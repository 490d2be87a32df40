"""Mixed losses, and a bank of negatives: its loss is part of that of one large batch; it is kept and resumed."""

from dataclasses import replace

import pytest
import torch
import torch.nn.functional as F
from pairs import TensorPairs, make_trainer, model_without_dropout
from recorded import losses, make_recordings, recorded_trainer
from safetensors.torch import load_file
from torch import nn

from kobza.model.loss_kobza import LOSSES
from kobza.training.losses import KeyLogits, loss_weights, weighted_key_loss, weighted_loss
from kobza.training.model_factory import build_model
from kobza.training.negatives_bank import FILE, EmbeddedPairs, NegativesBank
from kobza.training.recipe import parse_arguments

N, BANK = 5, 7
STEPS = {"per_device_train_batch_size": 4, "eval_strategy": "no", "logging_strategy": "steps", "logging_steps": 1}


def some_pairs(n: int, seed: int, recordings: list[int] | None = None, captions: list[int] | None = None):
    rng = torch.Generator().manual_seed(seed)
    text, audio = (F.normalize(torch.randn(n, 8, generator=rng), dim=1) for _ in range(2))
    numbers = [torch.tensor(given or range(100 * seed, 100 * seed + n)) for given in (recordings, captions)]
    return EmbeddedPairs(text, audio, *numbers)


def similarity(one: torch.Tensor, two: torch.Tensor) -> torch.Tensor:
    return one @ two.t() * 3 - 1


def key_logits(batch: EmbeddedPairs, keys: EmbeddedPairs) -> KeyLogits:
    return KeyLogits(similarity(batch.text, keys.audio), similarity(batch.audio, keys.text), batch.same(keys))


def formula(name: str, logits: torch.Tensor, same: torch.Tensor, n: int) -> torch.Tensor:
    """The first n pairs' part of the loss over all, as the papers print it."""
    total = torch.tensor(0.0)
    for i in range(n):
        others = [j for j in range(len(logits)) if j != i and not same[i, j]]
        pair, there, back = logits[i, i].exp(), logits[i, others].exp(), logits[others, i].exp()
        if name == "clip":
            total -= ((pair / (pair + there.sum())).log() + (pair / (pair + back.sum())).log()) / 2
        elif name == "mulan":
            total -= (pair / (there.sum() + back.sum())).log()
        else:
            total -= (pair / (1 + pair)).log()
            for row, column, j in zip(there, back, others, strict=True):  # a cell between two of the n is met twice
                total += ((1 + row).log() + (1 + column).log()) * (0.5 if j < n else 1.0)
    return total / n


@pytest.mark.parametrize("name", LOSSES)
@pytest.mark.parametrize(("recordings", "captions"), [(None, None), ([3, 4, 4, 5, 201], [202, 6, 7, 8, 9])])
def test_the_loss_against_keys_is_the_batchs_part_of_the_loss_over_both(name, recordings, captions):
    batch, bank = some_pairs(N, 1, recordings, captions), some_pairs(BANK, 2)  # which has recordings 200 to 206
    every = batch.joined(bank)
    found = weighted_key_loss({name: 1.0}, key_logits(batch, every))
    torch.testing.assert_close(found, formula(name, similarity(every.text, every.audio), batch.same(every), N))
    square, alone = similarity(batch.text, batch.audio), weighted_key_loss({name: 1.0}, key_logits(batch, batch))
    torch.testing.assert_close(alone, LOSSES[name](square, batch.same(batch)))  # while the bank is empty
    torch.testing.assert_close(alone, formula(name, square, batch.same(batch), N))


def test_the_same_recording_and_the_same_caption_are_the_same():
    batch = some_pairs(N, 1, recordings=[1, 2, 3, 4, 4], captions=[5, 6, 7, 8, 9])
    keys = some_pairs(3, 3, recordings=[4, 9, 9], captions=[6, 9, 4])
    assert batch.same(keys).int().tolist() == [[0, 0, 0], [1, 0, 0], [0, 0, 0], [1, 0, 0], [1, 1, 0]]


def test_the_bank_keeps_the_last_keys():
    bank = NegativesBank(6, nn.Linear(1, 1))
    steps = [some_pairs(4, seed) for seed in (1, 2, 3)]
    seen = [bank.add(step) for step in steps]
    assert [len(keys.text) for keys in seen] == [4, 8, 10]
    for keys, step in zip(seen, steps, strict=True):
        assert torch.equal(keys.text[:4], step.text)  # a batch's own come first
    expected = steps[0].joined(steps[1]).joined(steps[2])
    assert all(torch.equal(found, value[-6:]) for found, value in zip(bank.pairs, expected, strict=True))
    bank.add(some_pairs(20, 4))  # more than fit
    assert len(bank.pairs.text) == 6


def test_a_mixed_loss_is_the_weighted_sum():
    batch, weights = some_pairs(N, 1), {"clip": 1.0, "siglip": 0.5, "mulan": 2.0}
    logits, against = similarity(batch.text, batch.audio), key_logits(batch, batch.joined(some_pairs(BANK, 2)))
    parts = {name: loss(logits).item() for name, loss in LOSSES.items()}
    expected = parts["clip"] + 0.5 * parts["siglip"] + 2 * parts["mulan"]
    assert weighted_loss(weights, logits).item() == pytest.approx(expected, rel=1e-5)
    parts = {name: weighted_key_loss({name: 1.0}, against).item() for name in LOSSES}
    expected = parts["clip"] + 0.5 * parts["siglip"] + 2 * parts["mulan"]
    assert weighted_key_loss(weights, against).item() == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize(
    "given", [["clop"], ["clip:0"], ["clip", "clip:2"], ["clip:-1"], ["clip:x"], ["clip:1,siglip:2"]]
)
def test_losses_that_are_none_are_an_error(given):
    with pytest.raises(ValueError, match=r"is not a sum of losses: give one of clip, mulan, siglip, or several"):
        loss_weights(given)


def test_a_mixed_loss_is_written_in_a_recipe_as_on_the_command_line(tmp_path):
    recipe = tmp_path / "mixed.yaml"
    recipe.write_text("base: model_6\ninit: tiny\nloss_type: [clip:1, siglip:0.5]\n")
    _, model_args, _, _ = parse_arguments([str(recipe)])
    _, same, _, _ = parse_arguments(["model_6", "--init", "tiny", "--loss_type", "clip:1", "siglip:0.5"])
    assert model_args == same and loss_weights(same.loss_type) == {"clip": 1.0, "siglip": 0.5}
    model, _ = build_model(model_args, ["slow piano"])
    assert model.config.loss_type == "siglip" and model.logit_bias.item() == -10  # which siglip needs
    x, y = torch.randn(4, 128), torch.randn(4, 128)
    without_bias = LOSSES["clip"](model.similarity(x, y) + 10)
    torch.testing.assert_close(LOSSES["clip"](model.similarity(x, y)), without_bias, atol=1e-5, rtol=1e-4)


def test_a_model_learns_from_a_mixed_loss(tmp_path):
    model = model_without_dropout(loss_type="siglip")
    weights = {"clip": 1.0, "siglip": 0.5}
    trainer = make_trainer(tmp_path, model, max_steps=12, learning_rate=3e-3, losses=weights, **STEPS)
    start = trainer.evaluate()["eval_loss"]
    parts = [make_trainer(tmp_path, model, losses={name: 1.0}).evaluate()["eval_loss"] for name in weights]
    assert start == pytest.approx(parts[0] + 0.5 * parts[1], rel=1e-5)
    trainer.train()
    found = [row["loss"] for row in trainer.state.log_history if "loss" in row]
    assert found[-1] < 0.8 * found[0]


def bank_run(out, resume=None, max_steps=6, **more):
    arguments = {
        "max_steps": max_steps, "learning_rate": 1e-2, "negatives_bank": 10, "save_strategy": "steps", "save_steps": 2,
        **STEPS, **more,
    }  # fmt: skip
    trainer = make_trainer(out, model_without_dropout(temperature_learned=True), train=16, **arguments)
    trainer.train(resume_from_checkpoint=resume)
    return trainer


def logged(trainer) -> list[float]:
    return [row["loss"] for row in trainer.state.log_history if "loss" in row]


def test_a_resumed_run_goes_on_with_the_bank(tmp_path):
    whole = bank_run(tmp_path)
    weights = {name: value.clone() for name, value in whole.model.state_dict().items()}
    kept = load_file(tmp_path / "checkpoint-4" / FILE)
    assert [len(kept[name]) for name in EmbeddedPairs._fields] == [10] * 4 and kept["steps"] == 4
    resumed = bank_run(tmp_path, str(tmp_path / "checkpoint-4"))
    assert logged(resumed)[-2:] == logged(whole)[-2:]
    assert all(torch.equal(value, weights[name]) for name, value in resumed.model.state_dict().items())
    without = bank_run(tmp_path / "without", negatives_bank=0)
    assert logged(without)[0] == logged(whole)[0]  # the bank is empty
    assert all(bank > batch + 0.1 for bank, batch in zip(logged(whole)[1:3], logged(without)[1:3], strict=True))


def test_the_trainer_tells_the_bank_what_is_the_same(tmp_path):
    arguments = {"max_steps": 4, "learning_rate": 0.0, "negatives_bank": 8, **STEPS}
    one = make_trainer(tmp_path, train=TensorPairs(8, keys=["a.flac"] * 8), **arguments)
    one.train()
    assert logged(one) == [0.0] * 4  # nothing to compare with, in the batch or in the bank
    other = make_trainer(tmp_path, train=TensorPairs(8), **arguments)
    other.train()
    assert min(logged(other)[1:]) > logged(other)[0] + 0.3


def test_the_bank_works_with_the_caches(tmp_path, tiny_processor):
    recordings = make_recordings(tmp_path, 11)

    def run(name: str, captions=None, **arguments) -> list[float]:
        model = model_without_dropout(audio_extra_layers=1)
        model.freeze_towers(1, 0)
        arguments = {"learning_rate": 1e-3, "negatives_bank": 8, "eval_strategy": "no", **arguments}
        named = [replace(one, caption=captions or one.caption) for one in recordings]
        return losses(recorded_trainer(tmp_path / name, model, tiny_processor, named, **arguments))

    plain, cache = run("plain"), {"frozen_cache": str(tmp_path / "cache")}
    assert run("cache", **cache) == pytest.approx(plain, abs=1e-5)
    assert run("chunks", gradient_cache_chunk=3) == pytest.approx(plain, abs=1e-5)
    for name, more in (("same", {}), ("cached", cache)):  # all have one caption: there are no negatives
        assert run(name, captions="slow piano", **more) == [0.0] * 4


def test_a_negative_bank_is_an_error(tmp_path):
    with pytest.raises(ValueError, match="--negatives_bank is -1: give how many pairs to keep"):
        make_trainer(tmp_path, negatives_bank=-1)
