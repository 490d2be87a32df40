"""Every recipe from the command to the checkpoint, on a few pieces with tiny towers; and the files of a run."""

import json
import os
import re
import subprocess
import sys

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from kobza.embedding.checkpoint import Checkpoint
from kobza.training.recipe import recipe_names
from kobza.training.run import main

QUICK = [
    "--per_device_train_batch_size",
    "4",
    "--early_stopping_patience",
    "1",
    "--early_stopping_threshold",
    "1000",
    "--use_cpu",
]


@pytest.fixture(scope="module")
def pieces(tmp_path_factory):
    return str(tmp_path_factory.mktemp("pieces"))


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    return tmp_path_factory.mktemp("runs")


def train(recipe, pieces, out, *more):
    made = ["--synthetic", "--pieces", "8", "--data", pieces, "--output_dir", str(out)]
    return main([recipe, *made, *QUICK, "--disable_tqdm=true", *more])


@pytest.mark.parametrize("recipe", recipe_names())
def test_every_recipe_trains_stops_early_and_saves(recipe, pieces, runs):
    assert train(recipe, pieces, runs / recipe) == 0
    history = json.loads((runs / recipe / "history.json").read_text())
    evaluations = [row for row in history if "eval_loss" in row]
    assert [row["epoch"] for row in evaluations] == [1, 2]  # of 80: no second loss is lower by 1000
    assert all(np.isfinite(row["loss"]) for row in history if "loss" in row)
    checkpoint = Checkpoint.load(str(runs / recipe), "cpu")
    assert checkpoint.fingerprint and checkpoint.embed_text(["a slow piano"]).shape == (1, 128)
    metrics = json.loads((runs / recipe / "test_results.json").read_text())
    assert {"test_R@1", "test_mAP10", "test_loss", "test_music_to_text_MedR"} <= metrics.keys()


ELSEWHERE = """
import sys
sys.modules["kobza"] = None  # as if it were not installed
import torch
from transformers import AutoModel, AutoProcessor

for folder in sys.argv[1:]:
    model = AutoModel.from_pretrained(folder, trust_remote_code=True)
    processor = AutoProcessor.from_pretrained(folder, trust_remote_code=True)
    inputs = processor(text=["a slow piano"], audio=[torch.zeros(16000)], sampling_rate=16000)
    print("SCORE", model(**inputs).logits_per_text.item())
"""


def test_transformers_alone_loads_every_recipes_checkpoint(runs, pieces, tmp_path):
    folders = sorted(str(runs / recipe) for recipe in recipe_names() if (runs / recipe / "config.json").is_file())
    if not folders:  # when this test runs alone
        assert train("model_6", pieces, runs / "model_6") == 0
        folders = [str(runs / "model_6")]
    environment = {**os.environ, "HF_HOME": str(tmp_path / "hf"), "HF_HUB_OFFLINE": "1", "CUDA_VISIBLE_DEVICES": ""}
    environment.pop("HF_MODULES_CACHE", None)
    command = [sys.executable, "-c", ELSEWHERE, *folders]
    done = subprocess.run(command, env=environment, cwd=tmp_path, capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stderr[-3000:]
    assert len(re.findall(r"^SCORE -?\d", done.stdout, re.M)) == len(folders)


def test_a_run_documents_itself(pieces, tmp_path, capsys):
    out = tmp_path / "my-run"
    given = ["--text", "mix", "--spec_augment", "--mixup", "0.5", "--negatives_bank", "8"]
    given += ["--loss_type", "clip:1", "siglip:0.5"]
    assert train("model_2", pieces, out, *given, "--seed", "7") == 0
    card = (out / "README.md").read_text()
    assert "# my-run" in card and "recipe `model_2` on 8 pairs that Kobza composed itself" in card
    assert "| temperature | 2.0 |" in card and "| seed | 7 |" in card and str(tmp_path) not in card
    assert "| loss_type | clip:1 siglip:0.5 |" in card and "| negatives_bank | 8 |" in card
    assert json.loads((out / "config.json").read_text())["loss_type"] == "siglip"
    assert re.search(r"These are the weights of step \d, the evaluation with the best `eval_loss`\.", card)
    assert "| test | 2 | guessing | 0.500 | 1.000 | 1.000 | 0.500 | 0.500 | 0.750 |" in card
    assert (out / "curves.png").stat().st_size > 5000
    split = json.loads((out / "split.json").read_text())
    assert [len(split["splits"][name]) for name in ("train", "validation", "test")] == [8, 2, 2]
    settings = json.loads((out / "settings.json").read_text())
    assert settings["model"]["towers"] == "tiny"  # the name of --init in the files of 0.1.0, whose runs can be resumed
    published = [path for path in out.iterdir() if path.is_file() and path.suffix in (".json", ".md")]
    assert not any(str(tmp_path) in path.read_text() for path in published)

    # The same command again: the run had finished, so nothing is trained; with another setting, an error.
    weights = (out / "model.safetensors").read_bytes()
    before = sorted(path.name for path in out.glob("checkpoint-*"))
    assert train("model_2", pieces, out, *given, "--seed", "7") == 0
    assert (out / "model.safetensors").read_bytes() == weights
    assert sorted(path.name for path in out.glob("checkpoint-*")) == before
    assert train("model_2", pieces, out, *given, "--seed", "8") == 1
    assert "was started with seed 7 and cannot be resumed with 8: give another --output_dir" in capsys.readouterr().err


def test_a_finished_run_without_evaluations_ends_with_its_last_weights_again(pieces, tmp_path):
    settings = ["--eval_strategy=no", "--no_load_best_model_at_end", "--num_train_epochs=2"]
    assert train("model_1", pieces, tmp_path, *settings) == 0
    weights = load_file(tmp_path / "model.safetensors")
    assert "These are the weights of the last step, 4.\n" in (tmp_path / "README.md").read_text()
    assert train("model_1", pieces, tmp_path, *settings) == 0
    again = load_file(tmp_path / "model.safetensors")
    assert all(torch.equal(value, again[name]) for name, value in weights.items())


STEPS = ["--max_steps=1", "--eval_strategy=no", "--save_strategy=no", "--no_load_best_model_at_end"]


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["model_66", "--synthetic"], "There is no recipe 'model_66': did you mean 'model_6'?"),
        (["model_6"], "There is nothing to train on: give --data FOLDER"),
        (["model_6", "--data", "/nowhere"], "There is no folder"),
        (["model_6", "--synthetic", "--temperature_form", "half"], "temperature_form is 'half', but must be one of"),
        (["model_6", "--synthetic", "--text_trainable_layers", "9"], "text_trainable_layers is 9, but the tower has 6"),
        (["model_6", "--synthetic", "--audio_trainable_layers", "-2"], "audio_trainable_layers is -2: give 0 or more"),
        (["model_6", "--synthetic", "--resume_from_checkpoint", "x"], "--resume_from_checkpoint has no effect"),
        (["model_6", "--synthetic"], "The 8 recordings to train on do not fill one batch of 64: give a smaller"),
        (["model_6", "--synthetic", "--init=random", "--text_tower=no/such"], "of the tower no/such cannot be loaded"),
        (["model_6", "--data", "hub:someone/music"], "is endless and has no epochs: give --max_steps"),
        (["model_6", "--data", "x.tar", "--mixup=0.5", *STEPS], "--mixup draws a second recording of a folder, which"),
    ],
)
def test_invalid_arguments_are_an_error_of_one_sentence(arguments, sentence, pieces, tmp_path, capsys):
    more = [] if "--data" in arguments or "--synthetic" not in arguments else ["--data", pieces, "--pieces", "8"]
    assert main([*arguments, *more, "--output_dir", str(tmp_path)]) == 1
    error = capsys.readouterr().err
    assert sentence in error and error.count("\n") == 1 and "Traceback" not in error


def test_the_frozen_cache_is_reused_by_the_next_run(pieces, tmp_path):
    cache = ["--frozen_cache", str(tmp_path / "cache")]
    assert train("model_6", pieces, tmp_path / "one", *cache) == 0
    kept = {path: path.stat().st_mtime_ns for path in (tmp_path / "cache").rglob("*.safetensors")}
    assert train("model_6", pieces, tmp_path / "two", *cache, "--gradient_cache_chunk", "3") == 0
    assert kept == {path: path.stat().st_mtime_ns for path in (tmp_path / "cache").rglob("*.safetensors")} != {}
    settings = json.loads((tmp_path / "two" / "settings.json").read_text())["training"]
    assert settings["frozen_cache"] == "cache" and settings["gradient_cache_chunk"] == 3


@pytest.mark.parametrize("setting", ["--text=mix", "--spec_augment", "--wave_augment", "--mixup=0.5"])
def test_random_augmentation_is_refused_with_the_frozen_cache(setting, pieces, tmp_path, capsys):
    assert train("model_1", pieces, tmp_path, setting, "--frozen_cache", str(tmp_path / "cache")) == 1
    assert "every epoch must hold the same pairs: leave out --text, --spec_augment, --wave" in capsys.readouterr().err


def test_a_run_ends_its_process_group(pieces, tmp_path):
    torch.distributed.init_process_group("gloo", store=torch.distributed.HashStore(), rank=0, world_size=1)
    assert train("model_1", pieces, tmp_path, "--max_steps=1", "--eval_strategy=no", "--no_load_best_model_at_end") == 0
    assert not torch.distributed.is_initialized()
