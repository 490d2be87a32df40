"""Slow tests: a trained model finds unseen pieces, and a full-size one trains for ten steps."""

import json

import numpy as np
import pytest
from safetensors.torch import load_file

from kobza.training.run import main


@pytest.mark.slow
def test_model_1_trains_at_full_size(tmp_path):
    """BERT-base and AST-base with random weights: real sizes, no download."""
    made = ["--synthetic", "--init", "random", "--pieces", "8", "--data", str(tmp_path / "pieces")]
    steps = ["--max_steps=10", "--per_device_train_batch_size=2", "--logging_strategy=steps", "--logging_steps=1"]
    assert (
        main(
            [
                "model_1",
                *made,
                *steps,
                "--eval_strategy=no",
                "--save_strategy=no",
                "--no_load_best_model_at_end",
                "--output_dir",
                str(tmp_path / "run"),
            ]
        )
        == 0
    )
    history = json.loads((tmp_path / "run" / "history.json").read_text())
    losses = [row["loss"] for row in history if "loss" in row]
    assert len(losses) == 10 and np.isfinite(losses).all()
    weights = sum(weight.numel() for weight in load_file(tmp_path / "run" / "model.safetensors").values())
    assert 190e6 < weights < 200e6


@pytest.mark.slow
def test_a_trained_model_finds_unseen_pieces(tmp_path):
    """As in docs/research.md: randomly initialised tiny towers, 512 synthetic pieces, ten epochs; then 128 others."""
    made = ["--synthetic", "--pieces", "512", "--data", str(tmp_path / "pieces"), "--output_dir", str(tmp_path / "run")]
    whole = ["--text_trainable_layers=-1", "--audio_trainable_layers=-1", "--learning_rate=1e-3"]
    course = ["--text=mix", "--per_device_train_batch_size=32", "--num_train_epochs=10", "--early_stopping_patience=0"]
    assert main(["model_2", *made, *whole, *course]) == 0
    metrics = json.loads((tmp_path / "run" / "test_results.json").read_text())
    for direction in ("", "music_to_text_"):  # guessing: 10 / 128 and 63.5
        assert metrics[f"test_{direction}R@10"] > 2 * 10 / 128
        assert metrics[f"test_{direction}MedR"] < 63.5 / 2
