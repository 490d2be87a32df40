"""The exported towers run in onnxruntime and are compared with the checkpoint that they came from."""

import json
import sys

import numpy as np
import pytest
from recordings import tone, write

from kobza import Checkpoint
from kobza.cli import main
from kobza.export import onnx as export

onnx = pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")


@pytest.fixture(scope="module")
def checkpoint(tiny_checkpoint):
    return Checkpoint.load(tiny_checkpoint, "cpu")


@pytest.fixture(scope="module")
def exported(checkpoint, tmp_path_factory):
    folder = tmp_path_factory.mktemp("onnx") / "made for it"
    return folder, export.export(checkpoint, folder)


def test_four_files_with_a_free_batch(exported):
    folder, differences = exported
    assert sorted(path.name for path in folder.iterdir()) == [
        "audio.onnx",
        "audio_int8.onnx",
        "text.onnx",
        "text_int8.onnx",
    ]
    assert differences.keys() == {"text", "audio"} and max(differences.values()) <= export.TOLERANCE
    for path in folder.iterdir():
        model = onnx.load(path)
        assert {entry.version for entry in model.opset_import if entry.domain == ""} == {export.OPSET}
        for value in model.graph.input:
            assert value.type.tensor_type.shape.dim[0].dim_param, f"{path.name}: {value.name} has a fixed batch"
        assert str(folder) not in str(model.metadata_props)


@pytest.mark.parametrize(("precision", "least"), [("float32", 1 - 1e-6), ("int8", 0.98)])
def test_vectors_are_the_checkpoints_at_every_batch_size(exported, checkpoint, sounds, precision, least):
    towers = export.OnnxTowers(checkpoint, exported[0], precision)
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
    initializers = onnx.load(exported[0] / "text_int8.onnx").graph.initializer
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
    head, float32, int8 = (line.split() for line in out.splitlines()[1:4])
    assert out.startswith("Opset 18. Largest difference from torch: text ") and head[-2:] == ["R@1", "R@10"]
    assert (float32[0], int8[0]) == ("float32", "int8") and float32[-1] == "1.000"

    (tmp_path / "900.wav").write_bytes(b"no sound")
    assert main(command) == 1
    assert "cannot be measured: " in capsys.readouterr().err


def test_without_the_extra_a_sentence_says_what_to_install(checkpoint, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "onnxscript", None)
    with pytest.raises(ValueError, match=r"onnxscript is not installed: run `pip install 'kobza\[onnx\]'`"):
        export.export(checkpoint, tmp_path)
