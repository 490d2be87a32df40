"""A checkpoint: a model, its processor, and a fingerprint that says which vectors may be compared with which.

The library, the evaluation and the demo use a model only through this class. The folder that `Checkpoint.save` writes
is what lies on the Hub: weights in fp16 safetensors, the tokenizer, the settings, and the published source files, so
that transformers alone can load it with trust_remote_code=True.
"""

import contextlib
import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from transformers import AutoTokenizer
from transformers.utils import logging

from kobza.embedding.checkpoint_folder import (
    CheckpointError,
    default_checkpoint,
    find_checkpoint,
    fingerprint,
    read_json,
)
from kobza.model.feature_extraction_kobza import KobzaFeatureExtractor
from kobza.model.modeling_kobza import KobzaModel
from kobza.model.processing_kobza import KobzaProcessor

SENTENCES_AT_ONCE = 64
WINDOWS_AT_ONCE = 16
WINDOWS_AT_ONCE_ON_GPU = 128


@contextlib.contextmanager
def without_bars():
    """transformers' progress bars off: loading a small model takes less time than reading about it."""
    bars = logging.is_progress_bar_enabled()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        if bars:
            logging.enable_progress_bar()


class Checkpoint:
    """A model in float32 and in eval mode, with its processor.

    Attributes:
        name: as it was given. fingerprint: see `fingerprint`; empty before the checkpoint is saved. dim: length of a
            vector.
        sampling_rate: Hz. window_seconds, min_window_seconds: the window policy.
    """

    def __init__(self, model: KobzaModel, processor: KobzaProcessor, name: str = "", fingerprint: str = ""):
        self.model, self.processor = model.eval(), processor
        self.name, self.fingerprint = name, fingerprint
        self.dim: int = model.config.projection_dim
        extractor = processor.feature_extractor
        self.sampling_rate: int = extractor.sampling_rate
        self.window_seconds: float = extractor.window_seconds
        self.min_window_seconds: float = extractor.min_window_seconds

    @classmethod
    def load(cls, name_or_dir: str | None = None, device: str | None = None) -> "Checkpoint":
        """Load a checkpoint with the installed code, never with the code in its folder.

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
            with without_bars():
                model, report = KobzaModel.from_pretrained(folder, dtype=torch.float32, output_loading_info=True)
                extractor = KobzaFeatureExtractor.from_pretrained(folder)
                # with the configuration at hand, transformers need not ask whether it may trust the one in the folder
                tokenizer = AutoTokenizer.from_pretrained(folder, config=model.config)
                processor = KobzaProcessor(extractor, tokenizer)
        except Exception as error:  # whatever is wrong with the files, their user needs the folder and the reason
            reason = " ".join(str(error).split())[:200]
            raise CheckpointError(f"{name} cannot be loaded ({reason}): fetch or save the checkpoint again.") from error
        absent = sorted(report["missing_keys"]) + sorted(str(key[0]) for key in report["mismatched_keys"])
        if absent:
            raise CheckpointError(
                f"{name} lacks {len(absent)} of the model's weights, such as {absent[0]}: fetch it again."
            )
        device = device or ("cuda" if torch.cuda.is_available() else "cpu")
        try:
            model.to(device)
        except (RuntimeError, AssertionError) as error:
            raise CheckpointError(f"The device {device!r} cannot be used ({error}): try 'cpu'.") from error
        return cls(model, processor, name, identity)

    @torch.inference_mode()
    def embed_text(self, sentences: Sequence[str]) -> np.ndarray:
        """Sentences -> (n, dim) float32, of unit length."""
        parts = [np.empty((0, self.dim), dtype=np.float32)]
        for start in range(0, len(sentences), SENTENCES_AT_ONCE):
            inputs = self.processor(text=list(sentences[start : start + SENTENCES_AT_ONCE])).to(self.model.device)
            parts.append(self.model.get_text_features(**inputs).pooler_output.cpu().numpy())
        return np.concatenate(parts)

    @torch.inference_mode()
    def embed_windows(self, windows: Sequence[np.ndarray]) -> np.ndarray:
        """Windows -> (n, dim) float32, of unit length; each a 1-D float32 waveform at `sampling_rate`, of a 25 ms frame
        to `window_seconds`."""
        parts = [np.empty((0, self.dim), dtype=np.float32)]
        device = self.model.device
        at_once = WINDOWS_AT_ONCE_ON_GPU if device.type == "cuda" else WINDOWS_AT_ONCE
        for start in range(0, len(windows), at_once):
            batch = [torch.from_numpy(np.array(w, np.float32)) for w in windows[start : start + at_once]]
            if device.type == "cuda":  # from pinned memory a card fetches by itself, while the next is made ready
                batch = [w.pin_memory() for w in batch]
            features = self.processor.feature_extractor.log_mel([w.to(device, non_blocking=True) for w in batch])
            parts.append(self.model.get_audio_features(features).pooler_output.cpu().numpy())
        return np.concatenate(parts)

    def save(self, folder: str | Path) -> None:
        """Write the whole checkpoint: fp16 weights, settings, tokenizer, published code; loadable without kobza."""
        folder = Path(folder)
        folder.mkdir(parents=True, exist_ok=True)
        weights = {
            key: value.half() if value.is_floating_point() and not key.startswith("logit_") else value
            for key, value in self.model.state_dict().items()
        }
        with without_bars():
            self.model.save_pretrained(folder, state_dict=weights)
        self.processor.save_pretrained(folder)
        config = read_json(folder / "config.json")
        # "float32": stored in half, computed in full, because on a CPU half precision is slow as well as coarse
        config["dtype"] = "float32"
        for tower in ("text_config", "audio_config"):
            config[tower].pop("_name_or_path", None)  # where it lay on the machine that built it is nobody's business
        content = json.dumps(config, indent=2, sort_keys=True) + "\n"
        (folder / "config.json").write_text(content, encoding="utf-8")
