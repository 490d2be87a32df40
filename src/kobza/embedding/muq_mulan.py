"""MuQ-MuLan (Zhu et al. 2025, arXiv 2501.01108) as an `Embedder`, with the towers of the package muq (`pip install
'kobza[peers]'`): windows of 10 s at 24 kHz, vectors of 512 numbers, sentences in English or Chinese without a prompt.

muq 0.1 was written for transformers 4, whose conformer also returns its hidden layers; with transformers 5 its own
forward pass fails. So the parts of its towers are called one after the other here. A test holds the vectors to those of
muq with transformers 4.57. Two things are done otherwise than in muq: sentences are embedded one at a time, because its
mean over a sentence's tokens counts padding too, which a longer neighbour in the batch would add; and a sentence is cut
after 512 tokens, which XLM-RoBERTa cannot exceed.
"""

import contextlib
import io
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from huggingface_hub import hf_hub_download
from safetensors.torch import load_file
from transformers import AutoTokenizer

from kobza.embedding.checkpoint_folder import CheckpointError, one_line, read_json
from kobza.embedding.pretrained import refuse_incomplete, to_device, without_progress_bars
from kobza.embedding.two_tower import MIN_WINDOW_SECONDS, state_fingerprint
from kobza.extras import needs
from kobza.folders import expanded

FEATURES = "melspec_2048"  # a spectrum of 2,048 samples, reflected at the ends by half of that
MIN_SAMPLES = 2048 // 2 + 1
MAX_TOKENS = 512
LAST_LAYER = -1
DERIVED = ("inv_freq", "position_ids", "token_type_ids", "num_batches_tracked")  # buffers that files may lack
BIN = "pytorch_model.bin"


class MuQMuLanEmbedder:
    """A `muq.MuQMuLan` and the tokenizer of its text tower. Attributes and methods are those of `Embedder`."""

    def __init__(self, model: Any, tokenizer: Any, name: str = ""):
        self.model = model.float().eval()
        self.tokenizer = tokenizer
        self.name = name
        self.sampling_rate: int = model.sr
        self.window_seconds = float(model.clip_secs)
        self.min_window_seconds = MIN_WINDOW_SECONDS
        settings = {"sampling_rate": model.sr, "window_seconds": model.clip_secs, "mel": self._encoder.stat}
        self.fingerprint = state_fingerprint(model, settings)
        self.dim: int = model.mulan.dim_latent

    @property
    def _encoder(self) -> Any:
        """`muq.muq.models.muq_model.MuQModel`, within the audio tower."""
        return self.model.mulan.audio.model.model

    @torch.inference_mode()
    def embed_text(self, sentences: Sequence[str]) -> np.ndarray:
        """Sentences -> (n, dim) float32, unit length; a sentence is cut after 512 tokens."""
        tower, rows = self.model.mulan.text, np.empty((len(sentences), self.dim), np.float32)
        for row, sentence in enumerate(sentences):
            tokens = self.tokenizer(sentence, truncation=True, max_length=MAX_TOKENS, return_tensors="pt")
            hidden = tower.model(**tokens.to(self.model.device)).last_hidden_state
            rows[row] = _latent(tower, hidden, self.model.mulan.text_to_latents)
        return rows

    @torch.inference_mode()
    def embed_windows(self, windows: Sequence[np.ndarray]) -> np.ndarray:
        """Windows -> (n, dim) float32, unit length; a shorter one is filled up with its beginning, as muq does.

        Raises:
            ValueError: a window shorter than 1,025 samples, or longer than `window_seconds`.
        """
        limit = round(self.window_seconds * self.sampling_rate)
        tower, rows = self.model.mulan.audio, np.empty((len(windows), self.dim), np.float32)
        for row, window in enumerate(windows):
            if not MIN_SAMPLES <= len(window) <= limit:
                raise ValueError(
                    f"A window of {len(window)} samples: {self.name or 'the model'} takes {MIN_SAMPLES} to {limit}; "
                    "cut the recording into windows first."
                )
            clip = np.concatenate([window, window[: limit - len(window)]]).astype(np.float32)
            samples = torch.from_numpy(clip)[None].to(self.model.device)
            mel = self._encoder.normalize(self._encoder.preprocessing(samples, [FEATURES]))[FEATURES]
            mel = mel.to(next(self._encoder.conv.parameters()).dtype)
            hidden = self._encoder.conformer(self._encoder.conv(mel)).last_hidden_state
            rows[row] = _latent(tower, hidden, self.model.mulan.audio_to_latents)
        return rows


def _latent(tower: Any, hidden: torch.Tensor, project: torch.nn.Module) -> np.ndarray:
    """What MuQ-MuLan adds to a pretrained encoder: (1, length, width) -> (dim,) of unit length."""
    sequence, _ = tower.transformer(tower.proj(hidden), return_all_layers=True)
    latent: np.ndarray = F.normalize(project(sequence.mean(dim=-2)), dim=-1)[0].float().cpu().numpy()
    return latent


def load_muq_mulan(folder: Path, name: str, device: str | None = None) -> MuQMuLanEmbedder:
    """A MuQ-MuLan checkpoint from its folder, such as OpenMuQ/MuQ-MuLan-large. No code of a repository is run.

    muq builds it from two other checkpoints, OpenMuQ/MuQ-large-msd-iter and xlm-roberta-base, which it fetches as well.

    Raises:
        CheckpointError: it, or one of those two, cannot be loaded; weights are missing; or its towers are others.
        MissingPackageError: muq is not installed.
    """
    with needs(f"The model {name}", "peers"):
        from muq import MuQMuLan
    config = read_json(folder / "config.json")
    audio, text = (str(config[part].get("name")) for part in ("audio_model", "text_model"))
    if "muq" not in audio.lower() or "xlm-roberta" not in text.lower():
        raise CheckpointError(
            f"{name} is built from {audio} and {text}, for which muq would run code of their repositories: give a "
            "MuQ-MuLan of MuQ and XLM-RoBERTa, such as OpenMuQ/MuQ-MuLan-large."
        )
    if config["audio_model"].get("use_layer_idx", LAST_LAYER) != LAST_LAYER:
        raise CheckpointError(f"{name} reads a middle layer of MuQ, and Kobza only the last: give another checkpoint.")
    try:
        with without_progress_bars(), warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
            warnings.simplefilter("ignore", FutureWarning)  # muq's quantizer uses torch's former weight_norm
            model = MuQMuLan(config)
            tokenizer = AutoTokenizer.from_pretrained(text)
    except Exception as error:  # two packages and the Hub's client, each with classes of its own
        raise CheckpointError(
            f"{name} cannot be loaded ({one_line(error)}): it also needs {audio} and {text}, from the Hub or fetched "
            "before."
        ) from error
    vocabulary = model.mulan.text.model.config.vocab_size
    if len(tokenizer) != vocabulary:
        raise CheckpointError(f"The tokenizer of {text} has {len(tokenizer)} tokens, the model {vocabulary}: fetch it.")
    _drop_training_parts(model)
    _load_weights(model, folder, name)
    model.mulan.audio.model.model.conformer.config._attn_implementation = "eager"  # the default of transformers 4
    to_device(model, device)
    return MuQMuLanEmbedder(model, tokenizer, name)


def _drop_training_parts(model: Any) -> None:
    """Delete what no vector depends on: the loss, the targets of MuQ's pretraining, and a convolution that the
    conformer never calls, whose weights have other names in each version of transformers."""
    audio = model.mulan.audio
    encoder = audio.model.model
    targets = [part for part, _ in encoder.named_children() if part in ("rvq", "linear") or "quantizer" in part]
    for part in targets:
        delattr(encoder, part)
    for owner, part in ((model.mulan, "contrast"), (audio, "aggregator"), (encoder.conformer, "pos_conv_embed")):
        delattr(owner, part)


def _load_weights(model: Any, folder: Path, name: str) -> None:
    """Unlike `MuQMuLan.from_pretrained`, which lets weights be missing without a word."""
    try:
        if (folder / "model.safetensors").is_file():
            weights = load_file(folder / "model.safetensors")
        else:
            is_folder = (folder / BIN).is_file() or expanded(name).is_dir()
            path = folder / BIN if is_folder else hf_hub_download(name, BIN)
            weights = torch.load(path, map_location="cpu", weights_only=True)
        missing = model.load_state_dict(weights, strict=False).missing_keys
    except Exception as error:  # torch, safetensors and the Hub's client raise classes of their own
        raise CheckpointError(f"{name} cannot be loaded ({one_line(error)}): fetch it again.") from error
    refuse_incomplete(
        {"missing_keys": {key for key in missing if not key.endswith(DERIVED)}, "mismatched_keys": ()}, name
    )
