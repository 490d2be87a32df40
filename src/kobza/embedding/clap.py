"""CLAP (Wu et al. 2023, arXiv 2211.06687) as an `Embedder`: transformers' `ClapModel`, and LAION's own files.

Windows of 10 s at 48 kHz, shorter ones repeated; sentences without a prompt, cut after 77 tokens; 512-d vectors.
A recording is embedded as in Kobza, in consecutive windows and not from a random crop, so that the same file always
gives the same vector.
"""

from pathlib import Path
from typing import Any

import numpy as np
import torch
from huggingface_hub import hf_hub_download
from transformers import AutoTokenizer, ClapFeatureExtractor, ClapModel, ClapProcessor, RobertaTokenizer

from kobza.embedding.checkpoint_folder import CheckpointError, one_line
from kobza.embedding.laion import load_laion
from kobza.embedding.pretrained import refuse_incomplete, to_device, without_progress_bars
from kobza.embedding.two_tower import TwoTowerEmbedder

LAION_TOKENIZER = "roberta-base"
FINGERPRINTED = ("sampling_rate", "fft_window_size", "hop_length", "frequency_min", "frequency_max", "padding")


class ClapEmbedder(TwoTowerEmbedder):
    """A `ClapModel`, with its feature extractor called so that it is deterministic.

    A window of up to 10 s is deterministic in `ClapFeatureExtractor`: a shorter one is repeated and padded, and only a
    longer one would be cropped at random. In checkpoints with fusion, the extractor marks one window of each batch, at
    random, as a crop of a longer recording; here no window is marked.
    """

    def __init__(self, model: ClapModel, processor: ClapProcessor, name: str = ""):
        audio_config: Any = model.config.audio_config  # a ClapAudioConfig
        self.truncation = "fusion" if audio_config.enable_fusion else "rand_trunc"
        super().__init__(model, processor, name)

    def _fingerprint_settings(self) -> dict[str, Any]:
        return {key: getattr(self.processor.feature_extractor, key) for key in FINGERPRINTED}

    def _audio_features(self, batch: list[np.ndarray]) -> Any:
        features = self.processor.feature_extractor(
            [_round_to_16_bits(window) for window in batch],
            truncation=self.truncation,
            sampling_rate=self.sampling_rate,
            return_tensors="pt",
        )["input_features"].to(self.model.device, self.model.dtype)
        is_longer = torch.zeros(len(batch), 1, dtype=torch.bool, device=self.model.device)
        return self.model.get_audio_features(features, is_longer)


def _round_to_16_bits(window: np.ndarray) -> np.ndarray:
    """LAION quantizes all audio to 16 bits, in training and in use."""
    rounded: np.ndarray = (np.clip(window, -1.0, 1.0) * 32767.0).astype(np.int16).astype(np.float32) / 32767.0
    return rounded


def load_clap(source: str, name: str, device: str | None = None) -> ClapEmbedder:
    """A `ClapModel` checkpoint from a folder or the Hub.

    Raises:
        CheckpointError: it cannot be loaded, lacks weights, or its tokenizer does not fit.
    """
    model_class: Any = ClapModel  # transformers does not declare that this returns a pair
    try:
        with without_progress_bars():
            model, report = model_class.from_pretrained(source, dtype=torch.float32, output_loading_info=True)
            extractor = ClapFeatureExtractor.from_pretrained(source)
            tokenizer = AutoTokenizer.from_pretrained(source)
        processor = ClapProcessor(extractor, tokenizer)
    except Exception as error:  # transformers raises many classes for damaged files
        raise CheckpointError(f"{name} cannot be loaded ({one_line(error)}): fetch or save it again.") from error
    buffers = frozenset(key for key, _ in model.named_buffers())  # derived, and absent in some checkpoints
    refuse_incomplete(report, name, buffers)
    _check_vocabulary(processor.tokenizer, model, name)
    to_device(model, device)
    return ClapEmbedder(model, processor, name)


def load_laion_file(path: Path, name: str, device: str | None = None) -> ClapEmbedder:
    """One of LAION's own .pt files, such as music_audioset_epoch_15_esc_90.14.pt.

    It needs the tokenizer of roberta-base: tokenizer.json in the same folder, or else from the Hub.

    Raises:
        CheckpointError: not such a file, damaged, or no tokenizer.
    """
    model, extractor = load_laion(path)
    processor = ClapProcessor(extractor, _laion_tokenizer(path, model))
    to_device(model, device)
    return ClapEmbedder(model, processor, name)


def _laion_tokenizer(path: Path, model: ClapModel) -> RobertaTokenizer:
    """From tokenizer.json alone, because without it `from_pretrained` would silently make an empty tokenizer."""
    file = path.with_name("tokenizer.json")
    try:
        file = file if file.is_file() else Path(hf_hub_download(LAION_TOKENIZER, "tokenizer.json"))
        tokenizer = RobertaTokenizer.from_pretrained(file.parent)
    except Exception as error:  # offline and not cached, or damaged: each client raises its own class
        raise CheckpointError(
            f"{path} needs the tokenizer of {LAION_TOKENIZER}, which cannot be fetched ({type(error).__name__}): put "
            "its tokenizer.json beside the file, or check the connection."
        ) from error
    _check_vocabulary(tokenizer, model, str(file))
    return tokenizer


def _check_vocabulary(tokenizer: Any, model: ClapModel, name: str) -> None:
    text_config: Any = model.config.text_config  # a ClapTextConfig
    if len(tokenizer) != text_config.vocab_size:
        raise CheckpointError(
            f"The tokenizer of {name} has {len(tokenizer)} tokens, the model {text_config.vocab_size}: fetch the right "
            "one."
        )
