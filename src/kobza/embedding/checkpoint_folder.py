"""A checkpoint's folder: finding it, reading its settings, and its fingerprint, all without torch."""

import contextlib
import hashlib
import json
import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from kobza.errors import KobzaError
from kobza.folders import expanded

HUB_ID = "kobza/kobza-mini"
# Fields of config.json that do not affect the vectors: bookkeeping, and those that only the loss reads
BOOKKEEPING = {
    "transformers_version",
    "_name_or_path",
    "architectures",
    "auto_map",
    "custom_pipelines",
    "processor_class",
}
LOSS_ONLY = {"loss_type", "temperature", "temperature_form", "temperature_learned"}
IRRELEVANT_FIELDS = {*BOOKKEEPING, *LOSS_ONLY, "dtype", "id2label", "label2id"}
TOKENIZER_FILES = ("tokenizer.json", "vocab.txt")


class CheckpointError(KobzaError):
    """A checkpoint cannot be loaded or used; the message says which, why, and what to do."""


def one_line(error: Exception | str) -> str:
    """The start of an error's message, on one line, to be quoted in another.

    >>> one_line(ValueError("two\\n   lines"))
    'two lines'
    """
    return " ".join(str(error).split())[:200]


def default_checkpoint() -> str:
    """kobza-mini: the folder in the wheel, or hub/kobza-mini of the checkout that this file is in, or else its name on
    the Hub. The wheel's folder is a copy that is made when it is built; see pyproject.toml."""
    package = Path(__file__).resolve().parents[1]
    for folder in (package / "checkpoints" / "kobza-mini", package.parents[1] / "hub" / "kobza-mini"):
        if (folder / "config.json").is_file():
            return str(folder)
    return HUB_ID


def fingerprint(folder: str | Path) -> str:
    """16 hexadecimal digits of everything that determines a checkpoint's vectors: weights, tokenizer, architecture and
    pooling, feature extraction and window rule. The same on every machine."""
    folder, digest = Path(folder), hashlib.sha256()
    for name in ("config.json", "processor_config.json"):
        settings = json.dumps(vector_settings(read_json(folder / name)), sort_keys=True)
        digest.update(f"{name}\0{settings}\0".encode())
    for path in [*sorted(folder.glob("*.safetensors")), *(folder / name for name in TOKENIZER_FILES)]:
        if path.is_file():
            digest.update(f"{path.name}\0{path.stat().st_size}\0".encode())
            with path.open("rb") as file:
                while block := file.read(1 << 20):
                    digest.update(block)
    return digest.hexdigest()[:16]


def vector_settings(settings: Any) -> Any:
    """Settings without those that do not affect the vectors, at any depth.

    >>> vector_settings({"projection_dim": 128, "temperature": 1.0, "text_config": {"dtype": "float32"}})
    {'projection_dim': 128, 'text_config': {}}
    """
    if isinstance(settings, dict):
        return {key: vector_settings(value) for key, value in settings.items() if key not in IRRELEVANT_FIELDS}
    return settings


def read_json(path: Path) -> dict:
    try:
        settings = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise CheckpointError(f"{path.parent} is not a Kobza checkpoint: it has no {path.name}.") from None
    except (OSError, ValueError) as error:
        raise CheckpointError(f"{path} cannot be read ({error}): fetch the checkpoint again.") from None
    if not isinstance(settings, dict):
        raise CheckpointError(f"{path} does not hold a JSON object: fetch the checkpoint again.")
    return settings


def find_folder(name_or_dir: str) -> Path:
    """A folder itself; for a Hub id, the folder of its files, fetched or already cached."""
    folder = expanded(name_or_dir)
    if folder.is_dir():
        return folder
    if folder.exists():
        raise CheckpointError(f"{name_or_dir} is a file: give the checkpoint's folder, or an id on the Hub.")
    if folder.is_absolute() or name_or_dir.startswith(("./", "../", "~")) or len(folder.parts) != 2:
        raise CheckpointError(f"There is no checkpoint folder {name_or_dir}: check the path.")
    from huggingface_hub import snapshot_download  # imported here because most checkpoints are local
    from huggingface_hub.errors import HFValidationError

    try:
        with _without_retry_lines():
            return Path(snapshot_download(name_or_dir, allow_patterns=["*.json", "*.safetensors", "*.txt", "*.model"]))
    except HFValidationError:
        raise CheckpointError(f"There is no checkpoint folder {name_or_dir}: check the path.") from None
    except Exception as error:  # offline, no such repository, no access: clients raise many classes
        raise CheckpointError(
            f"There is no folder {name_or_dir}, and no such checkpoint could be fetched from the Hub "
            f"({type(error).__name__}): check the name and the connection; or, where there is a connection, run "
            f"`hf download {name_or_dir} --local-dir FOLDER`, bring that folder here (its weights are "
            "model.safetensors) and give it by --model FOLDER."
        ) from error


@contextlib.contextmanager
def _without_retry_lines() -> Iterator[None]:
    """Silence the Hub client's log of each attempt: a failed fetch is reported once, as an error."""
    logger = logging.getLogger("huggingface_hub")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        logger.setLevel(level)


def find_checkpoint(name: str) -> Path:
    """The folder of a complete Kobza checkpoint, by path or Hub id.

    Raises:
        CheckpointError: it does not exist, is not Kobza's, or is incomplete.
    """
    folder = find_folder(name)
    model_type = read_json(folder / "config.json").get("model_type")
    if model_type != "kobza":
        raise CheckpointError(f"{name} is not a Kobza checkpoint: its config.json says model_type {model_type!r}.")
    if not list(folder.glob("*.safetensors")):
        raise CheckpointError(f"{name} is incomplete: it has no model.safetensors.")
    if not any((folder / file).is_file() for file in TOKENIZER_FILES):  # transformers would silently make an empty one
        raise CheckpointError(f"{name} is incomplete: it has no tokenizer.json.")
    return folder
