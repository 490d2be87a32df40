"""A checkpoint's folder: where it is, what it says of itself, and its fingerprint. Reading it needs no torch."""

import contextlib
import hashlib
import json
import logging
from collections.abc import Iterator
from pathlib import Path

from kobza.errors import KobzaError
from kobza.folders import expanded

HUB_ID = "kobza/kobza-mini"
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


class CheckpointError(KobzaError):
    """A checkpoint that cannot be loaded or used; the message is one sentence for its user."""


def default_checkpoint() -> str:
    """kobza-mini: the folder in the wheel, or hub/kobza-mini of the checkout that this file is in, or else its name on
    the Hub. The wheel's folder is a copy that is made when it is built; see pyproject.toml."""
    package = Path(__file__).resolve().parents[1]
    for folder in (package / "checkpoints" / "kobza-mini", package.parents[1] / "hub" / "kobza-mini"):
        if (folder / "config.json").is_file():
            return str(folder)
    return HUB_ID


def fingerprint(folder: str | Path) -> str:
    """16 hexadecimal digits for what decides a checkpoint's vectors: the weights and tokenizer files' bytes, the
    model's shape and pooling, the feature extraction and the window policy. The same on every machine."""
    folder, digest = Path(folder), hashlib.sha256()
    for name in ("config.json", "processor_config.json"):
        settings = json.dumps(vector_settings(read_json(folder / name)), sort_keys=True)
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


def read_json(path: Path) -> dict:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise CheckpointError(f"{path.parent} is not a Kobza checkpoint: it has no {path.name}.") from None
    except (OSError, ValueError) as error:
        raise CheckpointError(f"{path} cannot be read ({error}): fetch the checkpoint again.") from None


def _find_folder(name_or_dir: str) -> Path:
    """A folder as it is; a Hub id as the folder of its files, fetched or already in the cache."""
    folder = expanded(name_or_dir)
    if folder.is_dir():
        return folder
    if folder.exists():
        raise CheckpointError(f"{name_or_dir} is a file: give the checkpoint's folder, or an id on the Hub.")
    if folder.is_absolute() or name_or_dir.startswith(("./", "../", "~")) or len(folder.parts) != 2:
        raise CheckpointError(f"There is no checkpoint folder {name_or_dir}: check the path.")
    from huggingface_hub import snapshot_download  # here: most checkpoints are at hand
    from huggingface_hub.errors import HFValidationError

    try:
        with _without_retry_lines():
            return Path(snapshot_download(name_or_dir, allow_patterns=["*.json", "*.safetensors", "*.txt"]))
    except HFValidationError:
        raise CheckpointError(f"There is no checkpoint folder {name_or_dir}: check the path.") from None
    except Exception as error:  # offline, no such repository, no right to it: each client has its own
        raise CheckpointError(
            f"There is no folder {name_or_dir}, and no such checkpoint could be fetched from the Hub "
            f"({type(error).__name__}): check the name and the connection; or, where there is a connection, run "
            f"`hf download {name_or_dir} --local-dir FOLDER`, bring that folder here (its weights are "
            "model.safetensors) and give it by --model FOLDER."
        ) from error


@contextlib.contextmanager
def _without_retry_lines() -> Iterator[None]:
    """A fetch that fails is one sentence, not the Hub client's log of each attempt."""
    logger = logging.getLogger("huggingface_hub")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        logger.setLevel(level)


def find_checkpoint(name: str) -> Path:
    """The folder of a whole Kobza checkpoint, by path or Hub id.

    Raises:
        CheckpointError: it is not there, not Kobza's, or not whole.
    """
    folder = _find_folder(name)
    model_type = read_json(folder / "config.json").get("model_type")
    if model_type != "kobza":
        raise CheckpointError(f"{name} is not a Kobza checkpoint: its config.json says model_type {model_type!r}.")
    if not list(folder.glob("*.safetensors")):
        raise CheckpointError(f"{name} is not a whole checkpoint: it has no model.safetensors.")
    if not any((folder / file).is_file() for file in TOKENIZER):  # transformers would make up an empty one
        raise CheckpointError(f"{name} is not a whole checkpoint: it has no tokenizer.json.")
    return folder
