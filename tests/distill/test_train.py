import pytest
import torch
from safetensors.torch import load_file
from tiny import TINY_AUDIO
from transformers import ASTConfig, ASTModel

from kobza.distill import train as distillation
from kobza.distill.label_space import LabelSpace
from kobza.distill.labelling import LabelledWindows
from kobza.distill.student import (
    DistillationTargets,
    Student,
    channel_statistics,
    distillation_losses,
    fit_heads,
    keep_better_projection,
)
from kobza.distill.train import DistillationSettings
from kobza.distill.training_state import TrainingState

TINY = {name: value for name, value in TINY_AUDIO.items() if name != "model_type"}
DIM = 16


def settings(**changes):
    return DistillationSettings(
        **{"steps": 6, "batch": 4, "warmup": 2, "save_every": 2, "learning_rate": 3e-3, "tower": TINY, **changes}
    )


@pytest.fixture(autouse=True)
def few_windows(monkeypatch):
    monkeypatch.setattr(distillation, "HELD_OUT_WINDOWS", 4)


@pytest.fixture(scope="module")
def space(label_folder):
    """A label space with random axes and the statistics of the recordings."""
    axes = torch.linalg.qr(torch.randn(627, DIM, generator=torch.Generator().manual_seed(2))).Q
    blank = LabelSpace(torch.zeros(DIM, 4), torch.zeros(DIM), axes, torch.zeros(627), torch.ones(627))
    return blank.with_statistics(LabelledWindows(label_folder).logits("real"))


@pytest.fixture(scope="module")
def tower():
    """The weights of an earlier audio tower."""
    torch.manual_seed(5)
    return {f"audio_model.{name}": value for name, value in ASTModel(ASTConfig(**TINY)).state_dict().items()}


@pytest.mark.parametrize("patch", [32, 16])
def test_there_is_a_token_for_each_cell_of_the_teachers_map(patch):
    config = ASTConfig(**{**TINY, "patch_size": patch, "frequency_stride": patch, "time_stride": patch})
    student = Student(config, DIM).eval()
    mel = torch.randn(2, 1024, 128)
    with torch.no_grad():
        pooled, tokens = student.encode(mel)
        whole = student.audio_model(mel)
    torch.testing.assert_close(pooled, whole.pooler_output)
    side = 32 // patch
    grid = whole.last_hidden_state[:, 2:].view(2, 4 * side, 32 * side, 32)  # bands of frequency, columns of time
    last = grid[:, 3 * side :, 31 * side :].mean((1, 2))
    torch.testing.assert_close(tokens[:, -1], last)
    assert tokens.shape == (2, 128, 32)


def test_targets_are_standardised_and_directions_have_unit_length(label_folder, space):
    batch = LabelledWindows(label_folder).batch(range(8))
    targets = DistillationTargets(space, channel_statistics([batch]))(batch)
    assert targets["cells"].shape == (8, 128, 64)
    for name in ("cells", "logits", "embedding"):
        flat = targets[name].flatten(0, -2)
        torch.testing.assert_close(flat.mean(0), torch.zeros(flat.shape[1]), atol=0.05, rtol=0)
        assert 0.7 < flat.std() < 1.2
    torch.testing.assert_close(targets["direction"], space.project_audio(batch.logits))
    assert DistillationTargets(space, {})(batch).keys() == {"logits", "direction"}


def test_losses_are_zero_for_a_student_that_equals_the_teachers():
    student = Student(ASTConfig(**TINY), DIM)
    pooled, tokens = torch.randn(5, 32), torch.randn(5, 128, 32)
    with torch.no_grad():
        perfect = {"cells": student.cells(tokens), "embedding": student.embedding(pooled)}
        perfect |= {"logits": student.logits(pooled)}
        perfect |= {"direction": torch.nn.functional.normalize(student.audio_projection(pooled), dim=-1)}
        losses = distillation_losses(student, pooled, tokens, perfect, torch.ones(627))
        swapped = distillation_losses(student, pooled.flip(0), tokens, perfect, torch.ones(627))
    assert all(abs(float(value)) < 1e-5 for value in losses.values()), losses
    assert all(float(swapped[name]) > 0.01 for name in ("embedding", "logits", "direction", "relation"))


def test_logits_count_as_the_axes_weight_them(space):
    first = space._replace(axes=torch.cat([space.axes[:1], torch.zeros(626, DIM)]))
    weights = DistillationTargets(first, {}).get_buffer("label_weights")
    torch.testing.assert_close(weights, torch.cat([torch.tensor([627.0]), torch.zeros(626)]))
    student = Student(ASTConfig(**TINY), DIM, from_scratch=False)
    pooled, tokens = torch.randn(3, 32), torch.randn(3, 128, 32)
    targets = {"logits": student.logits(pooled).detach(), "direction": torch.eye(3, DIM)}
    targets["logits"][:, 1:] += 5
    losses = distillation_losses(student, pooled, tokens, targets, weights)
    assert losses["logits"] < 1e-6 and losses.keys() == {"direction", "relation", "logits"}


def test_heads_of_a_tower_that_has_learned_begin_at_their_least_squares_solution():
    student = Student(ASTConfig(**TINY), DIM, from_scratch=False)
    pooled = torch.randn(4000, 32)
    projection, logits = torch.randn(32, DIM), torch.randn(32, 627)
    fit_heads(student, pooled, {"direction": pooled @ projection + 1, "logits": pooled @ logits - 1})
    with torch.no_grad():
        found = student.audio_projection(pooled), student.logits(pooled)
    for head, wanted in zip(found, (pooled @ projection + 1, pooled @ logits - 1), strict=True):
        assert (head - wanted).square().mean() < 0.01 * wanted.var()


def test_an_earlier_projection_is_kept_where_it_belongs_to_the_space():
    student = Student(ASTConfig(**TINY), DIM, from_scratch=False)
    pooled, fitted = torch.randn(50, 32), student.audio_projection.weight.detach().clone()
    right = {"weight": torch.randn(DIM, 32), "bias": torch.zeros(DIM)}
    directions = pooled @ right["weight"].T
    keep_better_projection(student, {**right, "weight": -right["weight"]}, pooled, directions)
    assert torch.equal(student.audio_projection.weight, fitted)
    keep_better_projection(student, right, pooled, directions)
    assert torch.equal(student.audio_projection.weight, right["weight"])


def losses_of(student, folder, space, out):
    windows = LabelledWindows(folder)
    statistics = load_file(out / "statistics.safetensors") if (out / "statistics.safetensors").exists() else {}
    return distillation.evaluate(student, DistillationTargets(space, statistics), windows)


def test_training_from_scratch_reduces_the_losses(label_folder, space, tmp_path):
    plan = settings(steps=60, save_every=60)
    student = distillation.train(label_folder, tmp_path, space, plan)
    torch.manual_seed(0)
    start = Student(ASTConfig(**TINY), DIM)
    start.load_state_dict(load_file(tmp_path / "start.safetensors"))
    before, after = (losses_of(s.eval(), label_folder, space, tmp_path) for s in (start, student))
    assert all(after[name] < 0.9 * before[name] for name in ("direction", "embedding", "cells")), (before, after)


def test_training_goes_on_from_an_earlier_tower(label_folder, space, tower, tmp_path):
    plan = settings(from_scratch=False)
    student = distillation.train(label_folder, tmp_path, space, plan, start=tower)
    start = load_file(tmp_path / "start.safetensors")
    assert torch.equal(start["audio_model.layernorm.weight"], tower["audio_model.layernorm.weight"])
    assert not any(name.startswith(("cells", "embedding")) for name in student.state_dict())
    with pytest.raises(ValueError, match="needs the weights to start from"):
        distillation.train(label_folder, tmp_path / "none", space, plan)


@pytest.mark.parametrize("from_scratch", [True, False])
def test_an_interrupted_run_resumes_to_the_same_weights(
    from_scratch, label_folder, space, tower, tmp_path, monkeypatch, interrupt_at
):
    plan = settings(from_scratch=from_scratch)
    whole = distillation.train(label_folder, tmp_path / "whole", space, plan, tower).state_dict()
    with interrupt_at(4):
        distillation.train(label_folder, tmp_path / "stopped", space, plan, tower)
    monkeypatch.setattr(distillation, "prepare", None)  # done before
    resumed = distillation.train(label_folder, tmp_path / "stopped", space, plan, tower).state_dict()
    assert all(torch.equal(value, resumed[name]) for name, value in whole.items())
    torch.testing.assert_close(load_file(tmp_path / "stopped" / "student.safetensors"), dict(resumed))


def test_the_result_is_the_running_mean_of_the_weights(tmp_path):
    student = Student(ASTConfig(**TINY), DIM, from_scratch=False)
    state = TrainingState(tmp_path, student, [])
    before = student.logits.bias.detach().clone()
    with torch.no_grad():
        student.logits.bias += 1
    state.count_step()
    with state.averaged():
        torch.testing.assert_close(student.logits.bias, before + 0.02)
    torch.testing.assert_close(student.logits.bias, before + 1)
    state.finish(tmp_path / "student.safetensors")
    torch.testing.assert_close(load_file(tmp_path / "student.safetensors")["logits.bias"], before + 0.02)
    torch.testing.assert_close(student.logits.bias, before + 0.02)


def test_most_inputs_are_disguised_and_their_labels_are_those_of_the_clean_window(label_folder):
    windows, plan = LabelledWindows(label_folder), settings(batch=32)
    mel, batch = distillation.student_inputs(windows, 7, plan)
    clean = distillation.feature_extractor().log_mel(batch.waves)
    share = (mel - clean).abs().amax((1, 2)).lt(1e-6).float().mean()
    assert 0 < share < 0.5
    again, other = (distillation.student_inputs(windows, step, plan)[0] for step in (7, 8))
    assert torch.equal(mel, again) and not torch.equal(mel, other)


def test_a_loss_that_is_not_finite_stops_the_run_before_its_state_is_saved(label_folder, space, tmp_path):
    with pytest.raises(FloatingPointError, match="not finite at step 2"):
        distillation.train(label_folder, tmp_path, space._replace(axes=space.axes * torch.nan), settings())
    assert not (tmp_path / "state.pt").exists()
