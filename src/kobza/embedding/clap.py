"""CLAP (Wu et al. 2023, arXiv 2211.06687) as an `Embedder`: transformers' `ClapModel`, and LAION's own files.

CLAP goes through the same steps as Kobza: consecutive windows of the whole recording, never a random crop, so that the
same file always gives the same vector.
"""

from pathlib import Path
from typing import Any

import numpy as np
import torch
from huggingface_hub import hf_hub_download
from transformers import AutoTokenizer, ClapFeatureExtractor, ClapModel, ClapProcessor, RobertaTokenizer

from kobza.embedding.checkpoint import without_bars
from kobza.embedding.checkpoint_folder import CheckpointError
from kobza.embedding.laion import load_laion
from kobza.embedding.two_tower import TwoTowerEmbedder, to_device

LAION_TOKENIZER = "roberta-base"
FINGERPRINTED = ("sampling_rate", "fft_window_size", "hop_length", "frequency_min", "frequency_max", "padding")


class ClapEmbedder(TwoTowerEmbedder):
    """A `ClapModel` with what its feature extractor needs to be deterministic.

    A window of up to 10 s is deterministic in `ClapFeatureExtractor`: a shorter one is repeated and padded, and only a
    longer one would be cropped at random. In checkpoints with fusion, the extractor marks one window of each batch, at
    random, as a crop of a longer recording; here no window is marked.
    """

    def __init__(self, model: ClapModel, processor: ClapProcessor, name: str = ""):
        self.truncation = "fusion" if model.config.audio_config.enable_fusion else "rand_trunc"
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
    try:
        with without_bars():
            model, report = ClapModel.from_pretrained(source, dtype=torch.float32, output_loading_info=True)
            extractor = ClapFeatureExtractor.from_pretrained(source)
            tokenizer = AutoTokenizer.from_pretrained(source)
        processor = ClapProcessor(extractor, tokenizer)
    except Exception as error:  # whatever is wrong with the files, the user needs the name and the reason
        reason = " ".join(str(error).split())[:200]
        raise CheckpointError(f"{name} cannot be loaded ({reason}): fetch or save it again.") from error
    absent = sorted(report["missing_keys"] & dict(model.named_parameters()).keys())
    absent += sorted(str(key[0]) for key in report["mismatched_keys"])
    if absent:
        raise CheckpointError(
            f"{name} lacks {len(absent)} of the model's weights, such as {absent[0]}: fetch it again."
        )
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
    known = len(tokenizer)
    wanted = model.config.text_config.vocab_size
    if known != wanted:
        raise CheckpointError(f"The tokenizer of {name} has {known} tokens, the model {wanted}: fetch the right one.")
