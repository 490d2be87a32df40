"""The towers that `export` wrote, run by onnxruntime and measured on captioned recordings."""

import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from kobza.audio import printable
from kobza.data.pairs import load_pairs
from kobza.embedding.checkpoint import SENTENCES_AT_ONCE, WINDOWS_AT_ONCE, Checkpoint
from kobza.embedding.embedder import embed_recordings
from kobza.evaluation.metrics import rank_metrics, ranks
from kobza.export.onnx import PRECISIONS, TOWERS, open_session


class OnnxTowers:
    """The exported towers with the attributes and methods of `Checkpoint` that measuring needs.

    Attributes:
        seconds: that the text and the audio tower have taken so far.
    """

    def __init__(self, checkpoint: Checkpoint, folder: Path, precision: str = "float32"):
        self.dim, self.sampling_rate = checkpoint.dim, checkpoint.sampling_rate
        self.window_seconds, self.min_window_seconds = checkpoint.window_seconds, checkpoint.min_window_seconds
        self.processor, self.seconds = checkpoint.processor, {"text": 0.0, "audio": 0.0}
        self.files = {name: folder / "onnx" / f"{file}{PRECISIONS[precision]}.onnx" for name, file in TOWERS.items()}
        self.sessions = {name: open_session(path) for name, path in self.files.items()}

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
