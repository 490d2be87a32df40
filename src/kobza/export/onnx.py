"""The two towers as ONNX files, in float32 and in 8 bits, checked against torch and measured on captioned recordings.

    text.onnx   input_ids, attention_mask (batch, length) int64             -> embeds (batch, projection_dim)
    audio.onnx  input_values (batch, max_length, num_mel_bins) float32      -> embeds (batch, projection_dim)

A row of input_values is a window of 10 s, as the feature extractor makes it; a recording is the normalised mean of its
windows' embeds.
"""

import importlib
import logging
import os
import tempfile
import time
import warnings
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch

from kobza.audio import printable
from kobza.data.pairs import load_pairs
from kobza.embedding.checkpoint import SENTENCES_AT_ONCE, WINDOWS_AT_ONCE, Checkpoint
from kobza.evaluation.metrics import rank_metrics, ranks
from kobza.evaluation.retrieval import embed_recordings

OPSET = 18
TOLERANCE = 1e-4
PRECISIONS = {"float32": "", "int8": "_int8"}  # what it is called: what is added to a file's name
SENTENCES = ["slow sad piano", "a fast drum solo, loud and very close, with hand claps"]  # of two lengths


class _Text(torch.nn.Module):
    def __init__(self, model):
        super().__init__()
        self.model = model

    def forward(self, input_ids, attention_mask):
        return self.model.get_text_features(input_ids, attention_mask).pooler_output


class _Audio(torch.nn.Module):
    def __init__(self, model):
        super().__init__()
        self.model = model

    def forward(self, input_values):
        return self.model.get_audio_features(input_values).pooler_output


def export(checkpoint: Checkpoint, folder: Path) -> dict[str, float]:
    """Write {text, audio}{, _int8}.onnx into `folder`.

    Returns:
        {"text": the largest difference of the float32 file's embeds from torch's, "audio": likewise}

    Raises:
        ValueError: a package of kobza[onnx] is missing, or a difference is above 1e-4.
    """
    for name in ("onnx", "onnxruntime", "onnxscript"):
        try:
            importlib.import_module(name)
        except ImportError:
            raise ValueError(f"{name} is not installed: run `pip install 'kobza[onnx]'`.") from None
    folder.mkdir(parents=True, exist_ok=True)
    model = checkpoint.model.cpu().eval()
    tokens = checkpoint.processor(text=SENTENCES)
    extractor = checkpoint.processor.feature_extractor
    sound = torch.from_numpy(np.random.default_rng(0).normal(0, 0.1, 2 * extractor.sampling_rate).astype(np.float32))
    batch = torch.export.Dim("batch")
    length = torch.export.Dim("length", max=model.config.text_config.max_position_embeddings)
    towers = {
        "text": (_Text(model), {k: tokens[k] for k in ("input_ids", "attention_mask")}, {0: batch, 1: length}),
        "audio": (_Audio(model), {"input_values": extractor.log_mel([sound, sound[::2]])}, {0: batch}),
    }
    differences = {}
    with tempfile.TemporaryDirectory(dir=folder, prefix=".part") as part:  # a file is whole or not there
        for name, (tower, inputs, shape) in towers.items():
            path = Path(part) / f"{name}.onnx"
            _export(tower, inputs, shape, path)
            differences[name] = _difference(tower, inputs, path)
            if not differences[name] <= TOLERANCE:
                raise ValueError(
                    f"The {name} tower's ONNX file differs from torch by {differences[name]:.1e}, more than "
                    f"{TOLERANCE:.0e}: nothing was written. Try other versions of onnxscript and onnxruntime."
                )
            _quantize(path, kept_width=model.config.text_config.intermediate_size if name == "text" else None)
        for path in Path(part).iterdir():
            os.replace(path, folder / path.name)
    return differences


def _export(tower, inputs, shape, path) -> None:
    logging.getLogger("torch.onnx").setLevel(logging.ERROR)  # of operators that only torchvision has
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
            output_names=["embeds"],
            external_data=False,
            verbose=False,
        )


def _difference(tower, inputs, path) -> float:
    """The largest over the inputs, one row of them, and twice as many: other sizes than the traced one."""
    session, largest = _session(path), 0.0
    for rows in (inputs, {k: v[:1] for k, v in inputs.items()}, {k: torch.cat([v, v]) for k, v in inputs.items()}):
        with torch.no_grad():
            expected = tower(**rows).numpy()
        (embeds,) = session.run(None, {name: value.numpy() for name, value in rows.items()})
        largest = max(largest, float(np.abs(embeds - expected).max()))
    return largest


def _session(path):
    import onnxruntime

    return onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])


def _quantize(path: Path, kept_width: int | None) -> None:
    """Weights to 8 bits, a scale a channel; activations by their range at run time.

    7 of the 8 bits are used, because processors without VNNI overflow on more, and would give other vectors. Layers
    that read `kept_width` numbers stay in float32: a BERT's second feed-forward layers, whose inputs have a few values
    so large that 8 bits leave nothing of the others.
    """
    import onnx
    from onnxruntime.quantization import QuantType, quantize_dynamic

    graph = onnx.load(path).graph
    kept = {weight.name for weight in graph.initializer if len(weight.dims) == 2 and weight.dims[0] == kept_width}
    exclude = [node.name for node in graph.node if node.op_type == "MatMul" and kept.intersection(node.input)]
    logging.getLogger().addFilter(_no_advice)
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
        logging.getLogger().removeFilter(_no_advice)


def _no_advice(record) -> bool:
    return "pre-processing" not in record.getMessage()  # for convolutions; the towers are exported optimised


class OnnxTowers:
    """The exported towers with the attributes and methods of `Checkpoint` that measuring needs.

    Attributes:
        seconds: that the text and the audio tower have taken so far.
    """

    def __init__(self, checkpoint: Checkpoint, folder: Path, precision: str = "float32"):
        self.dim, self.sampling_rate = checkpoint.dim, checkpoint.sampling_rate
        self.window_seconds, self.min_window_seconds = checkpoint.window_seconds, checkpoint.min_window_seconds
        self.processor, self.seconds = checkpoint.processor, {"text": 0.0, "audio": 0.0}
        self.files = {name: folder / f"{name}{PRECISIONS[precision]}.onnx" for name in ("text", "audio")}
        self.sessions = {name: _session(path) for name, path in self.files.items()}

    def _run(self, tower: str, inputs: dict[str, np.ndarray]) -> np.ndarray:
        start = time.perf_counter()
        (embeds,) = self.sessions[tower].run(None, inputs)
        self.seconds[tower] += time.perf_counter() - start
        return embeds

    def embed_text(self, sentences: Sequence[str]) -> np.ndarray:
        parts = [np.empty((0, self.dim), dtype=np.float32)]
        for start in range(0, len(sentences), SENTENCES_AT_ONCE):
            tokens = self.processor(text=list(sentences[start : start + SENTENCES_AT_ONCE]), return_tensors="np")
            parts.append(self._run("text", {name: tokens[name] for name in ("input_ids", "attention_mask")}))
        return np.concatenate(parts)

    def embed_windows(self, windows: Sequence[np.ndarray]) -> np.ndarray:
        parts = [np.empty((0, self.dim), dtype=np.float32)]
        for start in range(0, len(windows), WINDOWS_AT_ONCE):
            features = self.processor.feature_extractor.log_mel(windows[start : start + WINDOWS_AT_ONCE])
            parts.append(self._run("audio", {"input_values": features.numpy()}))
        return np.concatenate(parts)


def measure(embedder, folder: str | Path) -> dict[str, float]:
    """R@1, R@10 and the other figures of text -> music over a folder of captioned recordings (see `data.pairs`)."""
    recordings = load_pairs(folder).recordings
    paths = list(dict.fromkeys(recording.path for recording in recordings))
    audio, reasons = embed_recordings(embedder, paths)
    if reasons:
        raise ValueError(f"{printable(folder)} cannot be measured: {next(iter(reasons.values()))}")
    right = np.array([[recording.path == path for path in paths] for recording in recordings])
    return rank_metrics(ranks(embedder.embed_text([r.caption for r in recordings]) @ audio.T, right))
