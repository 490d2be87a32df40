"""The two towers as ONNX files in the layout that transformers.js opens, checked against torch.

    onnx/text_model.onnx   input_ids, attention_mask (batch, length) int64        -> text_embeds (batch, dim) float32
    onnx/audio_model.onnx  input_values (batch, max_length, num_mel_bins) float32 -> audio_embeds (batch, dim) float32
    config.json, configuration_kobza.py, tokenizer.json, tokenizer_config.json, preprocessor_config.json

Names are those of CLAP's exports: transformers.js opens the files with `ClapTextModelWithProjection` and
`ClapAudioModelWithProjection`, with dtype "fp32", "fp16" (`_fp16`) and "q8" (`_quantized`). The log-mel is AST's, so
AST's feature extractor computes the input_values of one window of 10 s at 16 kHz; a recording is the normalized mean of
its windows' audio_embeds. AST's feature extractor ignores `window_loudness`: where preprocessor_config.json has it, a
window is first multiplied by min(10^(window_loudness / 20) / rms, 100), with the root mean square of its samples.
"""

import json
import logging
import shutil
import tempfile
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import torch

from kobza.atomic import move_into_place
from kobza.audio import printable
from kobza.embedding.checkpoint import Checkpoint
from kobza.errors import KobzaError
from kobza.extras import require
from kobza.model import configuration_kobza

OPSET = 18
TOLERANCE = 1e-4  # of the float32 file against torch; rounding alone gives some 1e-6
PRECISIONS = {"float32": "", "float16": "_fp16", "int8": "_quantized"}  # name: suffix of the files
TOWERS = {"text": "text_model", "audio": "audio_model"}
SENTENCES = ["slow sad piano", "a fast drum solo, loud and very close, with hand claps"]  # of different lengths


class _TextTower(torch.nn.Module):
    def __init__(self, model: Any) -> None:
        super().__init__()
        self.model = model

    def forward(self, input_ids: torch.Tensor, attention_mask: torch.Tensor) -> torch.Tensor:
        return self.model.get_text_features(input_ids, attention_mask).pooler_output


class _AudioTower(torch.nn.Module):
    def __init__(self, model: Any) -> None:
        super().__init__()
        self.model = model

    def forward(self, input_values: torch.Tensor) -> torch.Tensor:
        return self.model.get_audio_features(input_values).pooler_output


def export(checkpoint: Checkpoint, folder: Path) -> dict[str, float]:
    """Write onnx/{text_model, audio_model}{, _fp16, _quantized}.onnx and the settings that they need into `folder`.

    Returns:
        {"text", "audio"}: the largest absolute difference of the float32 file's embeddings from torch's.

    Raises:
        ValueError: a difference is above 1e-4, or the folder holds a checkpoint.
        MissingPackageError: a package of kobza[onnx] is not installed.
    """
    for name in ("onnx", "onnxruntime", "onnxscript"):
        require(name, "The export", "onnx")
    if (folder / "model.safetensors").exists():
        raise KobzaError(
            f"{printable(folder)} holds a checkpoint, whose settings would be overwritten: give another folder."
        )
    folder.mkdir(parents=True, exist_ok=True)
    model = checkpoint.model.cpu().eval()
    tokens = checkpoint.processor(text=SENTENCES)
    extractor = checkpoint.processor.feature_extractor
    sound = torch.from_numpy(np.random.default_rng(0).normal(0, 0.1, 2 * extractor.sampling_rate).astype(np.float32))
    batch = torch.export.Dim("batch")
    length = torch.export.Dim("length", max=model.config.text_config.max_position_embeddings)
    towers = {
        "text": (_TextTower(model), {k: tokens[k] for k in ("input_ids", "attention_mask")}, {0: batch, 1: length}),
        "audio": (_AudioTower(model), {"input_values": extractor.log_mel([sound, sound[::2]])}, {0: batch}),
    }
    differences = {}
    with tempfile.TemporaryDirectory(dir=folder, prefix=".part") as part:  # writes are atomic per file
        (Path(part) / "onnx").mkdir()
        for name, (tower, inputs, shape) in towers.items():
            path = Path(part) / "onnx" / f"{TOWERS[name]}.onnx"
            _export(tower, inputs, shape, path, f"{name}_embeds")
            differences[name] = _difference(tower, inputs, path)
            if not differences[name] <= TOLERANCE:
                raise KobzaError(
                    f"The {name} tower's ONNX file differs from torch by {differences[name]:.1e}, more than "
                    f"{TOLERANCE:.0e}: nothing was written. Try other versions of onnxscript and onnxruntime."
                )
            _halve(path)
            _quantize(path, kept_width=model.config.text_config.intermediate_size if name == "text" else None)
        _write_settings(checkpoint, Path(part))
        (folder / "onnx").mkdir(exist_ok=True)
        for path in [path for path in Path(part).rglob("*") if path.is_file()]:
            move_into_place(path, folder / path.relative_to(part))
    return differences


def _write_settings(checkpoint: Checkpoint, folder: Path) -> None:
    """Write config.json and its code, the tokenizer, and the settings for AST's feature extractor, which computes the
    same log-mel."""
    config = checkpoint.model.config.to_dict() | {"auto_map": {"AutoConfig": "configuration_kobza.KobzaConfig"}}
    config.pop("custom_pipelines", None)  # whose code is not in this folder
    for part in (config, config["text_config"], config["audio_config"]):
        part.pop("_name_or_path", None)
    code = Path(configuration_kobza.__file__)
    shutil.copyfile(code, folder / code.name)
    checkpoint.processor.tokenizer.save_pretrained(folder)
    extractor = checkpoint.processor.feature_extractor
    names = ("feature_size", "sampling_rate", "padding_value", "num_mel_bins", "max_length", "mean", "std")
    settings = {"feature_extractor_type": "ASTFeatureExtractor", "do_normalize": True, "return_attention_mask": False}
    settings |= {name: getattr(extractor, name) for name in names}
    if extractor.window_loudness is not None:
        settings["window_loudness"] = extractor.window_loudness
    for name, content in (("config.json", config), ("preprocessor_config.json", settings)):
        (folder / name).write_text(json.dumps(content, indent=2, sort_keys=True) + "\n", encoding="utf-8")


def _export(tower: torch.nn.Module, inputs: dict, shape: dict, path: Path, output: str) -> None:
    logging.getLogger("torch.onnx").setLevel(logging.ERROR)  # silences warnings about torchvision's operators
    with warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter("ignore")
        torch.onnx.export(
            tower,
            kwargs=inputs,
            f=path,
            dynamo=True,
            dynamic_shapes=dict.fromkeys(inputs, shape),
            opset_version=OPSET,
            input_names=list(inputs),
            output_names=[output],
            external_data=False,
            verbose=False,
        )


def _difference(tower: torch.nn.Module, inputs: dict[str, torch.Tensor], path: Path) -> float:
    """The largest absolute difference from torch, for the traced batch, one row of it, and twice as many rows."""
    session = open_session(path)
    largest = 0.0
    for rows in (inputs, {k: v[:1] for k, v in inputs.items()}, {k: torch.cat([v, v]) for k, v in inputs.items()}):
        with torch.no_grad():
            expected = tower(**rows).numpy()
        (embeds,) = session.run(None, {name: value.numpy() for name, value in rows.items()})
        largest = max(largest, float(np.abs(embeds - expected).max()))
    return largest


def open_session(path: Path) -> Any:
    """An onnxruntime `InferenceSession` on the CPU."""
    import onnxruntime

    return onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])


def _halve(path: Path) -> None:
    """Convert weights and arithmetic to float16, for GPUs (WebGPU in a browser); inputs and outputs stay float32."""
    import onnx
    from onnxruntime.transformers.float16 import convert_float_to_float16

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # about weights so small that they become 0
        model = convert_float_to_float16(onnx.load(path), keep_io_types=True)
    onnx.save(model, path.with_stem(path.stem + PRECISIONS["float16"]))


def _quantize(path: Path, kept_width: int | None) -> None:
    """Quantize weights to 8 bits, with a scale per channel, and activations dynamically.

    Only 7 bits are used, because processors without VNNI overflow on 8 and would give other vectors. Layers with
    `kept_width` inputs stay in float32: a BERT's second feed-forward layers, whose activations have outliers so large
    that 8 bits cannot represent the rest.
    """
    import onnx
    from onnxruntime.quantization import QuantType, quantize_dynamic

    graph = onnx.load(path).graph
    kept = {weight.name for weight in graph.initializer if len(weight.dims) == 2 and weight.dims[0] == kept_width}
    exclude = [node.name for node in graph.node if node.op_type == "MatMul" and kept.intersection(node.input)]
    logging.getLogger().addFilter(_is_relevant)
    try:
        quantize_dynamic(
            path,
            path.with_stem(path.stem + PRECISIONS["int8"]),
            per_channel=True,
            reduce_range=True,
            weight_type=QuantType.QInt8,
            nodes_to_exclude=exclude,
        )
    finally:
        logging.getLogger().removeFilter(_is_relevant)


def _is_relevant(record: logging.LogRecord) -> bool:
    return "pre-processing" not in record.getMessage()  # advice for convolutions; the towers are exported optimized
