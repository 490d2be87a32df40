"""The text tower in numpy gives the vectors of the whole model, without loading torch or transformers."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from tiny import TINY_TEXT, make_model

from kobza import Checkpoint, CheckpointError
from kobza.embedding.numpy_text_tower import TextTower

SENTENCES = ["slow sad piano", "", "SLOW sad piano", "кобза 🎻", "drums " * 900]


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"text_pooling": "mean", "projection": "mlp"},
        {"text_pooling": "max", "projection": "residual"},
        {"text_extra_layers": 2},
        {"text_config": {**TINY_TEXT, "hidden_act": "gelu_new", "num_hidden_layers": 3}},
        {"text_config": {**TINY_TEXT, "hidden_act": "relu"}},
    ],
    ids=str,
)
def test_the_same_vectors_as_the_whole_model(tmp_path, tiny_processor, fields):
    Checkpoint(make_model(**fields), tiny_processor).save(tmp_path)
    whole, tower = Checkpoint.load(str(tmp_path), device="cpu"), TextTower.load(str(tmp_path))
    assert (tower.fingerprint, tower.dim, tower.name) == (whole.fingerprint, whole.dim, whole.name)
    np.testing.assert_allclose(tower.embed_text(SENTENCES), whole.embed_text(SENTENCES), atol=2e-6)
    assert tower.embed_text([]).shape == (0, whole.dim) and tower.embed_text(SENTENCES).dtype == np.float32


def test_neither_torch_nor_transformers_is_imported():
    code = """
import sys
from kobza.embedding.numpy_text_tower import TextTower
TextTower.load().embed_text(["flute"])
print([name for name in ("torch", "transformers", "onnxruntime") if name in sys.modules])
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize("damage", ["weights", "tokenizer", "activation", "weight"])
def test_a_damaged_checkpoint_gets_a_sentence(tiny_checkpoint, tmp_path, damage):
    folder = Path(shutil.copytree(tiny_checkpoint, tmp_path / "copy"))
    if damage == "weights":
        (folder / "model.safetensors").write_bytes(b"no weights")
    elif damage == "tokenizer":
        (folder / "tokenizer.json").write_text("{}")
    else:
        config = json.loads((folder / "config.json").read_text())
        config["text_config"] |= {"hidden_act": "mish"} if damage == "activation" else {"num_hidden_layers": 9}
        (folder / "config.json").write_text(json.dumps(config))
    with pytest.raises(CheckpointError, match=r"copy cannot be loaded \(.+\): fetch or save the checkpoint again"):
        TextTower.load(str(folder))
    with pytest.raises(CheckpointError, match="There is no checkpoint folder"):
        TextTower.load(str(tmp_path / "nowhere"))
