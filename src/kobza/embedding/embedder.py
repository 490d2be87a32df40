"""Any model that can be measured, behind one face: Kobza's checkpoints, and CLAP as the peer to compare with.

CLAP goes through the same protocol as Kobza: consecutive windows of the whole recording, never a random crop, so that
the same file always gives the same vector. MuLan's two models have no public weights and are not here.
"""

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from huggingface_hub import hf_hub_download
from huggingface_hub.errors import HFValidationError
from transformers import AutoTokenizer, ClapFeatureExtractor, ClapModel, ClapProcessor, RobertaTokenizer

from kobza.embedding.checkpoint import Checkpoint, without_bars
from kobza.embedding.checkpoint_folder import CheckpointError, default_checkpoint
from kobza.embedding.laion import load_laion
from kobza.folders import expanded

MAX_TOKENS = 77  # LAION's text length, in training and in use
SENTENCES_AT_ONCE = 64
WINDOWS_AT_ONCE = 8
MIN_WINDOW_SECONDS = 1.0  # Kobza's own, so that both hear the same parts of a recording
COLLAPSED = "larger_clap_music"
LAION_TOKENIZER = "roberta-base"


class ClapBaseline:
    """A `ClapModel` with the attributes and methods of `kobza.embedding.checkpoint.Checkpoint` that measuring needs.

    A window of up to 10 s is deterministic in `ClapFeatureExtractor`: a shorter one is repeated and padded, and only a
    longer one would be cropped at random, so longer ones are refused. Checkpoints with fusion are told that no window
    is a longer one's crop (their extractor would otherwise declare one of each batch, drawn by lot, to be).

    Attributes:
        name: as it was given. fingerprint: 16 hexadecimal digits of the weights and the extractor's settings. dim:
            length of a vector. sampling_rate: Hz. window_seconds, min_window_seconds: the window policy.
    """

    def __init__(self, model: ClapModel, processor: ClapProcessor, name: str = ""):
        self.model, self.processor, self.name = model.float().eval(), processor, name
        self.dim: int = model.config.projection_dim
        extractor = processor.feature_extractor
        self.sampling_rate: int = extractor.sampling_rate
        self.window_seconds = extractor.nb_max_samples / extractor.sampling_rate
        self.min_window_seconds = MIN_WINDOW_SECONDS
        self.truncation = "fusion" if model.config.audio_config.enable_fusion else "rand_trunc"
        self.fingerprint = _fingerprint(model, extractor)

    @torch.inference_mode()
    def embed_text(self, sentences: Sequence[str]) -> np.ndarray:
        """Sentences -> (n, dim) float32, of unit length; longer ones than 77 tokens are cut."""
        parts = [np.empty((0, self.dim), dtype=np.float32)]
        for start in range(0, len(sentences), SENTENCES_AT_ONCE):
            inputs = self.processor.tokenizer(
                list(sentences[start : start + SENTENCES_AT_ONCE]),
                padding=True,
                truncation=True,
                max_length=MAX_TOKENS,
                return_tensors="pt",
            ).to(self.model.device)
            embeds = self.model.get_text_features(inputs["input_ids"], inputs["attention_mask"]).pooler_output
            parts.append(F.normalize(embeds.float(), dim=-1).cpu().numpy())
        return np.concatenate(parts)

    @torch.inference_mode()
    def embed_windows(self, windows: Sequence[np.ndarray]) -> np.ndarray:
        """Windows -> (n, dim) float32, of unit length; each a 1-D float32 waveform at `sampling_rate`, of at most
        `window_seconds`."""
        parts = [np.empty((0, self.dim), dtype=np.float32)]
        for start in range(0, len(windows), WINDOWS_AT_ONCE):
            batch = [_as_16_bits(window) for window in windows[start : start + WINDOWS_AT_ONCE]]
            longest, limit = max(map(len, batch)), self.processor.feature_extractor.nb_max_samples
            if longest > limit or min(map(len, batch)) == 0:
                raise ValueError(f"A window of {longest} samples: CLAP takes 1 to {limit}; cut the recording first.")
            features = self.processor.feature_extractor(
                batch, truncation=self.truncation, sampling_rate=self.sampling_rate, return_tensors="pt"
            )["input_features"]
            embeds = self.model.get_audio_features(
                features.to(self.model.device, self.model.dtype),
                torch.zeros(len(batch), 1, dtype=torch.bool, device=self.model.device),
            ).pooler_output
            parts.append(F.normalize(embeds.float(), dim=-1).cpu().numpy())
        return np.concatenate(parts)


def _as_16_bits(window: np.ndarray) -> np.ndarray:
    """LAION rounds every sound to 16 bits, in training and in use."""
    return (np.clip(window, -1.0, 1.0) * 32767.0).astype(np.int16).astype(np.float32) / 32767.0


def _fingerprint(model: ClapModel, extractor: ClapFeatureExtractor) -> str:
    digest = hashlib.sha256()
    for name, value in sorted(model.state_dict().items()):
        digest.update(f"{name}\0{tuple(value.shape)}\0".encode())
        digest.update(value.detach().cpu().contiguous().numpy())
    settings = ("sampling_rate", "fft_window_size", "hop_length", "frequency_min", "frequency_max", "padding")
    digest.update(json.dumps({key: getattr(extractor, key) for key in settings}, sort_keys=True).encode())
    return digest.hexdigest()[:16]


def load_embedder(name_or_path: str | Path | None = None, device: str | None = None) -> Checkpoint | ClapBaseline:
    """The model at a path or on the Hub, ready to embed.

    Args:
        name_or_path: a folder or a Hub id of a Kobza checkpoint or of a `ClapModel`, or one of LAION's .pt files; by
            default Kobza's own checkpoint. LAION's files need roberta-base's tokenizer: from their own folder, if it
            holds a tokenizer.json, or else from the Hub.
        device: "cpu", "cuda", ...; by default a GPU if there is one.

    Raises:
        CheckpointError: it is not there, of another kind, damaged, or known to be broken.
    """
    name = str(name_or_path or default_checkpoint())
    path = expanded(name)
    if path.name == COLLAPSED:
        raise CheckpointError(
            f"{name} is refused: its text tower is collapsed, all sentences get nearly the same vector; use LAION's "
            "own music_audioset_epoch_15_esc_90.14.pt (at https://huggingface.co/lukewys/laion_clap) instead."
        )
    if path.is_file():
        if path.suffix != ".pt":
            raise CheckpointError(
                f"{name} is a file: give a checkpoint's folder, a Hub id, or one of LAION's .pt files."
            )
        model, extractor = load_laion(path)
        processor = ClapProcessor(extractor, _laion_tokenizer(path, model))
        return ClapBaseline(_to_device(model, device), processor, name)
    kind = _model_type(path, name)
    if kind == "clap":
        return _load_clap(str(path) if path.is_dir() else name, name, device)
    return Checkpoint.load(name, device)  # whatever else it is, this says best what is wrong with it


def _model_type(path: Path, name: str) -> str | None:
    """What config.json says; None where there is none to be had."""
    try:
        if path.is_dir():
            config = path / "config.json"
        elif len(path.parts) == 2 and not name.startswith((".", "~", "/")):
            config = Path(hf_hub_download(name, "config.json"))
        else:
            return None
        return json.loads(config.read_text(encoding="utf-8")).get("model_type")
    except (OSError, ValueError, AttributeError, HFValidationError):  # of the Hub: offline, no such repository
        return None


def _load_clap(source: str, name: str, device: str | None) -> ClapBaseline:
    try:
        with without_bars():
            model, report = ClapModel.from_pretrained(source, dtype=torch.float32, output_loading_info=True)
            extractor, tokenizer = ClapFeatureExtractor.from_pretrained(source), AutoTokenizer.from_pretrained(source)
        processor = ClapProcessor(extractor, tokenizer)
    except Exception as error:  # whatever is wrong with the files, their user needs the name and the reason
        reason = " ".join(str(error).split())[:200]
        raise CheckpointError(f"{name} cannot be loaded ({reason}): fetch or save it again.") from error
    absent = sorted(report["missing_keys"] & dict(model.named_parameters()).keys())
    absent += sorted(str(key[0]) for key in report["mismatched_keys"])
    if absent:
        raise CheckpointError(
            f"{name} lacks {len(absent)} of the model's weights, such as {absent[0]}: fetch it again."
        )
    _check_vocabulary(processor.tokenizer, model, name)
    return ClapBaseline(_to_device(model, device), processor, name)


def _laion_tokenizer(path: Path, model: ClapModel) -> RobertaTokenizer:
    """From tokenizer.json alone, because without it `from_pretrained` would make an empty tokenizer in silence."""
    file = path.with_name("tokenizer.json")
    try:
        file = file if file.is_file() else Path(hf_hub_download(LAION_TOKENIZER, "tokenizer.json"))
        tokenizer = RobertaTokenizer.from_pretrained(file.parent)
    except Exception as error:  # offline and not in the cache, or damaged: each client has its own
        raise CheckpointError(
            f"{path} needs the tokenizer of {LAION_TOKENIZER}, which could not be had ({type(error).__name__}): put "
            "its tokenizer.json beside the file, or check the connection."
        ) from error
    _check_vocabulary(tokenizer, model, str(file))
    return tokenizer


def _check_vocabulary(tokenizer, model: ClapModel, name: str) -> None:
    known, wanted = len(tokenizer), model.config.text_config.vocab_size
    if known != wanted:
        raise CheckpointError(f"The tokenizer of {name} has {known} tokens, the model {wanted}: fetch the right one.")


def _to_device(model: ClapModel, device: str | None) -> ClapModel:
    device = device or ("cuda" if torch.cuda.is_available() else "cpu")
    try:
        return model.to(device)
    except (RuntimeError, AssertionError) as error:
        raise CheckpointError(f"The device {device!r} cannot be used ({error}): try 'cpu'.") from error
