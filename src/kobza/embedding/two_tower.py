"""Any audio-text model with CLAP's interface in transformers, as an `Embedder`.

That is a model with `get_text_features` and `get_audio_features`, and a processor that holds a tokenizer and a feature
extractor, loaded through `AutoModel` and `AutoProcessor` (transformers' own classes; no remote code).
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F

SENTENCES_PER_BATCH = 64
WINDOWS_PER_BATCH = 8
MIN_WINDOW_SECONDS = 1.0  # Kobza's, so that all models embed the same parts of a recording
DEFAULT_WINDOW_SECONDS = 10.0  # for a model that takes audio of any length
DEFAULT_MAX_TOKENS = 77  # CLAP's text length


def state_fingerprint(model: torch.nn.Module, settings: Mapping[str, Any]) -> str:
    """16 hexadecimal digits of a model's weights and of the settings that decide its vectors."""
    digest = hashlib.sha256()
    for name, value in sorted(model.state_dict().items()):
        digest.update(f"{name}\0{tuple(value.shape)}\0".encode())
        digest.update(value.detach().cpu().contiguous().numpy())
    digest.update(json.dumps(settings, sort_keys=True, default=str).encode())
    return digest.hexdigest()[:16]


class TwoTowerEmbedder:
    """A model with CLAP's interface and its processor. Attributes and methods are those of `Embedder`.

    A window is never longer than the feature extractor's input, because longer input would be cropped, in CLAP at
    random.
    """

    def __init__(self, model: Any, processor: Any, name: str = ""):
        self.model = model.float().eval()
        self.processor = processor
        self.name = name
        extractor = processor.feature_extractor
        self.sampling_rate: int = extractor.sampling_rate
        longest = getattr(extractor, "nb_max_samples", None)
        self.window_seconds: float = longest / self.sampling_rate if longest else DEFAULT_WINDOW_SECONDS
        self.min_window_seconds = MIN_WINDOW_SECONDS
        self.max_tokens = min(processor.tokenizer.model_max_length, DEFAULT_MAX_TOKENS)
        self.fingerprint = state_fingerprint(model, self._fingerprint_settings())
        self.dim: int = self.embed_text(["music"]).shape[1]

    def _fingerprint_settings(self) -> dict[str, Any]:
        settings: dict[str, Any] = self.processor.feature_extractor.to_dict()
        return settings

    @torch.inference_mode()
    def embed_text(self, sentences: Sequence[str]) -> np.ndarray:
        """Sentences -> (n, dim) float32, unit length; a sentence is cut after `max_tokens` tokens."""
        parts = []
        for start in range(0, len(sentences), SENTENCES_PER_BATCH):
            inputs = self.processor.tokenizer(
                list(sentences[start : start + SENTENCES_PER_BATCH]),
                padding=True,
                truncation=True,
                max_length=self.max_tokens,
                return_tensors="pt",
            ).to(self.model.device)
            embeds = self.model.get_text_features(
                input_ids=inputs["input_ids"], attention_mask=inputs["attention_mask"]
            )
            parts.append(_unit_rows(embeds))
        return np.concatenate(parts) if parts else np.empty((0, self.dim), np.float32)

    @torch.inference_mode()
    def embed_windows(self, windows: Sequence[np.ndarray]) -> np.ndarray:
        """Windows -> (n, dim) float32, unit length; each (samples,) float32, 1 sample to `window_seconds`.

        Raises:
            ValueError: an empty window, or one longer than `window_seconds`.
        """
        limit = round(self.window_seconds * self.sampling_rate)
        parts = []
        for start in range(0, len(windows), WINDOWS_PER_BATCH):
            batch = [np.asarray(window, np.float32) for window in windows[start : start + WINDOWS_PER_BATCH]]
            for window in batch:
                if not 1 <= len(window) <= limit:
                    raise ValueError(
                        f"A window of {len(window)} samples: {self.name or 'the model'} takes 1 to {limit}; cut the "
                        "recording into windows first."
                    )
            parts.append(_unit_rows(self._audio_features(batch)))
        return np.concatenate(parts) if parts else np.empty((0, self.dim), np.float32)

    def _audio_features(self, batch: list[np.ndarray]) -> Any:
        """The model's output for a batch; one window at a time, so that padding cannot change a vector."""
        features = []
        for window in batch:
            inputs = self.processor.feature_extractor(window, sampling_rate=self.sampling_rate, return_tensors="pt")
            features.append(_pooled(self.model.get_audio_features(**inputs.to(self.model.device))))
        return torch.cat(features)


def _pooled(features: Any) -> torch.Tensor:
    """transformers 5 returns an output object, older code a tensor."""
    pooled: torch.Tensor = getattr(features, "pooler_output", features)
    return pooled


def _unit_rows(features: Any) -> np.ndarray:
    rows: np.ndarray = F.normalize(_pooled(features).float(), dim=-1).cpu().numpy()
    return rows
