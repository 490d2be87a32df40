"""The fingerprint is computed once for files that stay as they are, and again for any that do not."""

import os
import shutil
from pathlib import Path

import pytest

from kobza.embedding import kept_fingerprint as module
from kobza.embedding.checkpoint_folder import CheckpointError, fingerprint
from kobza.embedding.kept_fingerprint import kept_fingerprint


@pytest.fixture
def folder(tiny_checkpoint, tmp_path, monkeypatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(module, "MIN_SECONDS", 0.0)
    return Path(shutil.copytree(tiny_checkpoint, tmp_path / "checkpoint"))


@pytest.fixture
def computed(monkeypatch) -> list:
    calls: list = []
    monkeypatch.setattr(module, "fingerprint", lambda folder: calls.append(folder) or fingerprint(folder))
    return calls


def change_weights(folder: Path) -> None:
    """One bit, with the same size and modification time."""
    path = folder / "model.safetensors"
    status, data = path.stat(), bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))


def test_it_is_computed_once(folder, computed):
    assert kept_fingerprint(folder) == kept_fingerprint(folder) == fingerprint(folder) and len(computed) == 1
    assert kept_fingerprint(Path(f"{folder}/../{folder.name}")) == fingerprint(folder) and len(computed) == 1


def test_any_change_computes_it_again(folder, computed):
    before = kept_fingerprint(folder)
    change_weights(folder)
    assert kept_fingerprint(folder) == fingerprint(folder) != before and len(computed) == 2
    (folder / "model.safetensors").unlink()
    assert kept_fingerprint(folder) == fingerprint(folder) and len(computed) == 3
    (folder / "config.json").unlink()
    with pytest.raises(CheckpointError, match=r"has no config\.json"):
        kept_fingerprint(folder)


def test_what_has_just_changed_is_not_kept(folder, computed, monkeypatch):
    monkeypatch.setattr(module, "MIN_SECONDS", 3600.0)
    assert kept_fingerprint(folder) == kept_fingerprint(folder) and len(computed) == 2


@pytest.mark.parametrize("content", ["", "{}", "[]", '{"state": 1, "fingerprint": "x"}', "[" * 200_000])
def test_a_damaged_note_is_not_believed(folder, computed, tmp_path, content):
    kept_fingerprint(folder)
    (note,) = (tmp_path / "cache/kobza").glob("fingerprint-*.json")
    note.write_text(content)
    assert kept_fingerprint(folder) == fingerprint(folder) and len(computed) == 2
    assert kept_fingerprint(folder) and len(computed) == 2


def test_a_link_that_leads_nowhere_is_no_file(folder, computed):
    """Such as what Emacs puts beside a file that is being edited."""
    os.symlink("me@host.1234", folder / ".#config.json")
    assert kept_fingerprint(folder) == kept_fingerprint(folder) == fingerprint(folder) and len(computed) == 1
