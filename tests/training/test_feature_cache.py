"""Files of tensors: written atomically, of one fingerprint, and deleted when damaged, to be computed again."""

import os
import pickle

import pytest
import torch
from tiny import TINY_RESNET, make_model

from kobza.training.feature_cache import FeatureFiles, fingerprint
from kobza.training.frozen_split import TextSplit, audio_split


def rows(n: int, start: int = 0) -> dict:
    return {f"{k:03}": torch.full((k + 1, 4), float(k)) for k in range(start, start + n)}


def filled(folder, fingerprint="one") -> FeatureFiles:
    files = FeatureFiles(folder, fingerprint)
    files.write(rows(3))
    files.write(rows(3, start=3))
    return files


def test_written_tensors_are_read_by_later_runs_and_workers(tmp_path):
    before = filled(tmp_path)
    after = FeatureFiles(tmp_path, "one")
    after.scan(repair=True)
    for files in (before, after, pickle.loads(pickle.dumps(after))):
        assert all(torch.equal(files[key], row) for key, row in rows(6).items()) and "007" not in files
    batch = torch.arange(12.0).reshape(3, 4)
    after.write({"a": batch[0], "b": batch[2]})  # rows of the same storage
    assert torch.equal(after["b"], batch[2])
    assert not list(tmp_path.rglob("*.part")) and len(list(tmp_path.rglob("*.safetensors"))) == 3


def test_tensors_of_another_fingerprint_are_not_read(tmp_path):
    filled(tmp_path)
    other = FeatureFiles(tmp_path, "two")
    other.scan(repair=True)
    assert "000" not in other
    other.write(rows(1))
    assert len(list(tmp_path.iterdir())) == 2


def cut_off(path):
    os.truncate(path, path.stat().st_size - 8)


def empty(path):
    path.write_bytes(b"")


def flip(path):
    data = bytearray(path.read_bytes())
    data[-3] ^= 0x40
    path.write_bytes(data)


def of_another(path):
    filled(path.parent.parent, "two")
    os.replace(path.parent.parent / "two" / path.name, path)


@pytest.mark.parametrize(
    ("damage", "reason"),
    [(cut_off, "cannot be read"), (empty, "cannot be read"), (flip, "is damaged"), (of_another, "by another model")],
)
def test_a_damaged_or_foreign_file_is_deleted_with_a_warning(damage, reason, tmp_path, caplog):
    filled(tmp_path)
    path = sorted((tmp_path / "one").glob("*.safetensors"))[0]
    damage(path)
    files = FeatureFiles(tmp_path, "one")
    files.scan(repair=True)
    assert path.name in caplog.text and reason in caplog.text and "computed again" in caplog.text
    assert not path.exists() and sum(key in files for key in rows(6)) == 3


def test_partial_files_are_ignored_and_old_ones_deleted(tmp_path):
    files = filled(tmp_path)
    old, new = files.folder / "a.1.part", files.folder / "b.2.part"
    for path in (old, new):
        path.write_bytes(b"half")
    os.utime(old, (0, 0))
    files.scan(repair=True)
    assert not old.exists() and new.exists() and "000" in files


def test_the_fingerprint_depends_on_what_is_frozen_and_nothing_else():
    weights = make_model().state_dict()

    def of(split=audio_split, trainable=1, change=None, settings=1, **fields):
        model = make_model(**fields)
        if "audio_config" not in fields:
            model.load_state_dict(weights, strict=False)
        model.freeze_towers(trainable, trainable)
        if change:
            dict(model.named_parameters())[change].data.add_(1e-6)
        return fingerprint(split(model), about=settings)

    same = of()
    assert len(same) == 16 and same == of() == of(loss_type="siglip", temperature=2.0, projection="mlp")
    assert same == of(change="audio_model.layers.1.mlp.fc1.weight") == of(change="text_projection.weight")
    others = [
        of(change="audio_model.layers.0.mlp.fc1.weight"),
        of(change="audio_model.embeddings.cls_token"),
        of(trainable=0),
        of(trainable=0, audio_extra_layers=1),
        of(settings=2),
        of(audio_config=TINY_RESNET),
        of(TextSplit),
        of(TextSplit, change="text_model.encoder.layer.0.output.dense.bias"),
    ]
    assert len({same, *others}) == len(others) + 1
    assert of(trainable=0) == of(trainable=0, change="text_projection.weight")


def test_the_home_folder_is_expanded(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    assert FeatureFiles("~/cache", "one").folder == tmp_path / "cache" / "one"
