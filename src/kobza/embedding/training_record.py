"""`training.json`, a checkpoint's record of how it was trained, and the sizes of its towers; read without torch.

    {"version": 1, "fingerprint": "8e34...", "recipe": "model_6", "changed": {"temperature": 2.0}, "seed": 0,
     "towers": {"text": {"name", "revision", "parameters"}, "audio": {...}}, "started_from": null,
     "data": {"name", "split", "folder", "recordings": {"train": 3794, ...}}, "steps": 2400, "ended": "early stopping"}

The fingerprint says which weights it is the record of: beside any others it does not count.
"""

import json
import math
from pathlib import Path
from typing import Any

from huggingface_hub import snapshot_download
from safetensors import safe_open

from kobza.atomic import atomic_write
from kobza.embedding.checkpoint_folder import fingerprint
from kobza.folders import expanded

TRAINING_RECORD = "training.json"
VERSION = 1
BUFFERS = ("running_mean", "running_var", "num_batches_tracked")  # which are in the file and are no parameters
TOWERS = ("text", "audio")


def local_folder(name_or_dir: str | Path) -> Path | None:
    """The folder of a checkpoint that has been loaded: itself, or where the Hub's files were put; None for a file."""
    folder = expanded(name_or_dir)
    if folder.is_dir():
        return folder
    try:
        return Path(snapshot_download(str(name_or_dir), local_files_only=True))
    except (ValueError, OSError):  # no id of the Hub, or nothing of it is here
        return None


def write_training_record(folder: str | Path, record: dict) -> None:
    """Write a record beside the weights in `folder`, as that of these weights."""
    content = {"version": VERSION, "fingerprint": fingerprint(folder), **record}
    atomic_write(Path(folder) / TRAINING_RECORD, json.dumps(content, indent=1, ensure_ascii=False) + "\n")


def read_training_record(folder: str | Path | None, fingerprint: str) -> dict[str, Any] | None:
    """The record in a checkpoint's folder, without version and fingerprint; None if there is none of these weights."""
    if folder is None:
        return None
    try:
        record = json.loads((Path(folder) / TRAINING_RECORD).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    if not isinstance(record, dict) or not fingerprint or record.pop("fingerprint", None) != fingerprint:
        return None
    record.pop("version", None)
    return record


def tower_sizes(embedder: Any, folder: str | Path | None) -> dict[str, int]:
    """{"text": parameters, "audio": parameters} of the pretrained towers alone, without extra layers and projections;
    empty where the model has no such towers.

    Args:
        embedder: an `Embedder`; its `model` is counted where the folder has no safetensors.
    """
    weights = sorted(Path(folder).glob("*.safetensors")) if folder else []
    shapes: dict[str, tuple[int, ...]] = {}
    for path in weights:
        with safe_open(path, "np") as file:
            shapes.update({name: tuple(file.get_slice(name).get_shape()) for name in file.keys()})  # noqa: SIM118
    if not weights and hasattr(getattr(embedder, "model", None), "named_parameters"):
        shapes = {name: tuple(value.shape) for name, value in embedder.model.named_parameters()}
    sizes = {
        tower: sum(
            math.prod(shape)
            for name, shape in shapes.items()
            if name.startswith(f"{tower}_model.") and not name.endswith(BUFFERS)
        )
        for tower in TOWERS
    }
    return sizes if all(sizes.values()) else {}


def identity_of(embedder: Any, checkpoint: str | Path) -> dict:
    """What a result says of its model beside the fingerprint: the sizes of its towers, and how it was trained, or None.

    Args:
        embedder: an `Embedder`.
        checkpoint: the folder or Hub id that it was loaded from.
    """
    folder = local_folder(checkpoint)
    record = read_training_record(folder, embedder.fingerprint)
    return {"towers": tower_sizes(embedder, folder), "training": record}
