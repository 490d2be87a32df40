"""The towers that `onnx.export` wrote, run by onnxruntime as an `Embedder`, and their retrieval metrics."""

import hashlib
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from kobza.audio import printable
from kobza.data.pairs import load_pairs
from kobza.embedding.checkpoint import SENTENCES_PER_BATCH, WINDOWS_PER_BATCH, Checkpoint
from kobza.embedding.embedder import Embedder, embed_recordings
from kobza.errors import KobzaError
from kobza.evaluation.metrics import rank_metrics, ranks
from kobza.export.onnx import PRECISIONS, TOWERS, open_session


class OnnxEmbedder:
    """The exported towers. Attributes and methods are those of `Embedder`.

    Attributes:
        fingerprint: the checkpoint's for "float32"; the other precisions give other vectors, so each has its own.
        files: of each tower. seconds: spent in each tower so far.
    """

    def __init__(self, checkpoint: Checkpoint, folder: Path, precision: str = "float32"):
        self.name = f"{folder} ({precision})"
        self.fingerprint = checkpoint.fingerprint
        if precision != "float32":
            self.fingerprint = hashlib.sha256(f"{checkpoint.fingerprint} {precision}".encode()).hexdigest()[:16]
        self.dim = checkpoint.dim
        self.sampling_rate = checkpoint.sampling_rate
        self.window_seconds = checkpoint.window_seconds
        self.min_window_seconds = checkpoint.min_window_seconds
        self.processor = checkpoint.processor
        self.seconds = {"text": 0.0, "audio": 0.0}
        self.files = {name: folder / "onnx" / f"{file}{PRECISIONS[precision]}.onnx" for name, file in TOWERS.items()}
        self.sessions = {name: open_session(path) for name, path in self.files.items()}

    def _run(self, tower: str, inputs: dict[str, np.ndarray]) -> np.ndarray:
        start = time.perf_counter()
        (embeds,) = self.sessions[tower].run(None, inputs)
        self.seconds[tower] += time.perf_counter() - start
        return embeds

    def embed_text(self, sentences: Sequence[str]) -> np.ndarray:
        """Sentences -> (n, dim) float32, unit length."""
        parts = [np.empty((0, self.dim), dtype=np.float32)]
        for start in range(0, len(sentences), SENTENCES_PER_BATCH):
            tokens = self.processor(text=list(sentences[start : start + SENTENCES_PER_BATCH]), return_tensors="np")
            parts.append(self._run("text", {name: tokens[name] for name in ("input_ids", "attention_mask")}))
        return np.concatenate(parts)

    def embed_windows(self, windows: Sequence[np.ndarray]) -> np.ndarray:
        """Windows -> (n, dim) float32, unit length; each (samples,) float32 at `sampling_rate`."""
        parts = [np.empty((0, self.dim), dtype=np.float32)]
        for start in range(0, len(windows), WINDOWS_PER_BATCH):
            features = self.processor.feature_extractor.log_mel(windows[start : start + WINDOWS_PER_BATCH])
            parts.append(self._run("audio", {"input_values": features.numpy()}))
        return np.concatenate(parts)


def measure(embedder: Embedder, folder: str | Path) -> dict[str, float]:
    """R@1, R@10 and the other metrics of text-to-music retrieval over captioned recordings (see `data.pairs`).

    Raises:
        ValueError: a recording cannot be embedded.
    """
    recordings = load_pairs(folder).recordings
    paths = list(dict.fromkeys(recording.path for recording in recordings))
    vectors, reasons = embed_recordings(embedder, paths)
    if reasons:
        raise KobzaError(f"{printable(folder)} cannot be measured: {next(iter(reasons.values()))}")
    is_match = np.array([[recording.path == path for path in paths] for recording in recordings])
    captions = [recording.caption for recording in recordings if recording.caption is not None]  # of pairs, all
    similarity = embedder.embed_text(captions) @ vectors.T
    return rank_metrics(ranks(similarity, is_match))
