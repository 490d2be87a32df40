"""The audio half of a checkpoint as an ONNX graph, built from its settings and weights: samples to the vector.

    folded frames of samples -> log-mel -> patches -> layers
        -> (extra layers) -> mean of two tokens -> projection -> unit length

The Audio Spectrogram Transformer is transformers' (Gong et al. 2021, arXiv 2104.01778); the steps, and the names of the
weights, are those of `kobza.model.modeling_kobza`.
"""

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from kobza.embedding.int8 import quantize_columns, smoothing_factors
from kobza.embedding.log_mel_graph import Framing, add_log_mel
from kobza.embedding.onnx_proto import CONTRIBUTED, Graph

SUMS, DIFFERENCES = "sums", "differences"  # the graph's inputs, see `log_mel_graph.Framing.fold`


AST = "audio-spectrogram-transformer"
AST_DEFAULTS = {  # transformers' `ASTConfig`
    "hidden_size": 768,
    "num_hidden_layers": 12,
    "num_attention_heads": 12,
    "intermediate_size": 3072,
    "hidden_act": "gelu",
    "layer_norm_eps": 1e-12,
    "patch_size": 16,
    "frequency_stride": 10,
    "time_stride": 10,
    "max_length": 1024,
    "num_mel_bins": 128,
    "qkv_bias": True,
}
ACTIVATIONS: dict[str, tuple[str, dict[str, Any]]] = {
    "gelu": ("Gelu", {}),
    "gelu_new": ("Gelu", {"approximate": "tanh"}),
    "relu": ("Relu", {}),
}


class MissingWeights(Exception):
    """The checkpoint lacks weights; the message says how many, and names one."""


def is_supported(config: dict, settings: dict) -> bool:
    """Whether `AstGraph` computes the audio tower of a config.json, with a feature extractor's settings, and the text
    tower is the BERT that goes with it.

    >>> is_supported({"audio_config": {"model_type": "resnet"}}, {"sampling_rate": 16000})
    False
    """
    audio = config.get("audio_config") or {}
    if (config.get("text_config") or {}).get("model_type", "bert") != "bert" or settings.get("tower_features"):
        return False
    is_known = audio.get("model_type", AST) == AST and audio.get("hidden_act", "gelu") in ACTIVATIONS
    return is_known and isinstance(audio.get("patch_size", 16), int) and Framing.can_fold(settings["sampling_rate"])


class AstGraph:
    """Builds the graph.

    Args:
        config: config.json. settings: of the feature extractor. weights: float32, by name.
        arithmetic: of the products in the layers, "float32" or "int8"; all else is in float32.
    """

    def __init__(self, config: dict, settings: dict, weights: Mapping[str, np.ndarray], arithmetic: str = "float32"):
        self.is_int8 = arithmetic == "int8"
        self.config = {"projection": "linear", "projection_dim": 128, "audio_extra_layers": 0} | config
        self.ast: dict = AST_DEFAULTS | config["audio_config"]
        self.settings = settings
        self.weights = weights
        self.missing: list[str] = []
        self.graph = Graph()

    def build(self) -> Graph:
        """
        Raises:
            MissingWeights: weights are missing or misshapen.
        """
        graph = self.graph
        half = Framing(self.settings).length // 2
        sums = graph.input(SUMS, "float32", ["n", "frames", half + 1])
        differences = graph.input(DIFFERENCES, "float32", ["n", "frames", half])
        log_mel = add_log_mel(graph, sums, differences, self.settings)
        tokens = self._patches(log_mel)  # (n, 2 + patches, width)
        for i in range(self.ast["num_hidden_layers"]):
            tokens = self._layer(tokens, f"audio_model.layers.{i}")
        tokens = self._norm(tokens, "audio_model.layernorm")
        for i in range(self.config["audio_extra_layers"]):
            tokens = self._layer(tokens, f"audio_extra_layers.{i}")
        first_two = graph.add("Slice", tokens, graph.constant([0]), graph.constant([2]), graph.constant([1]))
        pooled = graph.add("ReduceMean", first_two, graph.constant([1]), keepdims=0)  # (n, width)
        vectors = self._project(pooled)
        length = graph.add("ReduceL2", vectors, graph.constant([1]), keepdims=1)
        unit = graph.add("Div", vectors, graph.add("Max", length, graph.constant(1e-12)))
        graph.output(unit, "float32", ["n", self.config["projection_dim"]])
        if self.missing:
            raise MissingWeights(f"lacks {len(self.missing)} of the model's weights, such as {self.missing[0]}")
        return graph

    def _patches(self, log_mel: str) -> str:
        """(n, num_mel_bins, max_length) -> (n, 2 + patches, width)"""
        graph, ast, stem = self.graph, self.ast, "audio_model.embeddings"
        width, size = ast["hidden_size"], ast["patch_size"]
        strides = [ast["frequency_stride"], ast["time_stride"]]
        rows = (ast["num_mel_bins"] - size) // strides[0] + 1
        columns = (ast["max_length"] - size) // strides[1] + 1
        image = graph.add("Unsqueeze", log_mel, graph.constant([1]))
        kernel = graph.constant(self._weight(f"{stem}.patch_embeddings.projection.weight", width, 1, size, size))
        bias = graph.constant(self._weight(f"{stem}.patch_embeddings.projection.bias", width))
        patches = graph.add("Conv", image, kernel, bias, strides=strides)  # (n, width, rows, columns)
        patches = graph.add("Reshape", patches, graph.constant([0, width, -1]))
        patches = graph.add("Transpose", patches, perm=[0, 2, 1])
        positions = self._weight(f"{stem}.position_embeddings", 1, rows * columns + 2, width)
        patches = graph.add("Add", patches, graph.constant(positions[:, 2:]))
        special = [self._weight(f"{stem}.{name}_token", 1, 1, width) for name in ("cls", "distillation")]
        first_two = graph.constant(np.concatenate(special, axis=1) + positions[:, :2])
        batch = graph.add("Shape", patches, start=0, end=1)
        first_two = graph.add("Expand", first_two, graph.add("Concat", batch, graph.constant([1, 1]), axis=0))
        return graph.add("Concat", first_two, patches, axis=1)

    def _layer(self, tokens: str, stem: str) -> str:
        graph, width, channels = self.graph, self.ast["hidden_size"], self.ast["intermediate_size"]
        normed = self._norm(tokens, f"{stem}.layernorm_before")
        tokens = graph.add("Add", self._attend(normed, f"{stem}.attention"), tokens)
        normed = self._norm(tokens, f"{stem}.layernorm_after")
        first, bias = self._parameters(f"{stem}.mlp.fc1", width, channels)
        operator, attributes = ACTIVATIONS[self.ast["hidden_act"]]
        inner = graph.add(operator, self._product(normed, first, bias), **attributes)
        second, second_bias = self._parameters(f"{stem}.mlp.fc2", channels, width)
        if self.is_int8:
            scale, shift = (self._weight(f"{stem}.layernorm_after.{part}", width) for part in ("weight", "bias"))
            factors = smoothing_factors(scale, shift, first.T, bias, second.T)
            inner = graph.add("Mul", inner, graph.constant(1 / factors))
            second = second * factors[:, None]
        return graph.add("Add", self._product(inner, second, second_bias), tokens)

    def _attend(self, tokens: str, stem: str) -> str:
        heads, width = self.ast["num_attention_heads"], self.ast["hidden_size"]
        parts = [self._parameters(f"{stem}.{part}_proj", width, width, self.ast["qkv_bias"]) for part in "qkv"]
        matrix, bias = (np.concatenate(arrays, axis=-1) for arrays in zip(*parts, strict=True))
        together = self._product(tokens, matrix, bias)
        query = self.graph.add("Split", together, axis=2, num_outputs=3, outputs=3)
        mixed = self.graph.add(
            "MultiHeadAttention",
            *(query, f"{query}.1", f"{query}.2"),
            domain=CONTRIBUTED,
            num_heads=heads,
            scale=1 / math.sqrt(width // heads),
        )
        return self._product(mixed, *self._parameters(f"{stem}.o_proj", width, width))

    def _product(self, x: str, matrix: np.ndarray, bias: np.ndarray) -> str:
        """x (n, tokens, k) times a layer's matrix (k, m), plus the bias (m,)."""
        graph = self.graph
        if not self.is_int8:
            return graph.add("Add", graph.add("MatMul", x, graph.constant(matrix)), graph.constant(bias))
        quantized, scales = quantize_columns(matrix)
        zeros = graph.constant(np.zeros(len(scales), np.int8))
        inputs = graph.constant(quantized), graph.constant(scales), zeros, graph.constant(bias)
        return graph.add("DynamicQuantizeMatMul", x, *inputs, domain=CONTRIBUTED)

    def _project(self, pooled: str) -> str:
        kind, stem = self.config["projection"], "audio_projection"
        width, dim = self.ast["hidden_size"], self.config["projection_dim"]
        if kind == "mlp":
            inner = self.graph.add("Gelu", self._linear(pooled, f"{stem}.0", width, width))
            return self._linear(inner, f"{stem}.2", width, dim)
        if kind == "residual":
            hidden = self._linear(pooled, f"{stem}.linear1", width, dim)
            inner = self.graph.add("Gelu", hidden)
            return self.graph.add("Add", hidden, self._linear(inner, f"{stem}.linear2", dim, dim))
        return self._linear(pooled, stem, width, dim)

    def _linear(self, x: str, stem: str, width: int, out_width: int) -> str:
        matrix, bias = map(self.graph.constant, self._parameters(stem, width, out_width))
        return self.graph.add("Add", self.graph.add("MatMul", x, matrix), bias)

    def _parameters(
        self, stem: str, width: int, out_width: int, has_bias: bool = True
    ) -> tuple[np.ndarray, np.ndarray]:
        """The matrix (width, out_width) and the bias (out_width,) of a linear layer."""
        matrix = self._weight(f"{stem}.weight", out_width, width).T
        bias = self._weight(f"{stem}.bias", out_width) if has_bias else np.zeros(out_width, np.float32)
        return matrix, bias

    def _norm(self, x: str, stem: str) -> str:
        width = self.ast["hidden_size"]
        scale, bias = (self.graph.constant(self._weight(f"{stem}.{part}", width)) for part in ("weight", "bias"))
        return self.graph.add("LayerNormalization", x, scale, bias, epsilon=float(self.ast["layer_norm_eps"]))

    def _weight(self, name: str, *shape: int) -> np.ndarray:
        """A weight of the checkpoint; zeros in place of one that is `missing`."""
        weight = self.weights.get(name)
        if weight is None or weight.shape != shape:
            self.missing.append(name)
            return np.zeros(shape, np.float32)
        return weight
