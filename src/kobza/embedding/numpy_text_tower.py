"""A checkpoint's text tower in numpy: enough to search a library, without torch.

Embedding a sentence with a small BERT takes a few milliseconds; importing torch and transformers for it takes seconds,
most of the time of `kobza search`. Weights, tokenizer and pooling are the checkpoint's own, and the vectors equal those
of `Checkpoint.embed_text` up to rounding (BERT: Devlin et al. 2018, arXiv 1810.04805).
"""

import hashlib
import math
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import safe_open
from tokenizers import Tokenizer

from kobza.embedding.checkpoint_folder import (
    CheckpointError,
    default_checkpoint,
    find_checkpoint,
    one_line,
    read_json,
)
from kobza.embedding.kept_fingerprint import kept_fingerprint
from kobza.half_precision import to_float32

MAX_TOKENS = 512  # BERT has no position beyond
TOKENS_PER_BATCH = 512  # more are no faster, and take more memory
WORD_EMBEDDINGS = "word_embeddings"
# Of the error function (Abramowitz and Stegun 1964, 7.1.26), to 1.5e-7: numpy has none, and math.erf takes most of the
# time that a sentence does.
ERF_COEFFICIENTS = (1.061405429, -1.453152027, 1.421413741, -0.284496736, 0.254829592)
ERF_P = 0.3275911


def erf(x: np.ndarray) -> np.ndarray:
    """
    >>> erf(np.array([0.0, 0.5, -2.0])).round(6).tolist()
    [0.0, 0.5205, -0.995322]
    """
    t = 1 / (1 + ERF_P * np.abs(x))
    tail = ERF_COEFFICIENTS[0] * t  # in place and in the type of x: np.polyval goes over to float64
    for coefficient in ERF_COEFFICIENTS[1:]:
        tail += coefficient
        tail *= t
    tail *= np.exp(-x * x)
    value: np.ndarray = np.copysign(1 - tail, x)
    return value


def gelu(x: np.ndarray) -> np.ndarray:
    """Gaussian error linear unit: x times the normal cumulative distribution at x."""
    result = erf(x * math.sqrt(0.5))
    result += 1
    result *= x
    result *= 0.5
    return result


def gelu_tanh(x: np.ndarray) -> np.ndarray:
    """`gelu` approximated by tanh."""
    return x * (0.5 + 0.5 * np.tanh(np.float32(math.sqrt(2 / math.pi)) * (x + np.float32(0.044715) * x * x * x)))


def relu(x: np.ndarray) -> np.ndarray:
    return np.maximum(x, 0)


# By their names in a BERT's configuration
ACTIVATIONS = {"gelu": gelu, "gelu_new": gelu_tanh, "gelu_pytorch_tanh": gelu_tanh, "relu": relu}


def softmax(x: np.ndarray) -> np.ndarray:
    """Over the last axis.

    >>> softmax(np.array([0.0, 0.0])).tolist()
    [0.5, 0.5]
    """
    powers = np.exp(x - x.max(axis=-1, keepdims=True))
    return powers / powers.sum(axis=-1, keepdims=True)


def weights_id(weights: Mapping[str, np.ndarray]) -> str:
    """16 hexadecimal digits for the weights of a sentence encoder, in the half precision that checkpoints are saved in.

    Args:
        weights: a checkpoint's, by name; those of the projection and of the other tower do not count.
    """
    digest = hashlib.sha256()
    for name in sorted(name for name in weights if name.startswith(("text_model.", "text_extra_layers."))):
        digest.update(name.encode())
        digest.update(np.ascontiguousarray(weights[name], np.float16).tobytes())
    return digest.hexdigest()[:16]


def _batches(sentences: Sequence[Sequence[int]]) -> Iterator[list[Sequence[int]]]:
    """The sentences, in order, in groups of no more than `TOKENS_PER_BATCH` tokens, or of one sentence.

    >>> [[len(ids) for ids in batch] for batch in _batches([[1] * 300, [1] * 300, [1] * 500])]
    [[300], [300], [500]]
    """
    batch: list[Sequence[int]] = []
    for ids in sentences:
        if batch and sum(map(len, batch)) + len(ids) > TOKENS_PER_BATCH:
            yield batch
            batch = []
        batch.append(ids)
    if batch:
        yield batch


def _pool(tokens: np.ndarray, pooling: str) -> np.ndarray:
    """(length, width) -> (width,)"""
    if pooling == "cls":
        return tokens[0]
    pooled: np.ndarray = tokens.max(axis=0) if pooling == "max" else tokens.mean(axis=0)
    return pooled


class TextTower:
    """A checkpoint's text tower as a `TextEmbedder`, made by `TextTower.load`."""

    def __init__(self, name: str, identity: str, config: dict, weights: dict[str, np.ndarray], tokenizer: Tokenizer):
        self.name = name
        self.fingerprint = identity
        self.dim: int = config["projection_dim"]
        self.config = config
        self.weights = weights
        self.tokenizer = tokenizer
        self._activation = ACTIVATIONS[config["text_config"]["hidden_act"]]

    @classmethod
    def load(cls, name_or_dir: str | Path | None = None) -> "TextTower":
        """Load the text tower of a checkpoint: a folder or a Hub id; by default `default_checkpoint()`.

        Raises:
            CheckpointError: it does not exist, is not Kobza's, incomplete or damaged.
        """
        name = str(name_or_dir or default_checkpoint())
        folder = find_checkpoint(name)
        config = read_json(folder / "config.json")
        weights: dict[str, np.ndarray] = {}
        try:
            tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
            tokenizer.no_padding()
            longest = read_json(folder / "tokenizer_config.json").get("model_max_length", MAX_TOKENS)
            tokenizer.enable_truncation(int(min(longest, MAX_TOKENS)))
            for path in sorted(folder.glob("*.safetensors")):
                with safe_open(path, "numpy") as file:
                    names = [key for key in file.keys() if key.startswith("text_")]  # noqa: SIM118 (it is no dict)
                    weights |= {key: file.get_tensor(key) for key in names}
            # all but the word embeddings, of which a sentence needs a few rows
            weights = {key: w if WORD_EMBEDDINGS in key else to_float32(w) for key, w in weights.items()}
            tower = cls(name, kept_fingerprint(folder), config, weights, tokenizer)
            tower.embed_text(["a"])  # fails if a weight is missing or misshapen
        except Exception as error:  # `tokenizers` raises plain Exceptions for damaged files
            raise CheckpointError(
                f"{name} cannot be loaded ({one_line(error)}): fetch or save the checkpoint again."
            ) from error
        return tower

    def embed_text(self, sentences: Sequence[str]) -> np.ndarray:
        """Sentences -> (n, dim) float32, unit length."""
        return self.project_text(self.pool_text(sentences))

    def pool_text(self, sentences: Sequence[str]) -> np.ndarray:
        """Sentences -> (n, width) float32, the vectors before the projection."""
        width = self.config["text_config"]["hidden_size"]
        pooled = [row for batch in _batches(self._token_ids(sentences)) for row in self._pooled(batch)]
        return np.array(pooled, np.float32).reshape(-1, width)

    def project_text(self, pooled: np.ndarray) -> np.ndarray:
        """(n, width) -> (n, dim) float32, unit length."""
        vectors = np.array([self._project(row) for row in pooled], np.float32).reshape(-1, self.dim)
        unit: np.ndarray = vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-12)
        return unit

    def knows_word(self, word: str) -> bool:
        """Whether a word, in lower case, is in the vocabulary as a whole."""
        return self.tokenizer.token_to_id(word) is not None

    def encoder_id(self) -> str:
        """16 hexadecimal digits of the weights before the projection."""
        return weights_id(self.weights)

    def _token_ids(self, sentences: Sequence[str]) -> list[list[int]]:
        return [self.tokenizer.encode(sentence).ids for sentence in sentences]

    def _pooled(self, sentences: Sequence[Sequence[int]]) -> list[np.ndarray]:
        """Token ids -> a vector (width,) for each. The tokens of all sentences are rows of one matrix, without padding;
        only attention looks at each sentence by itself."""
        ends = np.cumsum([len(ids) for ids in sentences])
        parts = [slice(end - len(ids), end) for end, ids in zip(ends, sentences, strict=True)]
        stem = "text_model.embeddings"
        embeddings = (
            self._weight(f"{stem}.{WORD_EMBEDDINGS}.weight", np.concatenate(sentences))
            + self._weight(f"{stem}.position_embeddings.weight", np.concatenate([np.arange(len(i)) for i in sentences]))
            + self._weight(f"{stem}.token_type_embeddings.weight", slice(1))
        )
        tokens = self._norm(embeddings, f"{stem}.LayerNorm")  # (tokens, width)
        text = self.config["text_config"]
        layers = [f"text_model.encoder.layer.{i}" for i in range(text["num_hidden_layers"])]
        layers += [f"text_extra_layers.{i}" for i in range(self.config["text_extra_layers"])]
        for layer in layers:
            tokens = self._norm(
                tokens + self._attend(tokens, parts, f"{layer}.attention"), f"{layer}.attention.output.LayerNorm"
            )
            inner = self._activation(self._linear(tokens, f"{layer}.intermediate.dense"))
            tokens = self._norm(tokens + self._linear(inner, f"{layer}.output.dense"), f"{layer}.output.LayerNorm")
        return [_pool(tokens[part], self.config["text_pooling"]) for part in parts]

    def _attend(self, tokens: np.ndarray, parts: Sequence[slice], stem: str) -> np.ndarray:
        heads = self.config["text_config"]["num_attention_heads"]
        query, key, value = (
            self._linear(tokens, f"{stem}.self.{part}").reshape(len(tokens), heads, -1).transpose(1, 0, 2)
            for part in ("query", "key", "value")
        )  # (heads, tokens, width of a head)
        scale = np.float32(math.sqrt(query.shape[-1]))
        mixed = np.empty_like(value)
        for part in parts:
            attention = softmax(query[:, part] @ key[:, part].transpose(0, 2, 1) / scale)
            mixed[:, part] = attention @ value[:, part]
        return self._linear(mixed.transpose(1, 0, 2).reshape(tokens.shape), f"{stem}.output.dense")

    def _project(self, pooled: np.ndarray) -> np.ndarray:
        kind, stem = self.config["projection"], "text_projection"
        if kind == "mlp":
            return self._linear(gelu(self._linear(pooled, f"{stem}.0")), f"{stem}.2")
        if kind == "residual":
            hidden = self._linear(pooled, f"{stem}.linear1")
            return hidden + self._linear(gelu(hidden), f"{stem}.linear2")
        return self._linear(pooled, stem)

    def _linear(self, x: np.ndarray, stem: str) -> np.ndarray:
        return x @ self._weight(f"{stem}.weight").T + self._weight(f"{stem}.bias")

    def _norm(self, x: np.ndarray, stem: str) -> np.ndarray:
        x = x - x.mean(axis=-1, keepdims=True)
        x = x / np.sqrt((x * x).mean(axis=-1, keepdims=True) + np.float32(self.config["text_config"]["layer_norm_eps"]))
        return x * self._weight(f"{stem}.weight") + self._weight(f"{stem}.bias")

    def _weight(self, name: str, rows: Any = slice(None)) -> np.ndarray:
        return self.weights[name][rows].astype(np.float32, copy=False)
