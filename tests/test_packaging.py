"""What a user of the package relies on before any music is heard: names, versions, the command alone, no network."""

import logging
import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import yaml

import kobza
from kobza.cli import main
from kobza.embedding.checkpoint_folder import find_checkpoint

ROOT = Path(__file__).resolve().parents[1]


def run(*argv, **env) -> subprocess.CompletedProcess:
    return subprocess.run([sys.executable, *argv], capture_output=True, text=True, env=os.environ | env, timeout=100)


def test_the_version_is_the_same_everywhere():
    assert tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["hatch"]["version"] == {
        "path": "src/kobza/__init__.py"
    }
    newest = re.search(r"^## (\S+) \(\d{4}-\d\d-\d\d\)$", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)
    assert newest[1] == yaml.safe_load((ROOT / "CITATION.cff").read_text())["version"] == kobza.__version__


def test_version_and_help(capsys):
    with pytest.raises(SystemExit) as leaving:
        main(["--version"])
    assert leaving.value.code == 0 and capsys.readouterr().out == f"kobza {kobza.__version__}\n"
    assert main([]) == 2
    out, err = capsys.readouterr()
    assert not out and err.startswith("usage: kobza") and "search" in err


def test_it_runs_as_a_module():
    said = run("-m", "kobza", "--version")
    assert (said.returncode, said.stdout) == (0, f"kobza {kobza.__version__}\n")


def test_public_names():
    assert {*kobza.__all__, "__version__"} == set(dir(kobza))
    for name in kobza.__all__:
        assert getattr(kobza, name).__name__ == name
    for name in ("AudioError", "CheckpointError", "LibraryError", "PushError"):
        assert issubclass(getattr(kobza, name), kobza.KobzaError)
    assert issubclass(kobza.KobzaError, ValueError)
    assert (Path(kobza.__file__).parent / "py.typed").is_file()
    with pytest.raises(AttributeError, match="no attribute 'Lute'"):
        kobza.Lute  # noqa: B018


def test_what_needs_no_model_loads_no_torch():
    code = """
import sys, kobza
assert "numpy" not in sys.modules
kobza.Hit, kobza.Track, kobza.Moment, kobza.LibraryError, kobza.AudioError, kobza.CheckpointError, kobza.KobzaError
assert "torch" not in sys.modules and "transformers" not in sys.modules
"""
    said = run("-c", code)
    assert said.returncode == 0, said.stderr


def test_a_checkpoint_that_cannot_be_fetched_is_one_sentence_with_a_way_out(tmp_path):
    code = "from kobza.embedding.checkpoint_folder import find_checkpoint; find_checkpoint('kobza/kobza-mini')"
    said = run("-c", code, HF_HUB_OFFLINE="0", HF_ENDPOINT="http://127.0.0.1:9", HF_HOME=str(tmp_path))
    sentence = said.stderr.splitlines()[-1]
    assert sentence.startswith("kobza.embedding.checkpoint_folder.CheckpointError: ") and "Retry" not in said.stderr
    for part in ("kobza/kobza-mini", "hf download", "model.safetensors", "--model FOLDER"):
        assert part in sentence


def test_the_hub_clients_retries_are_not_shown(monkeypatch, caplog):
    logger = logging.getLogger("huggingface_hub.utils._http")

    def fetch(*_, **__):
        logger.warning("Retrying in 1s [Retry 1/5].")
        raise OSError("no network")

    monkeypatch.setattr("huggingface_hub.snapshot_download", fetch)
    with pytest.raises(kobza.CheckpointError, match="could be fetched from the Hub"):
        find_checkpoint("kobza/kobza-mini")
    assert not caplog.records
    logger.warning("Retrying a command of somebody else's")
    assert len(caplog.records) == 1


@pytest.mark.parametrize("name", ["test", "release"])
def test_workflows_run_files_that_are_there(name):
    text = (ROOT / ".github" / "workflows" / f"{name}.yml").read_text()
    assert yaml.safe_load(text)["jobs"]
    named = re.findall(r"(?:\.ci|hub|docs)/[\w./-]*\w", text)
    assert named and all((ROOT / path).exists() for path in named)
