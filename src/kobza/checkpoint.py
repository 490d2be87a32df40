"""A checkpoint: a model, its processor, and a fingerprint that says which vectors may be compared with which.

The library, the evaluation and the demo use a model only through this class. The folder that `Checkpoint.save` writes
is what lies on the Hub: weights in fp16 safetensors, the tokenizer, the settings, and the published source files, so
that transformers alone can load it with trust_remote_code=True.
"""

import contextlib
import hashlib
import json
import shutil
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from huggingface_hub import snapshot_download
from huggingface_hub.errors import HFValidationError
from transformers import AutoTokenizer
from transformers.utils import logging

from .feature_extraction_kobza import KobzaFeatureExtractor
from .modeling_kobza import KobzaModel
from .processing_kobza import KobzaProcessor

HUB_ID = "kobza/kobza-mini"
PUBLISHED = ("configuration", "feature_extraction", "processing", "modeling", "loss", "pipeline")
PIPELINES = {
    "text-to-music-retrieval": {
        "impl": "pipeline_kobza.KobzaRetrievalPipeline",
        "pt": ["AutoModel"],
        "type": "multimodal",
    }
}
# Fields of config.json that say nothing about the vectors: bookkeeping, and what only the loss reads
BOOKKEEPING = {
    "transformers_version",
    "_name_or_path",
    "architectures",
    "auto_map",
    "custom_pipelines",
    "processor_class",
}
LOSS_ONLY = {"loss_type", "temperature", "temperature_form", "temperature_learned"}
NOT_IN_VECTORS = {*BOOKKEEPING, *LOSS_ONLY, "dtype", "id2label", "label2id"}
TOKENIZER = ("tokenizer.json", "vocab.txt")
SENTENCES_AT_ONCE = 64
WINDOWS_AT_ONCE = 16


class CheckpointError(ValueError):
    """A checkpoint that cannot be loaded or used; the message is one sentence for its user."""


def default_checkpoint() -> str:
    """The folder hub/kobza-mini of the checkout that this file is in, or else the same checkpoint's name on the Hub."""
    folder = Path(__file__).resolve().parents[2] / "hub" / "kobza-mini"
    return str(folder) if (folder / "config.json").is_file() else HUB_ID


def fingerprint(folder: str | Path) -> str:
    """16 hexadecimal digits for what decides a checkpoint's vectors: the weights and tokenizer files' bytes, the
    model's shape and pooling, the feature extraction and the window policy. The same on every machine."""
    folder, digest = Path(folder), hashlib.sha256()
    for name in ("config.json", "processor_config.json"):
        settings = json.dumps(vector_settings(_read_json(folder / name)), sort_keys=True)
        digest.update(f"{name}\0{settings}\0".encode())
    for path in [*sorted(folder.glob("*.safetensors")), *(folder / name for name in TOKENIZER)]:
        if path.is_file():
            digest.update(f"{path.name}\0{path.stat().st_size}\0".encode())
            with path.open("rb") as file:
                while block := file.read(1 << 20):
                    digest.update(block)
    return digest.hexdigest()[:16]


def vector_settings(settings):
    if isinstance(settings, dict):
        return {key: vector_settings(value) for key, value in settings.items() if key not in NOT_IN_VECTORS}
    return settings


def _read_json(path: Path) -> dict:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise CheckpointError(f"{path.parent} is not a Kobza checkpoint: it has no {path.name}.") from None
    except (OSError, ValueError) as error:
        raise CheckpointError(f"{path} cannot be read ({error}): fetch the checkpoint again.") from None


def _find(name_or_dir: str) -> Path:
    """A folder as it is; a Hub id as the folder of its files, fetched or already in the cache."""
    folder = Path(name_or_dir).expanduser()
    if folder.is_dir():
        return folder
    if folder.exists():
        raise CheckpointError(f"{name_or_dir} is a file: give the checkpoint's folder, or an id on the Hub.")
    if folder.is_absolute() or name_or_dir.startswith(("./", "../", "~")) or len(folder.parts) != 2:
        raise CheckpointError(f"There is no checkpoint folder {name_or_dir}: check the path.")
    try:
        return Path(snapshot_download(name_or_dir, allow_patterns=["*.json", "*.safetensors", "*.txt"]))
    except HFValidationError:
        raise CheckpointError(f"There is no checkpoint folder {name_or_dir}: check the path.") from None
    except Exception as error:  # offline, no such repository, no right to it: each client has its own
        raise CheckpointError(
            f"There is no folder {name_or_dir}, and no such checkpoint could be fetched from the Hub "
            f"({type(error).__name__}): check the name and the connection, or give a checkpoint's folder."
        ) from error


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
        folder = _find(name)
        model_type = _read_json(folder / "config.json").get("model_type")
        if model_type != "kobza":
            raise CheckpointError(f"{name} is not a Kobza checkpoint: its config.json says model_type {model_type!r}.")
        if not list(folder.glob("*.safetensors")):
            raise CheckpointError(f"{name} is not a whole checkpoint: it has no model.safetensors.")
        if not any((folder / name).is_file() for name in TOKENIZER):  # transformers would make up an empty one
            raise CheckpointError(f"{name} is not a whole checkpoint: it has no tokenizer.json.")
        identity = fingerprint(folder)
        try:
            with without_bars():
                model, report = KobzaModel.from_pretrained(folder, dtype=torch.float32, output_loading_info=True)
                extractor = KobzaFeatureExtractor.from_pretrained(folder)
                processor = KobzaProcessor(extractor, AutoTokenizer.from_pretrained(folder))
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
        for start in range(0, len(windows), WINDOWS_AT_ONCE):
            batch = [torch.from_numpy(np.array(w, np.float32)) for w in windows[start : start + WINDOWS_AT_ONCE]]
            features = self.processor.feature_extractor.log_mel([w.to(self.model.device) for w in batch])
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
        self.model.save_pretrained(folder, state_dict=weights)
        self.processor.save_pretrained(folder)
        for stem in PUBLISHED:
            shutil.copyfile(Path(__file__).with_name(f"{stem}_kobza.py"), folder / f"{stem}_kobza.py")
        config = _read_json(folder / "config.json")
        # "float32": stored in half, computed in full, because on a CPU half precision is slow as well as coarse
        config.update(custom_pipelines=PIPELINES, dtype="float32")
        for tower in ("text_config", "audio_config"):
            config[tower].pop("_name_or_path", None)  # where it lay on the machine that built it is nobody's business
        (folder / "config.json").write_text(json.dumps(config, indent=2, sort_keys=True) + "\n", encoding="utf-8")
