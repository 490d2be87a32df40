"""Learning rates by group, schedules, averaged weights and LoRA."""

import json

import pytest
import torch
from pairs import TensorPairs, collate, make_trainer, model_without_dropout
from safetensors.torch import load_file

from kobza.embedding.checkpoint import Checkpoint
from kobza.training.adapters import add_adapters, has_adapters, merged
from kobza.training.trainer import last_checkpoint
from kobza.training.weight_average import WeightAverage

STEPS = {"per_device_train_batch_size": 4, "eval_strategy": "no", "logging_strategy": "steps", "logging_steps": 1}


def rates(trainer) -> dict[str, float]:
    names = {parameter: name for name, parameter in trainer.model.named_parameters()}
    groups = trainer.create_optimizer().param_groups
    return {names[parameter]: group["lr"] for group in groups for parameter in group["params"]}


def test_heads_towers_and_layers_have_their_own_rates(tmp_path):
    model = model_without_dropout(audio_extra_layers=1, temperature_learned=True)
    plain = make_trainer(tmp_path, model, learning_rate=1e-3)
    assert set(rates(plain).values()) == {1e-3} and len(plain.optimizer.param_groups) == 2  # Trainer's own
    found = rates(make_trainer(tmp_path, model, learning_rate=1e-3, tower_learning_rate=1e-4, layer_lr_decay=0.5))
    assert found.keys() == dict(model.named_parameters()).keys()
    for name, rate in {
        "text_projection.weight": 1e-3,
        "audio_extra_layers.0.attention.q_proj.weight": 1e-3,
        "logit_scale": 1e-3,
        "text_model.encoder.layer.1.output.dense.weight": 1e-4,
        "text_model.encoder.layer.0.output.dense.weight": 0.5e-4,
        "text_model.embeddings.word_embeddings.weight": 0.25e-4,
        "audio_model.layernorm.weight": 1e-4,
        "audio_model.embeddings.cls_token": 0.25e-4,
    }.items():
        key = name if name in found else next(other for other in found if other.startswith(name[:22]))
        assert found[key] == pytest.approx(rate), key
    trainer = make_trainer(tmp_path, model, learning_rate=1e-3, tower_learning_rate=0.0, max_steps=2, **STEPS)
    before = {name: value.clone() for name, value in model.state_dict().items()}
    trainer.train()
    changed = {name for name, value in model.state_dict().items() if not torch.equal(value, before[name])}
    assert changed and not any(name.startswith(("text_model.", "audio_model.")) for name in changed)
    decays = {group["weight_decay"] for group in make_trainer(
        tmp_path, model, tower_learning_rate=1e-4, weight_decay=0.1
    ).create_optimizer().param_groups}  # fmt: skip
    assert decays == {0.0, 0.1}


def test_the_rate_is_stable_and_falls_in_the_last_tenth(tmp_path):
    trainer = make_trainer(
        tmp_path,
        train=4,
        max_steps=20,
        learning_rate=1e-3,
        warmup_steps=2,
        lr_scheduler_type="warmup_stable_decay",
        **STEPS,
    )
    trainer.train()
    found = [row["learning_rate"] for row in trainer.state.log_history if "learning_rate" in row]
    assert found[:3] == pytest.approx([0, 0.5e-3, 1e-3]) and found[2:19] == pytest.approx([1e-3] * 17)
    assert found[19] == pytest.approx(0.5e-3)


def test_the_average_is_that_of_all_weights_so_far():
    layer = torch.nn.Linear(1, 1, bias=False)
    average, expected = WeightAverage(layer, 0.9), layer.weight.item()
    for step, value in enumerate((1.0, 2.0, 4.0)):
        layer.weight.data.fill_(value)
        average.update()
        decay = min(0.9, (1 + step) / (10 + step))
        expected = decay * expected + (1 - decay) * value
    with average.applied():
        assert layer.weight.item() == pytest.approx(expected)
    assert layer.weight.item() == 4.0


def averaged_run(out, max_steps=6, best=False, resume=None):
    trainer = make_trainer(
        out,
        per_device_train_batch_size=4,
        max_steps=max_steps,
        learning_rate=1e-2,
        ema_decay=0.8,
        eval_strategy="steps",
        eval_steps=3,
        save_strategy="steps",
        save_steps=3,
        load_best_model_at_end=best,
        report_to="none",
    )
    trainer.train(resume_from_checkpoint=resume)
    return trainer


def test_the_average_is_evaluated_saved_and_resumed(tmp_path):
    whole = averaged_run(tmp_path / "whole")
    final = {name: value.clone() for name, value in whole.model.state_dict().items()}
    saved = load_file(tmp_path / "whole" / "checkpoint-6" / "model.safetensors")
    assert all(torch.equal(value, saved[name]) for name, value in final.items())
    kept = load_file(tmp_path / "whole" / "checkpoint-6" / "average.safetensors")
    assert any(
        not torch.equal(kept[f"weights.{name}"], value) for name, value in final.items() if f"weights.{name}" in kept
    )
    last = [row["eval_loss"] for row in whole.state.log_history if "eval_loss" in row][-1]
    assert whole.evaluate()["eval_loss"] == pytest.approx(last, abs=1e-6)  # after training too
    resumed = averaged_run(tmp_path / "whole", resume=str(tmp_path / "whole" / "checkpoint-3"))
    assert all(torch.equal(value, final[name]) for name, value in resumed.model.state_dict().items())


def test_lora_trains_frozen_layers_and_is_saved_merged(tmp_path, tiny_processor):
    model = model_without_dropout()
    model.freeze_towers(1, 0)
    add_adapters(model, 2)
    names = {name for name, parameter in model.named_parameters() if parameter.requires_grad}
    assert any(name.startswith("audio_model.layers.0.") and "lora_A" in name for name in names)
    assert any(name.startswith("text_model.encoder.layer.1.") and "lora" not in name for name in names)
    assert not any(name.startswith("text_model.encoder.layer.1.") and "lora" in name for name in names)
    before = {name: value.clone() for name, value in model.state_dict().items()}
    trainer = make_trainer(
        tmp_path, model, processor=tiny_processor, max_steps=4, learning_rate=1e-2, save_strategy="steps", save_steps=2,
        max_grad_norm=0.0, per_device_train_batch_size=4, eval_strategy="no",
    )  # fmt: skip
    trainer.train()
    changed = {name for name, value in model.state_dict().items() if not torch.equal(value, before[name])}
    assert changed == names and last_checkpoint(tmp_path).name == "checkpoint-4"
    trainer.save_model()
    assert has_adapters(model) and not has_adapters(merged(model))
    loaded = Checkpoint.load(str(tmp_path), "cpu").model
    batch = collate([TensorPairs(5)[k] for k in range(5)])
    batch.pop("keys")
    with torch.no_grad():
        expected, found = model.eval()(**batch), loaded(**batch)
    with torch.no_grad():
        plain = merged(model)(**batch)
    for name in ("text_embeds", "audio_embeds"):
        torch.testing.assert_close(plain[name], expected[name], atol=1e-6, rtol=1e-5)
        torch.testing.assert_close(found[name], plain[name], atol=5e-4, rtol=0)  # checkpoints have half precision
    assert not any("lora" in name or "base_layer" in name for name in load_file(tmp_path / "model.safetensors"))
    assert "peft" not in json.dumps(json.loads((tmp_path / "config.json").read_text()))
    free = model_without_dropout()
    with pytest.raises(
        ValueError, match="no layer with attention is frozen: freeze some, as with --text_trainable_layers 0"
    ):
        add_adapters(free, 2)
