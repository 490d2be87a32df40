"""The engine without torch gives the vectors of the torch path."""

import json
import os
import pickle
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import onnx
import pytest
from safetensors.torch import load_file, save_file
from tiny import TINY_AUDIO, TINY_RESNET, make_model

from kobza import Checkpoint, CheckpointError
from kobza.config import ConfigError
from kobza.embedding.ast_graph import AstGraph
from kobza.embedding.embedder import EnglishEmbedder, PooledTextEmbedder
from kobza.embedding.engine import FEATURE_EXTRACTOR, EngineEmbedder
from kobza.embedding.int8 import has_int8_instructions
from kobza.synth.album import random_pieces, render

TOLERANCE = 1e-5


@pytest.fixture(scope="module")
def windows(sounds) -> list[np.ndarray]:
    """Of every kind: whole and short ones, down to the shortest, loud and faint, with a constant in them, music."""
    noise = np.random.default_rng(1).normal(0, 0.1, 160_000).astype(np.float32)
    music = render(random_pieces(1, seed=5)[0], 16_000)
    music = np.asarray(music if music.ndim == 1 else music[0], np.float32)[:160_000]
    with_silent_end = np.concatenate([noise[:80_000], np.zeros(80_000, np.float32)])
    short = [noise[:length] for length in (400, 559, 560, 561, 5_000)]
    levels = [20 * noise[:32_000], 1e-4 * noise[:32_000], noise[:32_000] + 0.4, music, 1e-3 * music, 0 * noise]
    return [*short, *levels, noise, with_silent_end, *(sound[:160_000] for sound in sounds), noise[::-1].copy()]


def agrees(folder, windows) -> None:
    expected = Checkpoint.load(folder, "cpu").embed_windows(windows)
    given = EngineEmbedder.load(folder, "float32").embed_windows(windows)
    assert given.dtype == np.float32 and np.abs(given - expected).max() < TOLERANCE
    assert np.abs(np.linalg.norm(given, axis=1) - 1).max() < TOLERANCE


def test_what_it_says_of_itself(tiny_checkpoint):
    embedder, checkpoint = EngineEmbedder.load(tiny_checkpoint), Checkpoint.load(tiny_checkpoint, "cpu")
    assert isinstance(embedder, EnglishEmbedder) and isinstance(embedder, PooledTextEmbedder)
    for name in ("name", "fingerprint", "dim", "sampling_rate", "window_seconds", "min_window_seconds"):
        assert getattr(embedder, name) == getattr(checkpoint, name), name
    assert embedder.encoder_id() == checkpoint.encoder_id() and embedder.knows_word("piano")
    sentences = ["slow sad piano", "a", ""]
    assert np.abs(embedder.embed_text(sentences) - checkpoint.embed_text(sentences)).max() < TOLERANCE


def test_kobza_mini_gives_the_vectors_of_torch(windows):
    agrees(None, windows)


@pytest.mark.parametrize("projection", ["linear", "mlp", "residual"])
@pytest.mark.parametrize(
    ("audio", "extractor"),
    [
        ({}, {}),
        ({"patch_size": 16, "frequency_stride": 10, "time_stride": 12}, {"window_loudness": -20.0}),
        (
            {"qkv_bias": False, "hidden_act": "relu", "max_length": 300, "num_mel_bins": 64},
            {"max_length": 300, "num_mel_bins": 64, "window_seconds": 3.0, "mean": -3.0, "std": 2.0},
        ),
    ],
)
def test_other_checkpoints_give_the_vectors_of_torch(projection, audio, extractor, tiny_processor, windows, tmp_path):
    layers = 0 if projection == "mlp" else 2
    model = make_model(projection=projection, audio_extra_layers=layers, audio_config={**TINY_AUDIO, **audio})
    Checkpoint(model, tiny_processor).save(tmp_path)
    settings = json.loads((tmp_path / "processor_config.json").read_text())
    settings["feature_extractor"] |= extractor
    (tmp_path / "processor_config.json").write_text(json.dumps(settings))
    agrees(tmp_path, [window[:48_000] for window in windows])


@pytest.mark.parametrize("arithmetic", ["float32", "int8"])
def test_a_window_has_one_vector_alone_and_in_any_batch(windows, arithmetic, monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "3")
    embedder = EngineEmbedder.load(None, arithmetic)
    together = embedder.embed_windows(windows + 9 * windows[-2:])
    assert np.abs(together[: len(windows)] - [embedder.embed_windows([w])[0] for w in windows]).max() < 1e-6
    assert np.abs(together[len(windows) :: 2] - together[len(windows) - 2]).max() < 1e-6
    assert embedder.embed_windows([]).shape == (0, 128)


def test_int8_is_near_to_float32(windows):
    """The rule by which it is the default is 0.9995, and 0.999 for the worst of 200 real windows; among these are
    some unlike any music. The arithmetic is exact on every CPU that it is chosen for."""
    music = [window for window in windows if len(window) >= 16_000 and window.any()]
    near = EngineEmbedder.load(None, "int8").embed_windows(music)
    cosines = (near * EngineEmbedder.load(None, "float32").embed_windows(music)).sum(axis=1)
    assert has_int8_instructions() == (EngineEmbedder.load().arithmetic == "int8")
    if has_int8_instructions():
        assert cosines.min() > 0.998 and 0.9995 < cosines.mean() < 1 - 1e-6


def test_the_arithmetic_is_a_setting(tiny_checkpoint, monkeypatch):
    monkeypatch.setenv("KOBZA_ARITHMETIC", "int8")
    assert EngineEmbedder.load(tiny_checkpoint).arithmetic == "int8"
    monkeypatch.setenv("KOBZA_ARITHMETIC", "int4")
    with pytest.raises(
        ConfigError, match=r"\$KOBZA_ARITHMETIC: arithmetic cannot be 'int4': it must be float32 or int8"
    ):
        EngineEmbedder.load(tiny_checkpoint)
    monkeypatch.delenv("KOBZA_ARITHMETIC")
    monkeypatch.setattr("kobza.embedding.engine.has_int8_instructions", lambda: False)
    assert EngineEmbedder.load(tiny_checkpoint).arithmetic == "float32"


@pytest.mark.parametrize("length", [0, 399, 160_001])
def test_a_window_of_another_length_is_refused(length, tiny_checkpoint):
    with pytest.raises(ValueError, match=f"A window of {length} samples: .* takes 400 to 160000"):
        EngineEmbedder.load(tiny_checkpoint).embed_windows([np.zeros(length, np.float32)])


def test_the_graph_is_valid_onnx(tiny_checkpoint):
    weights = {
        name: value.float().numpy() for name, value in load_file(Path(tiny_checkpoint) / "model.safetensors").items()
    }
    config = json.loads((Path(tiny_checkpoint) / "config.json").read_text())
    content = AstGraph(config, FEATURE_EXTRACTOR, weights, "int8").build().serialize()
    assert len(content) < 100_000  # the large weights are not in it
    model = onnx.load_from_string(content)
    for tensor in model.graph.initializer:  # the checker would look for their file
        if tensor.data_location == onnx.TensorProto.EXTERNAL:
            dtype = onnx.helper.tensor_dtype_to_np_dtype(tensor.data_type)
            tensor.CopyFrom(onnx.numpy_helper.from_array(np.zeros(tuple(tensor.dims), dtype), tensor.name))
    onnx.checker.check_model(model)


def test_no_torch_is_imported(tiny_checkpoint):
    program = (
        "import sys\nimport numpy as np\n"
        "for name in ('torch', 'transformers', 'onnx'): sys.modules[name] = None\n"
        "from kobza.embedding.engine import EngineEmbedder\n"
        f"embedder = EngineEmbedder.load({tiny_checkpoint!r})\n"
        "print(embedder.embed_windows([np.ones(16000, np.float32)]).shape, embedder.embed_text(['piano']).shape)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60)
    assert done.stdout.strip() == "(1, 128) (1, 128)", done.stderr


def test_what_cannot_be_loaded_gives_a_sentence(tiny_checkpoint, tiny_processor, tmp_path):
    copied = shutil.copytree(tiny_checkpoint, tmp_path / "copy")
    weights = load_file(copied / "model.safetensors")
    projection = weights.pop("audio_projection.weight")
    save_file(weights, copied / "model.safetensors", {"format": "pt"})
    sentence = r"copy lacks 1 of the model's weights, such as audio_projection\.weight: fetch it again"
    with pytest.raises(CheckpointError, match=sentence):
        EngineEmbedder.load(copied)
    weights["audio_projection.weight"] = projection[:64].contiguous()
    save_file(weights, copied / "model.safetensors", {"format": "pt"})
    with pytest.raises(CheckpointError, match=sentence):
        EngineEmbedder.load(copied)
    (copied / "model.safetensors").write_bytes((copied / "model.safetensors").read_bytes()[:1000])
    with pytest.raises(CheckpointError, match=r"copy cannot be loaded \(.+\): fetch or save the checkpoint again"):
        EngineEmbedder.load(copied)
    Checkpoint(make_model(audio_config=dict(TINY_RESNET)), tiny_processor).save(tmp_path / "resnet")
    assert not EngineEmbedder.can_load(tmp_path / "resnet") and EngineEmbedder.can_load(Path(tiny_checkpoint))
    with pytest.raises(CheckpointError, match=r"only PyTorch computes: run `pip install 'kobza\[torch\]'`"):
        EngineEmbedder.load(tmp_path / "resnet")


def test_an_ast_with_features_of_its_own_is_left_to_pytorch(tiny_checkpoint, tmp_path):
    copied = shutil.copytree(tiny_checkpoint, tmp_path / "copy")
    settings = json.loads((copied / "processor_config.json").read_text())
    settings["feature_extractor"]["tower_features"] = {"feature_extractor_type": "ASTFeatureExtractor"}
    (copied / "processor_config.json").write_text(json.dumps(settings))
    assert not EngineEmbedder.can_load(copied)


def test_it_can_be_sent_to_another_process(tiny_checkpoint):
    embedder = EngineEmbedder.load(tiny_checkpoint)
    sent = pickle.loads(pickle.dumps(embedder))
    window = np.random.default_rng(2).normal(0, 0.1, 16_000).astype(np.float32)
    assert (sent.embed_windows([window]) == embedder.embed_windows([window])).all()
    assert (sent.fingerprint, sent.name) == (embedder.fingerprint, embedder.name)


def test_it_embeds_under_another_name_too(tiny_checkpoint):
    """Tables show a model under the name of its folder, or of a link to it."""
    embedder = EngineEmbedder.load(tiny_checkpoint)
    embedder.name = "model_6"
    assert embedder.embed_text(["piano"]).shape == (1, embedder.dim)


def test_onnx_runtime_reports_nothing(tmp_path):
    """Its client would leave the number of a session and of the user in files."""
    code = "import kobza, onnxruntime; print(onnxruntime.get_available_providers())"
    environment = {name: value for name, value in os.environ.items() if name != "ORT_DISABLE_TELEMETRY"}
    environment |= {name: str(tmp_path) for name in ("TMPDIR", "HOME", "XDG_CACHE_HOME")}
    subprocess.run([sys.executable, "-B", "-c", code], env=environment, check=True, capture_output=True)
    assert not [path for path in tmp_path.rglob("*") if path.is_file()]
