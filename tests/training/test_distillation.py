import shutil

import pytest
import torch
from safetensors.torch import load_file
from tiny import TINY_AUDIO
from transformers import ASTConfig

from kobza.training import distillation, lessons
from kobza.training.bridge import Bridge
from kobza.training.lessons import Lessons
from kobza.training.student import Student, Targets

TINY = {name: value for name, value in TINY_AUDIO.items() if name != "model_type"}
HELD_OUT = "aaj"  # see conftest


def settings(**changes):
    return distillation.Settings(
        **{"steps": 6, "batch": 4, "warmup": 2, "save_every": 2, "columns": 8, "tower": TINY, **changes}
    )


@pytest.fixture(scope="module")
def axes():
    return torch.linalg.qr(torch.randn(527, 16, generator=torch.Generator().manual_seed(2))).Q


@pytest.mark.parametrize("patch", [32, 16])
def test_all_columns_are_the_whole_tower(patch):
    config = ASTConfig(**{**TINY, "patch_size": patch, "frequency_stride": patch, "time_stride": patch})
    learner = Student(config, 16).eval()
    mel = torch.randn(2, 1024, 128)
    with torch.no_grad():
        pooled, tokens = learner.encode(mel, torch.arange(32))
        whole = learner.audio_model(mel)
    torch.testing.assert_close(pooled, whole.pooler_output)
    grid = whole.last_hidden_state[:, 2:].view(2, 4, 32 // patch, 32, 32 // patch, 32).mean((2, 4))
    torch.testing.assert_close(tokens, grid.flatten(1, 2))


def test_a_crop_cuts_the_same_moment_out_of_both(monkeypatch):
    monkeypatch.setattr(lessons, "disguise", lambda mel, rng: mel)
    moment = torch.arange(32.0)
    batch = {
        "input_values": moment.repeat_interleave(32)[None, :, None].expand(3, 1024, 128),
        "cells": moment.expand(3, 64, 4, 32),
    }
    mel, cells, columns = lessons.crop(batch, 8, torch.Generator().manual_seed(5))
    assert mel.shape == (3, 256, 128) and cells.shape == (3, 64, 4, 8)
    assert torch.equal(cells[0, 0, 0], columns.float())
    assert torch.equal(mel[0, ::32, 0], columns.float())


def test_a_disguise_changes_the_recording_and_not_the_music():
    loud = torch.zeros(400, 256, 128)
    loud[:, 100:140, 40:60] = 1.5  # a sound that stands out
    disguised = lessons.disguise(loud, torch.Generator().manual_seed(0))
    assert disguised.shape == loud.shape and torch.isfinite(disguised).all()
    contrast = disguised[:, 100:140, 40:60].mean((1, 2)) - disguised.mean((1, 2))
    assert (contrast > 0.5).float().mean() > 0.9  # it still does
    assert disguised[:, 0, 0].std() > 0.1  # at another loudness each time
    missing = (disguised == 0).flatten(1).any(1).float().mean()
    assert 0.6 < missing < 0.9  # a band in half, a moment in half
    again = lessons.disguise(loud, torch.Generator().manual_seed(0))
    assert torch.equal(disguised, again)


def bridged(folder, axes):
    """A bridge of these axes, by the statistics of the lessons."""
    heard = Lessons(folder).statistics()
    width = axes.shape[1]
    return Bridge(torch.zeros(width, 4), torch.zeros(width), axes, heard["logits_mean"], heard["logits_std"])


def test_held_out_tracks_are_not_lessons(lesson_folder):
    taught, held_out = Lessons(lesson_folder), Lessons(lesson_folder, held_out=True)
    assert len(taught) == len(held_out) == 6
    assert {path.stem for path, _ in held_out.index} == {HELD_OUT}


def test_targets_are_standardised_and_of_unit_length(lesson_folder, teacher, axes):
    taught = Lessons(lesson_folder)
    targets = Targets(teacher, taught.statistics(), axes)
    said = targets(taught.batch(list(range(6)))["cells"])
    assert said["cells"].shape == (6, 128, 64)
    for name in ("cells", "logits", "embedding"):
        flat = said[name].flatten(0, -2)
        torch.testing.assert_close(flat.mean(0), torch.zeros(flat.shape[1]), atol=0.05, rtol=0)
        assert 0.8 < flat.std() < 1.2
    torch.testing.assert_close(said["direction"].norm(dim=1), torch.ones(6))


def test_the_rate_rises_stays_and_falls_to_zero():
    plan = settings(steps=100, warmup=10, fall=0.2)
    rates = [distillation.rate(step, plan) for step in range(101)]
    assert rates[0] == pytest.approx(0.1)
    assert set(rates[10:80]) == {1.0}
    assert rates[90] == pytest.approx(0.5)
    assert rates[100] == 0.0


def test_it_learns_what_the_teacher_hears(lesson_folder, teacher, axes, tmp_path):
    plan = settings(steps=60, batch=6, learning_rate=3e-3, save_every=60)
    learner = distillation.train(lesson_folder, tmp_path, teacher, bridged(lesson_folder, axes), plan)
    targets = Targets(teacher, load_file(tmp_path / "statistics.safetensors"), axes)
    torch.manual_seed(0)
    before = Student(ASTConfig(**TINY), 16)
    taught = Lessons(lesson_folder)
    start, end = (distillation.evaluate(learner_, targets, taught, "cpu") for learner_ in (before, learner))
    assert all(end[name] < 0.8 * start[name] for name in ("direction", "embedding", "logits")), (start, end)
    assert end["cells"] < start["cells"]


def test_a_stopped_run_goes_on_to_the_same_weights(lesson_folder, teacher, axes, tmp_path, monkeypatch):
    whole = distillation.train(
        lesson_folder, tmp_path / "whole", teacher, bridged(lesson_folder, axes), settings()
    ).state_dict()
    save = distillation._save

    def save_and_die(state, path):
        save(state, path)
        if state["step"] == 4:
            raise KeyboardInterrupt

    monkeypatch.setattr(distillation, "_save", save_and_die)
    with pytest.raises(KeyboardInterrupt):
        distillation.train(lesson_folder, tmp_path / "stopped", teacher, bridged(lesson_folder, axes), settings())
    monkeypatch.setattr(distillation, "_save", save)
    resumed = distillation.train(
        lesson_folder, tmp_path / "stopped", teacher, bridged(lesson_folder, axes), settings()
    ).state_dict()
    assert all(torch.equal(value, resumed[name]) for name, value in whole.items())
    torch.testing.assert_close(load_file(tmp_path / "stopped" / "student.safetensors"), resumed)


def test_no_lessons_is_one_sentence(tmp_path):
    with pytest.raises(ValueError, match=r"No labelled windows in .*: run the labelling stage first"):
        Lessons(tmp_path)


def test_a_loss_that_is_no_number_stops_the_run(lesson_folder, teacher, axes, tmp_path):
    (tmp_path / "lessons").mkdir()
    for path in lesson_folder.iterdir():
        shutil.copy(path, tmp_path / "lessons")
    with pytest.raises(FloatingPointError, match="The loss is nan at step 0"):
        distillation.train(
            tmp_path / "lessons", tmp_path / "out", teacher, bridged(lesson_folder, axes * torch.nan), settings()
        )
