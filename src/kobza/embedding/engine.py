"""Kobza's checkpoints with an Audio Spectrogram Transformer as an `Embedder`, without torch.

The audio half is a graph (`ast_graph`) that ONNX Runtime computes, from 16 kHz samples to the vector; its weights are
those of the checkpoint's model.safetensors. The text half is `numpy_text_tower`. In float32 the vectors are those of
`checkpoint.Checkpoint` up to rounding (1e-5); in int8 (`int8`) their cosine with those is .9998, too near for search to
tell them apart. So all have the checkpoint's fingerprint, and may lie in one library.
"""

import os
import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import safe_open

from kobza.config import value_of
from kobza.embedding.ast_graph import DIFFERENCES, SUMS, AstGraph, MissingWeights, is_supported
from kobza.embedding.checkpoint_folder import (
    CheckpointError,
    default_checkpoint,
    find_checkpoint,
    one_line,
    read_json,
)
from kobza.embedding.int8 import has_int8_instructions
from kobza.embedding.kept_fingerprint import kept_fingerprint
from kobza.embedding.log_mel_graph import Framing
from kobza.embedding.numpy_text_tower import TextTower
from kobza.embedding.onnx_proto import Graph

# Windows of equal length in one call of the engine. In float32 they share the reading of the weights; int8 has scales
# for the activations of a call, and a vector must not depend on other windows.
WINDOWS_PER_RUN = {"float32": 4, "int8": 1}
FEATURE_EXTRACTOR = {  # `KobzaFeatureExtractor`'s defaults
    "sampling_rate": 16000,
    "num_mel_bins": 128,
    "max_length": 1024,
    "mean": -4.2677393,
    "std": 4.5689974,
    "window_seconds": 10.0,
    "min_window_seconds": 1.0,
    "window_loudness": None,
    "tower_features": None,
}


class EngineEmbedder:
    """A checkpoint, made by `EngineEmbedder.load`. Attributes and methods are those of `Embedder`.

    Attributes:
        arithmetic: of the products in the audio tower's layers, "float32" or "int8".
    """

    def __init__(
        self,
        name: str,
        identity: str,
        config: dict,
        settings: dict,
        weights: dict[str, np.ndarray],
        arithmetic: str = "float32",
    ):
        self.name = name
        self.fingerprint = identity
        self.dim: int = config.get("projection_dim", 128)
        self.sampling_rate: int = settings["sampling_rate"]
        self.window_seconds: float = settings["window_seconds"]
        self.min_window_seconds: float = settings["min_window_seconds"]
        self.arithmetic = arithmetic
        self._loaded_from = name  # which stays when a table shows the model under another name
        self._framing = Framing(settings)
        self._parts = name, identity, config, settings
        self._session = open_session(AstGraph(config, settings, weights, arithmetic).build())
        self._scratch = threading.local()
        self._threads = usable_cpus()

    def __reduce__(self) -> tuple:
        """Sent to another machine with its weights, which are read again; its text half is loaded there by name."""
        weights = read_audio_weights(find_checkpoint(self._loaded_from))
        return EngineEmbedder, (*self._parts, weights, self.arithmetic)

    @classmethod
    def can_load(cls, folder: Path) -> bool:
        """Whether the engine computes the audio tower of the Kobza checkpoint in a folder; not a ResNet's, say."""
        return is_supported(read_json(folder / "config.json"), read_settings(folder))

    @classmethod
    def load(cls, name_or_dir: str | Path | None = None, arithmetic: str | None = None) -> "EngineEmbedder":
        """Load a checkpoint: a folder or a Hub id; by default `default_checkpoint()`.

        Args:
            arithmetic: "float32" or "int8"; by default what the setting `arithmetic` says, or else int8 where the CPU
                has instructions for it.

        Raises:
            CheckpointError: it is not there, not Kobza's, incomplete or damaged, or its audio tower is not an AST.
        """
        name = str(name_or_dir or default_checkpoint())
        folder = find_checkpoint(name)
        identity = kept_fingerprint(folder)
        config, settings = read_json(folder / "config.json"), read_settings(folder)
        if not is_supported(config, settings):
            raise CheckpointError(
                f"{name} has an audio tower that only PyTorch computes: run `pip install 'kobza[torch]'`."
            )
        arithmetic = arithmetic or value_of("arithmetic").value or default_arithmetic()
        try:
            return cls(name, identity, config, settings, read_audio_weights(folder), arithmetic)
        except MissingWeights as error:
            raise CheckpointError(f"{name} {error}: fetch it again.") from None
        except Exception as error:  # ONNX Runtime and safetensors raise classes of their own for damaged files
            raise CheckpointError(
                f"{name} cannot be loaded ({one_line(error)}): fetch or save the checkpoint again."
            ) from error

    @cached_property
    def text(self) -> TextTower:
        """The text half, loaded when first needed: indexing needs none."""
        return TextTower.load(self._loaded_from)

    def embed_text(self, sentences: Sequence[str]) -> np.ndarray:
        """Sentences -> (n, dim) float32, unit length."""
        return self.text.embed_text(sentences)

    def pool_text(self, sentences: Sequence[str]) -> np.ndarray:
        """Sentences -> (n, width) float32, the vectors before the projection."""
        return self.text.pool_text(sentences)

    def project_text(self, pooled: np.ndarray) -> np.ndarray:
        """(n, width) -> (n, dim) float32, unit length."""
        return self.text.project_text(pooled)

    def knows_word(self, word: str) -> bool:
        """Whether a word, in lower case, is in the vocabulary as a whole."""
        return self.text.knows_word(word)

    def encoder_id(self) -> str:
        """16 hexadecimal digits of the text tower's weights before the projection."""
        return self.text.encoder_id()

    def embed_windows(self, windows: Sequence[np.ndarray]) -> np.ndarray:
        """Windows -> (n, dim) float32, unit length; each (samples,) float32 at `sampling_rate`, 25 ms to
        `window_seconds` long.

        Raises:
            ValueError: a window of another length.
        """
        rows = [np.asarray(window, np.float32) for window in windows]
        least, most = self.sampling_rate * 25 // 1000, round(self.window_seconds * self.sampling_rate)
        for row in rows:
            if not least <= len(row) <= most:
                raise ValueError(f"A window of {len(row)} samples: {self.name} takes {least} to {most}.")
        vectors = np.empty((len(rows), self.dim), np.float32)

        def embed(batch: list[int]) -> None:
            vectors[batch] = self._run([rows[i] for i in batch])

        size = min(WINDOWS_PER_RUN[self.arithmetic], max(1, -(-len(rows) // self._threads)))
        batches = batches_of_equal_length([len(row) for row in rows], size)
        if self._threads == 1 or len(batches) < 2:
            for batch in batches:
                embed(batch)
        else:
            list(self._pool.map(embed, batches))
        return vectors

    @cached_property
    def _pool(self) -> ThreadPoolExecutor:
        """One thread for each CPU, each with windows of its own: none waits for another within a product."""
        return ThreadPoolExecutor(self._threads, thread_name_prefix="kobza-embed")

    def _run(self, windows: list[np.ndarray]) -> np.ndarray:
        """Windows of one length -> (n, dim)"""
        count, half = self._framing.count(len(windows[0])), self._framing.length // 2
        sums, differences = self._memory(len(windows), count, half + 1, half)
        for window, *rows in zip(windows, sums, differences, strict=True):
            self._framing.fold(window, *rows)
        vectors: np.ndarray = self._session.run(None, {SUMS: sums, DIFFERENCES: differences})[0]
        return vectors

    def _memory(self, n: int, frames: int, *widths: int) -> list[np.ndarray]:
        """Arrays (n, frames, width), the thread's own and used again: new ones would take longer than filling them."""
        sizes = [n * frames * width for width in widths]
        flat = getattr(self._scratch, "flat", None)
        if flat is None or flat.size < sum(sizes):
            self._scratch.flat = flat = np.empty(sum(sizes), np.float32)
        parts = np.split(flat[: sum(sizes)], np.cumsum(sizes)[:-1])
        return [part.reshape(n, frames, width) for part, width in zip(parts, widths, strict=True)]


def default_arithmetic() -> str:
    return "int8" if has_int8_instructions() else "float32"


def read_settings(folder: Path) -> dict:
    """The feature extractor's settings of a checkpoint's folder."""
    stored = read_json(folder / "processor_config.json").get("feature_extractor", {})
    return FEATURE_EXTRACTOR | {key: stored[key] for key in FEATURE_EXTRACTOR.keys() & stored}


def read_audio_weights(folder: Path) -> dict[str, np.ndarray]:
    """The audio half's weights of a checkpoint's folder, float32."""
    weights: dict[str, np.ndarray] = {}
    for path in sorted(folder.glob("*.safetensors")):
        with safe_open(path, "numpy") as file:
            names = [key for key in file.keys() if key.startswith("audio_")]  # noqa: SIM118 (it is no dict)
            weights |= {key: file.get_tensor(key).astype(np.float32) for key in names}
    return weights


def batches_of_equal_length(lengths: Sequence[int], size: int) -> list[list[int]]:
    """Indices of windows in batches of at most `size`, each of windows of one length.

    >>> batches_of_equal_length([5, 5, 3, 5], 2)
    [[0, 1], [3], [2]]
    """
    by_length: dict[int, list[int]] = {}
    for index, length in enumerate(lengths):
        by_length.setdefault(length, []).append(index)
    return [group[i : i + size] for group in by_length.values() for i in range(0, len(group), size)]


def open_session(graph: Graph, threads: int = 1) -> Any:
    """An onnxruntime `InferenceSession` on the CPU, with the graph's weights. Several threads may call it at once.

    Args:
        threads: that compute a call: the caller's own, and the others the session's.
    """
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3  # errors
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")  # threads wait without taking a CPU
    values = [onnxruntime.OrtValue.ortvalue_from_numpy(array) for array in graph.weights.values()]
    options.add_external_initializers(list(graph.weights), values)
    return onnxruntime.InferenceSession(graph.serialize(), options, providers=["CPUExecutionProvider"])


def usable_cpus() -> int:
    """As many threads as $OMP_NUM_THREADS says, as for other libraries of arithmetic, or as the process has CPUs."""
    wanted = os.environ.get("OMP_NUM_THREADS", "")
    if wanted.isdecimal() and int(wanted):
        return int(wanted)
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
