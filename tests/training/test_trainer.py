"""The trainer on random tensors: loss, metrics, stopping, and flags of Trainer that change nothing."""

import math

import numpy as np
import pytest
import torch
from pairs import TensorPairs, collate, make_trainer, model_without_dropout
from safetensors.torch import load_file

from kobza.evaluation.metrics import retrieval_metrics
from kobza.model.loss_kobza import LOSSES
from kobza.training.trainer import KobzaTrainer, TrainingError, last_checkpoint


def embed(model, pairs):
    with torch.no_grad():
        batch = collate([pairs[i] for i in range(len(pairs))])
        batch.pop("keys")
        return model(**batch)


@pytest.mark.parametrize("loss", LOSSES)
def test_metrics_are_of_the_whole_set_whatever_the_batch(loss, tmp_path):
    model, pairs = model_without_dropout(loss_type=loss), TensorPairs(7)
    found = []
    for batch in (2, 3, 16):  # 7 pairs leave a last batch of 1, 1 and 7
        trainer = make_trainer(
            tmp_path, model, validation=pairs, per_device_eval_batch_size=batch, per_device_train_batch_size=4
        )
        metrics = trainer.evaluate()
        found.append({name: value for name, value in metrics.items() if "@" in name or name == "eval_loss"})
    assert all(other == pytest.approx(found[0], abs=1e-5) for other in found)
    output = embed(model.eval(), pairs)
    expected = LOSSES[loss](model.similarity(output.text_embeds, output.audio_embeds)).item()
    assert found[0]["eval_loss"] == pytest.approx(expected, abs=1e-5)
    there = retrieval_metrics(output.logits_per_text.numpy())
    back = retrieval_metrics(output.logits_per_audio.numpy())
    assert metrics["eval_MeanR"] == there["MeanR"] and metrics["eval_music_to_text_MeanR"] == back["MeanR"]
    assert metrics["eval_mAP10"] == pytest.approx(there["mAP10"]) and metrics["eval_R@1"] == there["R@1"]


def test_two_captions_of_a_recording_are_both_right(tmp_path):
    pairs = TensorPairs(6, keys=["a", "b", "a", "c", "b", "c"])
    for first, second in ((0, 2), (1, 4), (3, 5)):
        pairs.values[second] = pairs.values[first]
    model = model_without_dropout()
    metrics = make_trainer(tmp_path, model, validation=pairs).evaluate()
    output = embed(model.eval(), pairs)
    similarity = (output.text_embeds @ output.audio_embeds[[0, 1, 3]].T).numpy()  # of 6 captions and 3 recordings
    owner = [0, 1, 0, 2, 1, 2]
    wrong_above = [(row > row[right]).sum() for row, right in zip(similarity, owner, strict=True)]
    assert metrics["eval_MeanR"] == pytest.approx(np.mean(wrong_above))
    assert metrics["eval_R@5"] == metrics["eval_music_to_text_R@5"] == 1.0


def test_a_nan_loss_stops_training_before_the_weights_change(tmp_path):
    train = TensorPairs(8)
    train.values[5, 100, 7] = math.nan
    model = model_without_dropout()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    trainer = make_trainer(tmp_path, model, train=train, per_device_train_batch_size=8, max_steps=2)
    with pytest.raises(TrainingError, match=r"The loss is nan at step 1: .* lower --learning_rate"):
        trainer.train()
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())


@pytest.mark.parametrize("engine", ["is_fsdp_enabled", "is_deepspeed_enabled"])
@pytest.mark.parametrize("cache", [{"frozen_cache": "cache"}, {"gradient_cache_chunk": 2}])
def test_caches_are_refused_with_engines_that_divide_the_model(cache, engine, tmp_path, monkeypatch):
    create = KobzaTrainer.create_accelerator_and_postprocess

    def create_with_engine(trainer):  # as `accelerate launch` would set it up on GPUs
        create(trainer)
        setattr(trainer, engine, True)

    monkeypatch.setattr(KobzaTrainer, "create_accelerator_and_postprocess", create_with_engine)
    monkeypatch.setattr("kobza.training.trainer.prepare_sharding", lambda state, model: None)
    make_trainer(tmp_path)  # neither cache
    with pytest.raises(ValueError, match="do not work with FSDP or DeepSpeed: use neither"):
        make_trainer(tmp_path, **cache)


def test_the_last_smaller_batch_of_an_epoch_is_skipped(tmp_path):
    trainer = make_trainer(tmp_path, train=7, per_device_train_batch_size=3)
    assert [len(batch["keys"]) for batch in trainer.get_train_dataloader()] == [3, 3]


def test_mulans_learning_rate_decays_in_steps(tmp_path):
    trainer = make_trainer(
        tmp_path,
        per_device_train_batch_size=4,
        max_steps=7,
        learning_rate=1e-3,
        lr_decay=0.9,
        lr_decay_steps=3,
        logging_strategy="steps",
        logging_steps=1,
        eval_strategy="no",
    )
    trainer.train()
    rates = [row["learning_rate"] for row in trainer.state.log_history if "learning_rate" in row]
    assert rates == pytest.approx([1e-3] * 3 + [0.9e-3] * 3 + [0.81e-3])


def test_all_best_weights_are_restored(tmp_path, tiny_processor):
    """The rate is so high that the first evaluation is the best; Trainer alone would silently lose an AST's weights."""
    model = model_without_dropout()
    trainer = make_trainer(
        tmp_path,
        model,
        processor=tiny_processor,
        per_device_train_batch_size=4,
        learning_rate=0.1,
        num_train_epochs=6,
        early_stopping_patience=2,
        save_strategy="epoch",
        load_best_model_at_end=True,
        report_to="tensorboard",
    )
    trainer.train()
    losses = [row["eval_loss"] for row in trainer.state.log_history if "eval_loss" in row]
    best = int(np.argmin(losses))
    assert len(losses) == best + 3 < 6  # two evaluations of patience, and no further
    state = tmp_path / f"checkpoint-{2 * (best + 1)}"
    assert str(state) == trainer.state.best_model_checkpoint
    saved = load_file(state / "model.safetensors")
    assert saved.keys() == model.state_dict().keys()
    assert all(torch.equal(value, saved[name]) for name, value in model.state_dict().items())
    assert last_checkpoint(tmp_path).name == f"checkpoint-{2 * len(losses)}"
    assert list(tmp_path.rglob("events.out.tfevents.*"))


def test_an_incomplete_checkpoint_is_ignored(tmp_path):
    for step in (2, 9, 10):
        (tmp_path / f"checkpoint-{step}").mkdir()
    assert last_checkpoint(tmp_path) is None
    for step in (2, 9):
        (tmp_path / f"checkpoint-{step}" / "whole").touch()
    assert last_checkpoint(tmp_path) == tmp_path / "checkpoint-9"


@pytest.mark.parametrize(
    ("flags", "tolerance"),
    [
        ({"gradient_checkpointing": True}, 1e-6),
        ({"torch_compile": True, "torch_compile_backend": "eager"}, 1e-5),
        ({"bf16": True}, 2e-2),
        ({"gradient_accumulation_steps": 2, "max_steps": 2}, None),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else None,
)
def test_flags_of_trainer_work(flags, tolerance, tmp_path):
    def losses(**more):
        arguments = {"per_device_train_batch_size": 4, "max_steps": 3, "logging_strategy": "steps", "logging_steps": 1}
        trainer = make_trainer(tmp_path, train=12, eval_strategy="no", **{**arguments, **more})
        trainer.train()
        assert all(value.isfinite().all() for value in trainer.model.state_dict().values())
        return [row["loss"] for row in trainer.state.log_history if "loss" in row] + [trainer.evaluate()["eval_loss"]]

    found = losses(**flags)
    if tolerance is not None:
        assert found == pytest.approx(losses(), abs=tolerance)
    else:
        assert len(found) == 3 and np.isfinite(found).all()
