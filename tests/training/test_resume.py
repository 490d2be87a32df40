"""A killed and resumed run ends with exactly the weights of an uninterrupted one."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import torch
from safetensors.torch import load_file

from kobza.training.run import main
from kobza.training.trainer import last_checkpoint

TRAIN = Path(__file__).parents[2] / "train.py"


def command(pieces, out):
    """All randomness is on: crops, texts, waveforms, masks, mixup, dropout; and checkpoints in mid-epoch."""
    settings = {
        "pieces": 12,
        "data": pieces,
        "output_dir": out,
        "text": "mix",
        "mixup": 0.5,
        "spec_augment": True,
        "wave_augment": True,
        "audio_trainable_layers": 2,
        "negatives_bank": 8,
        "temperature_learned": True,
        "temperature": 4.7,  # beyond the limit, to which each training step brings it back
        "per_device_train_batch_size": 3,
        "learning_rate": 1e-3,
        "max_steps": 10,
        "eval_strategy": "steps",
        "eval_steps": 3,
        "save_strategy": "steps",
        "save_steps": 3,
        "save_total_limit": 9,
        "early_stopping_patience": 0,
        "disable_tqdm": True,
        "use_cpu": True,
    }
    return ["model_8", "--synthetic", *(f"--{name}={value}" for name, value in settings.items())]


def test_a_killed_and_resumed_run_equals_an_uninterrupted_one(tmp_path):
    assert main(command(tmp_path / "pieces", tmp_path / "whole")) == 0

    # another process with as many threads, because sums of floats depend on how they are divided among threads
    environment = {**os.environ, "OMP_NUM_THREADS": str(torch.get_num_threads()), "CUDA_VISIBLE_DEVICES": ""}
    out = tmp_path / "killed"
    with (tmp_path / "log").open("w") as log:
        child = subprocess.Popen(
            [sys.executable, str(TRAIN), *command(tmp_path / "pieces", out)], stdout=log, stderr=log, env=environment
        )
        while not (out / "checkpoint-3" / "whole").exists() and child.poll() is None:
            time.sleep(0.005)
        child.kill()
        child.wait()
    assert last_checkpoint(out) is not None, (tmp_path / "log").read_text()[-3000:]
    assert not (out / "README.md").exists()  # killed before its end
    began_at = last_checkpoint(out).name
    assert main(command(tmp_path / "pieces", out)) == 0

    for state in sorted(tmp_path.glob("whole/checkpoint-*")):
        expected, found = (load_file(place / state.name / "model.safetensors") for place in (tmp_path / "whole", out))
        assert found.keys() == expected.keys()
        different = [name for name in expected if not torch.equal(found[name], expected[name])]
        assert not different, f"resumed from {began_at}, at {state.name} {different[:3]} and so on differ"
    assert load_file(out / "model.safetensors").keys() == load_file(tmp_path / "whole" / "model.safetensors").keys()
    whole, resumed = (json.loads((place / "history.json").read_text()) for place in (tmp_path / "whole", out))
    assert [row["eval_loss"] for row in whole if "eval_loss" in row] == [
        row["eval_loss"] for row in resumed if "eval_loss" in row
    ]
