"""The output of frozen layers on disk: safetensors files, written atomically and read memory-mapped.

    FOLDER/FINGERPRINT/*.safetensors    tensors by key; metadata: the fingerprint, and a checksum per tensor

The fingerprint covers everything that determines a tensor except the clip: frozen weights, their configuration, feature
extraction. So one folder serves many models, and models with the same frozen layers share its files. A key is the hash
of a clip or caption. Tensors are computed in the precision of the weights, even if a run trains its layers in bf16.

Sizes in float32, for an AST-base and a clip of 10 s: 6 kB where the whole tower is frozen, 3.7 MB (1214 x 768) where
layers follow that read the sequence: 20 GB for MusicCaps. For BERT-base and a caption of 60 tokens: 184 kB; 3 kB.
"""

import contextlib
import hashlib
import json
import logging
import time
import zlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import torch
from filelock import FileLock, Timeout
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from kobza.atomic import PARTIAL_SUFFIX, atomic_path
from kobza.embedding.checkpoint_folder import vector_settings
from kobza.folders import expanded
from kobza.terminal import say
from kobza.training.frozen_split import FrozenSplit

VERSION = 1  # increase it when `forward_frozen` computes something else from the same weights
LOCK = "lock"
STALE_PART_SECONDS = 3600  # after an hour the writer of a partial file is certainly gone
log = logging.getLogger(__name__)


def fingerprint(split: FrozenSplit, **settings) -> str:
    """16 hexadecimal digits for everything that determines the frozen output except its input.

    Args:
        settings: further JSON values that it depends on.
    """
    described = {
        "version": VERSION,
        "tower": vector_settings(split.tower.config.to_dict()),
        "depth": split.depth,
        "reads_all": split.needs_sequence,
        **vector_settings(settings),
    }
    digest = hashlib.sha256(json.dumps(described, sort_keys=True, default=str).encode())
    for name, tensor in split.frozen.state_dict().items():
        digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}\0".encode())
        digest.update(_bytes(tensor.cpu()))
    return digest.hexdigest()[:16]


def _bytes(tensor: Tensor):
    return tensor.contiguous().reshape(-1).view(torch.uint8).numpy()


class FeatureFiles:
    """A mapping {key: tensor} on disk, to which `write` adds whole files.

    Args:
        folder: created, with its parents, on the first write.
        fingerprint: names the folder's subfolder and is checked in each file.
    """

    def __init__(self, folder: str | Path, fingerprint: str):
        self.folder = expanded(folder) / fingerprint
        self.fingerprint = fingerprint
        self._file_of: dict[str, Path] = {}
        self._open: dict[Path, Any] = {}  # handles of this process only; `safe_open` has no type

    def __contains__(self, key: str) -> bool:
        return key in self._file_of

    def __getitem__(self, key: str) -> Tensor:
        path = self._file_of[key]
        if path not in self._open:
            self._open[path] = safe_open(path, "pt")
        return self._open[path].get_tensor(key)

    def __getstate__(self) -> dict:  # a data loader's worker opens the files itself
        return {**self.__dict__, "_open": {}}

    def scan(self, repair: bool = False) -> None:
        """List the files. With `repair`, verify every checksum and delete what is damaged or has another fingerprint,
        with a warning, so that it is computed again."""
        self._file_of = {}
        self._open = {}
        for path in sorted(self.folder.glob("*.safetensors")):
            try:
                with safe_open(path, "pt") as file:
                    if repair:
                        self._check(file)
                    self._file_of.update(dict.fromkeys(file.keys(), path))
            except (SafetensorError, OSError, ValueError) as error:
                if not repair:
                    raise
                log.warning("%s of the frozen cache is computed again: it %s.", path.name, _reason(error))
                path.unlink(missing_ok=True)  # another run of a study may have deleted it
        for part in self.folder.glob(f"*{PARTIAL_SUFFIX}") if repair else ():
            if time.time() - part.stat().st_mtime > STALE_PART_SECONDS:  # not of a process that is still writing
                part.unlink(missing_ok=True)

    def _check(self, file: Any) -> None:
        metadata = file.metadata() or {}
        if metadata.get("maker") != self.fingerprint:
            raise ValueError("was made by another model")
        checksums = json.loads(metadata["checksums"])
        if any(zlib.crc32(_bytes(file.get_tensor(key))) != checksums.get(key) for key in file.keys()):  # noqa: SIM118
            raise ValueError("is damaged")

    @contextlib.contextmanager
    def filled_by_one(self) -> Iterator[None]:
        """Let one run at a time fill the folder; those that wait find what it has computed. Where the file system has
        no locks, or nothing can be written, nobody waits."""
        lock = FileLock(self.folder / LOCK)
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            try:
                lock.acquire(timeout=0)
            except Timeout:
                say(f"waiting for another run, which fills {self.folder}")
                lock.acquire()
        except (OSError, NotImplementedError) as error:  # the latter is filelock's, where the system has no locks
            log.warning("%s cannot be locked (%s): runs that start together may compute the same.", self.folder, error)
        try:
            yield
        finally:
            lock.release()

    def write(self, tensors: Mapping[str, Tensor]) -> None:
        """Add tensors as one file, atomically."""
        rows = {key: tensor.cpu().clone() for key, tensor in tensors.items()}  # rows of a batch share memory
        checksums = {key: zlib.crc32(_bytes(tensor)) for key, tensor in rows.items()}
        name = hashlib.sha256("".join(rows).encode()).hexdigest()[:16]
        path = self.folder / f"{name}.safetensors"
        self.folder.mkdir(parents=True, exist_ok=True)
        with atomic_path(path) as part:
            save_file(rows, part, {"maker": self.fingerprint, "checksums": json.dumps(checksums)})
        self._file_of.update(dict.fromkeys(rows, path))


def _reason(error: Exception) -> str:
    return str(error) if type(error) is ValueError else f"cannot be read ({error})"
