"""Kobza's own checkpoints as an `Embedder`.

The folder that `Checkpoint.save` writes is what the Hub holds: weights in fp16 safetensors, the tokenizer, the
settings, and the published source files, so that transformers alone can load it with trust_remote_code=True.
"""

import json
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
from transformers import AutoTokenizer

from kobza.embedding.checkpoint_folder import (
    CheckpointError,
    default_checkpoint,
    find_checkpoint,
    fingerprint,
    one_line,
    read_json,
)
from kobza.embedding.numpy_text_tower import weights_id
from kobza.embedding.pretrained import refuse_incomplete, to_device, without_progress_bars
from kobza.model.feature_extraction_kobza import KobzaFeatureExtractor
from kobza.model.modeling_kobza import KobzaModel
from kobza.model.processing_kobza import KobzaProcessor

SENTENCES_PER_BATCH = 64
WINDOWS_PER_BATCH = 16  # a CPU gains nothing from more
WINDOWS_PER_BATCH_ON_GPU = 128


class Checkpoint:
    """A `KobzaModel` in float32 and eval mode, with its processor. Attributes and methods are those of `Embedder`.

    `fingerprint` is empty before the checkpoint is saved.
    """

    def __init__(self, model: KobzaModel, processor: KobzaProcessor, name: str = "", fingerprint: str = ""):
        # Any: transformers wraps the model's methods in decorators that lose their types, and its processors take their
        # parts at run time
        self.model: Any = model.eval()
        self.processor: Any = processor
        self.name = name
        self.fingerprint = fingerprint
        self.dim: int = model.config.projection_dim
        extractor = self.processor.feature_extractor
        self.sampling_rate: int = extractor.sampling_rate
        self.window_seconds: float = extractor.window_seconds
        self.min_window_seconds: float = extractor.min_window_seconds

    @classmethod
    def load(cls, name_or_dir: str | Path | None = None, device: str | None = None) -> "Checkpoint":
        """Load a checkpoint with the installed code; the code in its folder is not run.

        Args:
            name_or_dir: a folder or a Hub id; by default `default_checkpoint()`.
            device: "cpu", "cuda", ...; by default a GPU if there is one.

        Raises:
            CheckpointError: it is not there, not Kobza's, incomplete or damaged.
        """
        name = str(name_or_dir or default_checkpoint())
        folder = find_checkpoint(name)
        identity = fingerprint(folder)
        try:
            with without_progress_bars():
                model, report = KobzaModel.from_pretrained(folder, dtype=torch.float32, output_loading_info=True)
                extractor = KobzaFeatureExtractor.from_pretrained(folder)
                # given the configuration, transformers does not ask whether to trust the code in the folder
                tokenizer = AutoTokenizer.from_pretrained(folder, config=model.config)
                processor = KobzaProcessor(extractor, tokenizer)
        except Exception as error:  # transformers raises many classes for damaged files
            raise CheckpointError(
                f"{name} cannot be loaded ({one_line(error)}): fetch or save the checkpoint again."
            ) from error
        refuse_incomplete(report, name)
        to_device(model, device)
        return cls(model, processor, name, identity)

    @torch.inference_mode()
    def embed_text(self, sentences: Sequence[str]) -> np.ndarray:
        """Sentences -> (n, dim) float32, unit length."""
        parts = [np.empty((0, self.dim), dtype=np.float32)]
        for start in range(0, len(sentences), SENTENCES_PER_BATCH):
            inputs = self.processor(text=list(sentences[start : start + SENTENCES_PER_BATCH])).to(self.model.device)
            parts.append(self.model.get_text_features(**inputs).pooler_output.cpu().numpy())
        return np.concatenate(parts)

    @torch.inference_mode()
    def project_text(self, pooled: np.ndarray) -> np.ndarray:
        """(n, width) -> (n, dim) float32, unit length: the sentence encoder's vectors, projected."""
        rows = torch.from_numpy(np.array(pooled, np.float32)).to(self.model.device)
        unit: np.ndarray = torch.nn.functional.normalize(self.model.text_projection(rows), dim=-1).cpu().numpy()
        return unit

    def knows_word(self, word: str) -> bool:
        """Whether a word, in lower case, is in the text tower's vocabulary as a whole."""
        return word in self._vocabulary

    @cached_property
    def _vocabulary(self) -> frozenset[str]:
        return frozenset(self.processor.tokenizer.get_vocab())

    def encoder_id(self) -> str:
        """16 hexadecimal digits of the text tower's weights before the projection."""
        weights = {name: value for name, value in self.model.state_dict().items() if name.startswith("text_")}
        return weights_id({name: value.cpu().numpy() for name, value in weights.items() if value.is_floating_point()})

    @torch.inference_mode()
    def embed_windows(self, windows: Sequence[np.ndarray]) -> np.ndarray:
        """Windows -> (n, dim) float32, unit length; each (samples,) float32 at `sampling_rate`, 25 ms to
        `window_seconds` long."""
        parts = [np.empty((0, self.dim), dtype=np.float32)]
        device = self.model.device
        per_batch = WINDOWS_PER_BATCH_ON_GPU if device.type == "cuda" else WINDOWS_PER_BATCH
        for start in range(0, len(windows), per_batch):
            batch = [torch.from_numpy(np.array(w, np.float32)) for w in windows[start : start + per_batch]]
            if device.type == "cuda":  # from pinned memory the copies below are asynchronous
                batch = [w.pin_memory() for w in batch]
            features = self.processor.feature_extractor.log_mel([w.to(device, non_blocking=True) for w in batch])
            parts.append(self.model.get_audio_features(features).pooler_output.cpu().numpy())
        return np.concatenate(parts)

    def save(self, folder: str | Path) -> None:
        """Write the complete checkpoint, loadable without kobza: fp16 weights, settings, tokenizer, published code."""
        folder = Path(folder)
        folder.mkdir(parents=True, exist_ok=True)
        weights = {
            key: value.half() if value.is_floating_point() and not key.startswith("logit_") else value
            for key, value in self.model.state_dict().items()
        }
        with without_progress_bars():
            self.model.save_pretrained(folder, state_dict=weights)
        self.processor.save_pretrained(folder)
        config = read_json(folder / "config.json")
        # Stored in half precision, but computed in full: on a CPU half precision is slower as well as coarser
        config["dtype"] = "float32"
        for tower in ("text_config", "audio_config"):
            config[tower].pop("_name_or_path", None)  # a path on the machine that built it
        content = json.dumps(config, indent=2, sort_keys=True) + "\n"
        (folder / "config.json").write_text(content, encoding="utf-8")
