"""Listening needs neither torch nor transformers: all of it runs where they are not installed, and where they are it
leaves them alone. What does need them says so in one sentence."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent / "torch_free"
ROOT = Path(__file__).resolve().parents[1]


def run(tmp_path: Path, torch: str, *argv: object) -> subprocess.CompletedProcess:
    """Run Python where torch is "hidden" or "watched"."""
    path = os.pathsep.join([str(HERE), *filter(None, [os.environ.get("PYTHONPATH")])])
    env = os.environ | {"PYTHONPATH": path, "TORCH": torch, "TORCH_LOG": str(tmp_path / "imported")}
    env |= {"CUDA_VISIBLE_DEVICES": ""}  # on a GPU torch would be wanted
    argv = [sys.executable, *map(str, argv)]
    return subprocess.run(argv, capture_output=True, text=True, env=env, timeout=280)


@pytest.mark.parametrize(("torch", "how_much"), [("hidden", "all"), ("watched", "some")])
def test_listening_imports_no_torch(tmp_path, torch, how_much):
    (tmp_path / "home").mkdir()
    done = run(tmp_path, torch, HERE / "listening.py", tmp_path / "home", how_much)
    assert done.returncode == 0, done.stderr[-4000:]
    assert not (tmp_path / "imported").exists(), (tmp_path / "imported").read_text()


def folder_of(kind: str, tmp_path: Path) -> Path:
    """A checkpoint's folder without weights, which nobody reads before torch is there."""
    (tmp_path / kind).mkdir()
    config = {"model_type": kind}
    if kind == "kobza":
        config["audio_config"] = {"model_type": "resnet"}
    (tmp_path / kind / "config.json").write_text(json.dumps(config))
    (tmp_path / kind / "processor_config.json").write_text("{}")
    return tmp_path / kind


@pytest.mark.parametrize(
    ("what", "extra", "argv"),
    [
        ("KobzaModel", "torch", ["-c", "from kobza import KobzaModel"]),
        ("Checkpoint", "torch", ["-c", "from kobza import Checkpoint"]),
        ("train.py", "train", [ROOT / "train.py", "model_6", "--synthetic"]),
        ("The build", "build", ["-m", "kobza.distill", "all", "--work", "work"]),
        ("kobza push", "torch", ["-m", "kobza", "push", "me/mine", "--dry-run"]),
        ("kobza doctor", "torch", ["-m", "kobza", "doctor"]),
        ("kobza export onnx", "onnx", ["-m", "kobza", "export", "onnx", "out"]),
        ("The benchmark training", "bench", ["-m", "kobza", "bench", "training"]),
        *[("The model {}", "torch", ["-m", "kobza", "demo", "--model", kind]) for kind in ("clap", "clvp", "kobza")],
    ],
)
def test_what_needs_torch_says_so_in_one_sentence(tmp_path, what, extra, argv):
    if argv[-2] == "--model":
        folder = folder_of(argv[-1], tmp_path)
        what, argv = what.format(folder), [*argv[:-1], folder, "--folder", tmp_path / "demo"]
    done = run(tmp_path, "hidden", *argv)
    said = [line for line in done.stderr.splitlines() if "PyTorch" in line]
    assert done.returncode and len(said) == 1, done.stderr
    assert said[0].endswith(f"{what} needs PyTorch: run `pip install 'kobza[{extra}]'`.")
    assert argv[0] == "-c" or "Traceback" not in done.stderr
