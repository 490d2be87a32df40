import pytest
import torch
from safetensors.torch import load_file

from kobza.distill import labelling
from kobza.distill.audio_shards import MIXTURE_WEIGHTS, cut_windows
from kobza.distill.augment import without_augmentation
from kobza.distill.labelling import LabelledWindows, label_changed, label_unchanged


class CountingTeachers:
    def __init__(self, teachers):
        self.teachers, self.windows = teachers, 0

    def __call__(self, audio):
        self.windows += len(audio.teacher)
        return self.teachers(audio)


def test_a_label_file_holds_the_windows_and_what_all_teachers_say(shard_folder, label_folder, teachers):
    content = load_file(label_folder / "unchanged" / "real" / "aaa.safetensors")
    shapes = {name: tuple(value.shape) for name, value in content.items()}
    assert shapes == {"waves": (8, 160_000), "logits": (8, 627), "embedding": (8, 384), "cells": (8, 64, 4, 32)}
    audio = without_augmentation(cut_windows(load_file(shard_folder / "real" / "aaa.safetensors")["audio"])[:2])
    expected = torch.cat([teachers.tagger(audio.teacher).logits, teachers.msd(audio.student)], 1)
    torch.testing.assert_close(content["logits"][:2, :577], expected, atol=1e-3, rtol=1e-3)
    torch.testing.assert_close(content["waves"][:2] / 32767, audio.student, atol=1e-4, rtol=0)


def test_only_what_has_no_label_file_is_labelled(shard_folder, teachers, tmp_path):
    counting = CountingTeachers(teachers)
    assert label_unchanged(shard_folder, tmp_path, counting, part=0, parts=2) == 1
    assert counting.windows == 8
    first = next(tmp_path.rglob("*.safetensors"))
    before = first.stat().st_mtime_ns
    (first.parent / f".{first.name}.0123.part").write_bytes(b"as a kill while writing leaves it")
    assert label_unchanged(shard_folder, tmp_path, counting) == 1
    assert label_unchanged(shard_folder, tmp_path, counting) == 0
    assert counting.windows == 16 and first.stat().st_mtime_ns == before


def test_changed_windows_come_from_the_training_audio_and_are_made_once(shard_folder, teachers, tmp_path, monkeypatch):
    monkeypatch.setattr(labelling, "WINDOWS_PER_FILE", 2)
    counting = CountingTeachers(teachers)
    assert label_changed(shard_folder, tmp_path, 3, counting) == 2
    assert label_changed(shard_folder, tmp_path, 3, counting) == 0
    assert counting.windows == 4
    one, other = (load_file(tmp_path / "changed" / f"{number:06d}.safetensors") for number in (0, 1))
    assert not torch.equal(one["waves"], other["waves"])
    (tmp_path / "changed" / "000001.safetensors").unlink()
    label_changed(shard_folder, tmp_path, 3, counting)  # the number is the seed
    assert torch.equal(load_file(tmp_path / "changed" / "000001.safetensors")["waves"], other["waves"])
    with pytest.raises(ValueError, match="No labelled held-out windows"):
        LabelledWindows(tmp_path, held_out=True)


def test_windows_for_training_and_for_evaluation_are_apart(label_folder):
    training, held_out = LabelledWindows(label_folder), LabelledWindows(label_folder, held_out=True)
    assert len(training) == len(held_out) == 8
    a, b = training.batch(range(8)), held_out.batch(range(8))
    assert not any(torch.equal(x, y) for x in a.waves for y in b.waves)
    assert a.waves.abs().max() <= 1 and a.logits.shape == (8, 627)


def label_file(path, value, windows):
    """A label file whose logits all have a value."""
    content = {"waves": (windows, 160), "logits": (windows, 627), "embedding": (windows, 384)}
    content = {name: torch.full(shape, float(value)) for name, shape in content.items()}
    content |= {"cells": torch.zeros(windows, 64, 4, 32), "waves": torch.zeros(windows, 160, dtype=torch.int16)}
    labelling._write(content, path)


def test_kinds_and_changed_windows_are_drawn_at_their_shares(tmp_path):
    label_file(tmp_path / "unchanged" / "songs" / "aaa.safetensors", 1, 3)
    label_file(tmp_path / "unchanged" / "real" / "aaa.safetensors", 2, 30)
    label_file(tmp_path / "changed" / "000000.safetensors", 3, 5)
    windows = LabelledWindows(tmp_path)
    drawn = windows.sample(2000, torch.Generator().manual_seed(0)).logits[:, 0]
    share = {value: float((drawn == value).float().mean()) for value in (1, 2, 3)}
    unchanged = 1 - labelling.CHANGED_SHARE
    known = MIXTURE_WEIGHTS["songs"] + MIXTURE_WEIGHTS["real"]
    total = unchanged * known + labelling.CHANGED_SHARE
    assert share[1] == pytest.approx(unchanged * MIXTURE_WEIGHTS["songs"] / total, abs=0.04)
    assert share[2] == pytest.approx(unchanged * MIXTURE_WEIGHTS["real"] / total, abs=0.04)
    assert torch.equal(windows.logits("songs"), torch.ones(3, 627))
    assert windows.spread(4) == [0, 10, 20, 30]
    assert windows.spread(100) == list(range(38))
