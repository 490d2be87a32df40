"""Kobza's checkpoints with an Audio Spectrogram Transformer as an `Embedder`, without torch.

The audio half is a graph (`ast_graph`) that ONNX Runtime computes, from 16 kHz samples to the vector; its weights are
those of the checkpoint's model.safetensors. The text half is `numpy_text_tower`. The vectors are those of
`checkpoint.Checkpoint` up to rounding (1e-5), so both have the checkpoint's fingerprint.
"""

import os
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import safe_open

from kobza.embedding.ast_graph import SAMPLES, AstGraph, MissingWeights, is_supported
from kobza.embedding.checkpoint_folder import (
    CheckpointError,
    default_checkpoint,
    find_checkpoint,
    fingerprint,
    one_line,
    read_json,
)
from kobza.embedding.numpy_text_tower import TextTower
from kobza.embedding.onnx_proto import Graph

WINDOWS_PER_RUN = 8  # of equal length, in one call of the engine
FEATURE_EXTRACTOR = {  # `KobzaFeatureExtractor`'s defaults
    "sampling_rate": 16000,
    "num_mel_bins": 128,
    "max_length": 1024,
    "mean": -4.2677393,
    "std": 4.5689974,
    "window_seconds": 10.0,
    "min_window_seconds": 1.0,
    "window_loudness": None,
}


class EngineEmbedder:
    """A checkpoint, made by `EngineEmbedder.load`. Attributes and methods are those of `Embedder`.

    Attributes:
        arithmetic: of the audio half's products, "float32".
    """

    def __init__(self, name: str, identity: str, config: dict, settings: dict, weights: dict[str, np.ndarray]):
        self.name = name
        self.fingerprint = identity
        self.dim: int = config.get("projection_dim", 128)
        self.sampling_rate: int = settings["sampling_rate"]
        self.window_seconds: float = settings["window_seconds"]
        self.min_window_seconds: float = settings["min_window_seconds"]
        self.arithmetic = "float32"
        self._loaded_from = name  # which stays when a table shows the model under another name
        self._parts = name, identity, config, settings
        self._session = open_session(AstGraph(config, settings, weights).build())

    def __reduce__(self) -> tuple:
        """Sent to another machine with its weights, which are read again; its text half is loaded there by name."""
        return EngineEmbedder, (*self._parts, read_audio_weights(find_checkpoint(self._loaded_from)))

    @classmethod
    def can_load(cls, folder: Path) -> bool:
        """Whether the engine computes the audio tower of the Kobza checkpoint in a folder; not a ResNet, for one."""
        return is_supported(read_json(folder / "config.json"))

    @classmethod
    def load(cls, name_or_dir: str | Path | None = None) -> "EngineEmbedder":
        """Load a checkpoint: a folder or a Hub id; by default `default_checkpoint()`.

        Raises:
            CheckpointError: it is not there, not Kobza's, incomplete or damaged, or its audio tower is not an AST.
        """
        name = str(name_or_dir or default_checkpoint())
        folder = find_checkpoint(name)
        identity = fingerprint(folder)
        config = read_json(folder / "config.json")
        settings = FEATURE_EXTRACTOR | read_json(folder / "processor_config.json").get("feature_extractor", {})
        if not is_supported(config):
            raise CheckpointError(
                f"{name} has an audio tower that only PyTorch computes: run `pip install 'kobza[torch]'`."
            )
        try:
            return cls(name, identity, config, settings, read_audio_weights(folder))
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
        for batch in batches_of_equal_length([len(row) for row in rows], WINDOWS_PER_RUN):
            (vectors[batch],) = self._session.run(None, {SAMPLES: np.stack([rows[i] for i in batch])})
        return vectors


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


def open_session(graph: Graph, threads: int | None = None) -> Any:
    """An onnxruntime `InferenceSession` on the CPU, with the graph's weights.

    Args:
        threads: by default as many as the process may use, or $OMP_NUM_THREADS.
    """
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3  # errors
    options.intra_op_num_threads = threads or usable_cpus()
    options.inter_op_num_threads = 1
    values = [onnxruntime.OrtValue.ortvalue_from_numpy(array) for array in graph.weights.values()]
    options.add_external_initializers(list(graph.weights), values)
    return onnxruntime.InferenceSession(graph.serialize(), options, providers=["CPUExecutionProvider"])


def usable_cpus() -> int:
    """As many threads as $OMP_NUM_THREADS says, as for other libraries of arithmetic, or as the process has CPUs."""
    wanted = os.environ.get("OMP_NUM_THREADS", "")
    if wanted.isdecimal() and int(wanted):
        return int(wanted)
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
