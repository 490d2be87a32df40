"""The checkpoint as a model of sentence-transformers, as its users load it: without kobza, in a fresh process."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile

from kobza import Checkpoint

pytest.importorskip("sentence_transformers")

FRESH = """
import sys
sys.modules["kobza"] = None  # as if not installed
import json
import numpy as np
from sentence_transformers import SentenceTransformer

folder, path, answer = sys.argv[1], sys.argv[2], {}
model = SentenceTransformer(folder, trust_remote_code=True, device="cpu")
sentences = ["slow sad piano", "happy drums"]
wave = np.load(path.replace(".flac", ".npy"))
text, audio = model.encode(sentences), model.encode([path, wave, {"array": wave, "sampling_rate": 16000}])
answer["text"], answer["audio"] = text.tolist(), audio.tolist()
answer["prompt"] = model.encode(["sad piano", "missing.flac"], prompt="slow ").tolist()
answer["one"] = model.encode(path).tolist()
answer["similarity"] = model.similarity(text, audio).tolist()
answer["dimension"] = model.get_embedding_dimension()
answer["modalities"] = list(model.modalities)
model.save(sys.argv[3])
again = SentenceTransformer(sys.argv[3], trust_remote_code=True, device="cpu")
answer["again"] = again.encode(sentences).tolist()
try:
    model.encode([b"no music"])
except ValueError as error:
    answer["sentence"] = str(error)
print("ANSWER", json.dumps(answer))
"""


def test_sentences_and_recordings_encode_to_the_checkpoints_vectors(tiny_checkpoint, sounds, tmp_path):
    path = tmp_path / "song.flac"
    soundfile.write(path, sounds[2], 16000)
    np.save(tmp_path / "song.npy", sounds[2])
    environment = {**os.environ, "HF_HOME": str(tmp_path / "hf"), "HF_HUB_OFFLINE": "1", "CUDA_VISIBLE_DEVICES": ""}
    command = [sys.executable, "-c", FRESH, tiny_checkpoint, str(path), str(tmp_path / "saved")]
    done = subprocess.run(command, env=environment, cwd=tmp_path, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr[-3000:]
    answer = json.loads(done.stdout.split("ANSWER ")[1])

    checkpoint = Checkpoint.load(tiny_checkpoint, "cpu")
    text = checkpoint.embed_text(["slow sad piano", "happy drums"])
    audio = checkpoint.embed_windows(checkpoint.processor.feature_extractor.split(sounds[2])).mean(axis=0)
    audio /= np.linalg.norm(audio)
    assert np.abs(np.array(answer["text"]) - text).max() < 1e-5
    assert np.abs(np.array(answer["audio"]) - audio).max() < 1e-3  # the file has 16 bits
    assert np.abs(np.array(answer["prompt"][0]) - text[0]).max() < 1e-5
    assert np.abs(np.array(answer["one"]) - audio).max() < 1e-3
    assert np.abs(np.array(answer["similarity"]) - (text @ audio)[:, None]).max() < 1e-3
    assert np.abs(np.array(answer["again"]) - text).max() < 1e-5
    assert answer["dimension"] == 128 and answer["modalities"] == ["text", "audio"]
    assert "Recording 0 cannot be read" in answer["sentence"]


def test_the_shipped_checkpoint_has_what_a_saved_one_has(tiny_checkpoint):
    shipped = Path(__file__).resolve().parents[1] / "hub" / "kobza-mini"
    for name in ("modules.json", "sentence_kobza.py"):
        assert (shipped / name).read_bytes() == (Path(tiny_checkpoint) / name).read_bytes()
    pipelines = [
        json.loads((folder / "config.json").read_text())["custom_pipelines"]
        for folder in (shipped, Path(tiny_checkpoint))
    ]
    assert pipelines[0] == pipelines[1]
