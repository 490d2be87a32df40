"""The exported towers run in onnxruntime and are compared with the checkpoint that they came from."""

import json
import sys
from pathlib import Path

import numpy as np
import pytest
from recordings import tone, write
from transformers import ASTFeatureExtractor, AutoConfig, AutoFeatureExtractor, AutoTokenizer

from kobza import Checkpoint
from kobza.cli import main
from kobza.embedding.embedder import Embedder
from kobza.export import onnx as export
from kobza.export.onnx_runtime import OnnxEmbedder

onnx = pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")


@pytest.fixture(scope="module")
def checkpoint(tiny_checkpoint):
    return Checkpoint.load(tiny_checkpoint, "cpu")


@pytest.fixture(scope="module")
def exported(checkpoint, tmp_path_factory):
    folder = tmp_path_factory.mktemp("onnx") / "made for it"
    return folder, export.export(checkpoint, folder)


def test_the_files_are_laid_out_and_named_as_claps_are_for_transformers_js(exported):
    folder, differences = exported
    assert sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()) == [
        "config.json",
        "configuration_kobza.py",
        "onnx/audio_model.onnx",
        "onnx/audio_model_fp16.onnx",
        "onnx/audio_model_quantized.onnx",
        "onnx/text_model.onnx",
        "onnx/text_model_fp16.onnx",
        "onnx/text_model_quantized.onnx",
        "preprocessor_config.json",
        "tokenizer.json",
        "tokenizer_config.json",
    ]
    assert differences.keys() == {"text", "audio"} and max(differences.values()) <= export.TOLERANCE
    names = {"text": (["input_ids", "attention_mask"], ["text_embeds"]), "audio": (["input_values"], ["audio_embeds"])}
    for path in (folder / "onnx").iterdir():
        model = onnx.load(path)
        assert {entry.version for entry in model.opset_import if entry.domain == ""} == {export.OPSET}
        found = tuple([value.name for value in side] for side in (model.graph.input, model.graph.output))
        assert found == names[path.name.partition("_")[0]], path.name
        for value in [*model.graph.input, *model.graph.output]:
            assert value.type.tensor_type.shape.dim[0].dim_param, f"{path.name}: {value.name} has a fixed batch"
            assert value.type.tensor_type.elem_type in (onnx.TensorProto.INT64, onnx.TensorProto.FLOAT)
        assert str(folder) not in str(model.metadata_props)


def test_what_lies_beside_the_files_makes_their_inputs_without_kobza(exported, checkpoint, sounds):
    """As transformers.js does it, with transformers' own classes: AST's feature extractor, the tokenizer alone."""
    folder = exported[0]
    windows = [sound[:160_000] for sound in sounds]
    extractor, tokenizer = AutoFeatureExtractor.from_pretrained(folder), AutoTokenizer.from_pretrained(folder)
    assert type(extractor) is ASTFeatureExtractor
    audio, text = (export.open_session(folder / "onnx" / f"{name}_model.onnx") for name in ("audio", "text"))
    values = extractor(windows, sampling_rate=16_000, return_tensors="np")["input_values"]
    np.testing.assert_allclose(
        audio.run(None, {"input_values": values})[0], checkpoint.embed_windows(windows), atol=1e-5
    )
    sentences = ["slow sad piano", "a happy song with guitar and drums"]
    tokens = tokenizer(sentences, padding=True, return_tensors="np")
    tokens = {name: tokens[name] for name in ("input_ids", "attention_mask")}
    np.testing.assert_allclose(text.run(["text_embeds"], tokens)[0], checkpoint.embed_text(sentences), atol=1e-5)
    assert AutoConfig.from_pretrained(folder).projection_dim == checkpoint.dim
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    assert config["auto_map"] == {"AutoConfig": "configuration_kobza.KobzaConfig"}
    assert "_name_or_path" not in str(config) and "custom_pipelines" not in config


def test_sixteen_bits_are_in_the_weights(exported):
    for name in export.TOWERS.values():
        whole, half = (exported[0] / "onnx" / f"{name}{end}.onnx" for end in ("", "_fp16"))
        kinds = {weight.data_type for weight in onnx.load(half).graph.initializer if len(weight.dims) > 1}
        assert onnx.TensorProto.FLOAT16 in kinds and onnx.TensorProto.FLOAT not in kinds
        assert half.stat().st_size < whole.stat().st_size


def test_a_checkpoints_own_folder_is_not_written_into(checkpoint, tiny_checkpoint):
    with pytest.raises(ValueError, match="holds a checkpoint, whose settings would be overwritten: give another"):
        export.export(checkpoint, Path(tiny_checkpoint))


@pytest.mark.parametrize(("precision", "least"), [("float32", 1 - 1e-6), ("float16", 0.999), ("int8", 0.98)])
def test_vectors_are_the_checkpoints_at_every_batch_size(exported, checkpoint, sounds, precision, least):
    towers = OnnxEmbedder(checkpoint, exported[0], precision)
    assert isinstance(towers, Embedder)
    assert (towers.fingerprint == checkpoint.fingerprint) == (precision == "float32")
    windows = [window for sound in sounds for window in checkpoint.processor.feature_extractor.split(sound)] * 3
    sentences = ["slow sad piano", "a happy song with guitar and drums", ""]
    for mine, theirs in (
        (towers.embed_windows(windows), checkpoint.embed_windows(windows)),
        (towers.embed_text(sentences), checkpoint.embed_text(sentences)),
        (towers.embed_text(sentences[:1]), checkpoint.embed_text(sentences[:1])),
    ):
        assert mine.shape == theirs.shape and mine.dtype == np.float32
        assert (mine * theirs).sum(axis=1).min() > least
    assert min(towers.seconds.values()) > 0


def test_eight_bits_are_in_the_layers_and_not_in_those_that_cannot_bear_them(exported, checkpoint):
    initializers = onnx.load(exported[0] / "onnx" / "text_model_quantized.onnx").graph.initializer
    in_full = [tuple(weight.dims) for weight in initializers if weight.data_type == onnx.TensorProto.FLOAT]
    config = checkpoint.model.config.text_config
    second_layers = (config.intermediate_size, config.hidden_size)
    assert [shape for shape in in_full if len(shape) == 2] == [second_layers] * config.num_hidden_layers


def test_a_file_that_differs_is_not_left_behind(checkpoint, tmp_path, monkeypatch):
    monkeypatch.setattr(export, "_export", lambda *_: None)
    monkeypatch.setattr(export, "_difference", lambda *_: float("nan"))
    with pytest.raises(ValueError, match="text tower's ONNX file differs from torch by nan, more than 1e-04"):
        export.export(checkpoint, tmp_path)
    assert not list(tmp_path.iterdir())


def test_the_command_says_sizes_and_what_the_bits_cost(exported, tiny_checkpoint, tmp_path, monkeypatch, capsys):
    rows = [{"file_name": f"{hertz}.wav", "caption": f"piano {hertz}"} for hertz in (200, 900, 2500)]
    for row in rows:
        write(tmp_path / row["file_name"], tone(float(row["file_name"][:-4]), 2))
    (tmp_path / "metadata.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    monkeypatch.setattr(export, "export", lambda checkpoint, folder: exported[1])
    command = ["export", "onnx", str(exported[0]), "--model", tiny_checkpoint, "--pairs", str(tmp_path)]
    assert main(command) == 0
    out = capsys.readouterr().out
    head, float32, float16, int8 = (line.split() for line in out.splitlines()[1:5])
    assert out.startswith("Opset 18. Largest difference from torch: text ") and head[-2:] == ["R@1", "R@10"]
    assert (float32[0], float16[0], int8[0]) == ("float32", "float16", "int8") and float32[-1] == "1.000"

    (tmp_path / "900.wav").write_bytes(b"no sound")
    assert main(command) == 1
    assert "cannot be measured: " in capsys.readouterr().err


def test_without_the_extra_a_sentence_says_what_to_install(checkpoint, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "onnxscript", None)
    with pytest.raises(ValueError, match=r"needs onnxscript: run `pip install 'kobza\[onnx\]'`"):
        export.export(checkpoint, tmp_path)


def test_one_loudness_is_said_beside_the_files_and_is_a_factor_of_the_samples(tiny_checkpoint, sounds, tmp_path):
    """AST's feature extractor, transformers.js' too, does not read the setting, so the caller multiplies."""
    levelled = Checkpoint.load(tiny_checkpoint, "cpu")
    levelled.processor.feature_extractor.window_loudness = -18.0
    export._write_settings(levelled, tmp_path)
    level = json.loads((tmp_path / "preprocessor_config.json").read_text(encoding="utf-8"))["window_loudness"]
    assert level == -18.0
    windows = [0.3 * sound[:160_000] for sound in sounds]
    scaled = [w * min(10 ** (level / 20) / np.sqrt(np.mean(w**2)), 100.0) for w in windows]
    values = AutoFeatureExtractor.from_pretrained(tmp_path)(scaled, sampling_rate=16_000, return_tensors="np")
    expected = levelled.processor.feature_extractor.log_mel(windows).numpy()
    np.testing.assert_allclose(values["input_values"], expected, atol=1e-3)


def test_the_towers_hear_the_same_loudness_as_the_checkpoint(exported, tiny_checkpoint, sounds):
    levelled = Checkpoint.load(tiny_checkpoint, "cpu")
    levelled.processor.feature_extractor.window_loudness = -18.0
    towers = OnnxEmbedder(levelled, exported[0])
    mine, theirs = (embedder.embed_windows([0.05 * sounds[0], sounds[0]]) for embedder in (towers, levelled))
    np.testing.assert_allclose(mine, theirs, atol=1e-5)
    np.testing.assert_allclose(mine[0], mine[1], atol=1e-4)
