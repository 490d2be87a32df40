"""What frozen layers put out, on disk: safetensors files, read memory-mapped, each whole or not there.

    FOLDER/FINGERPRINT/*.safetensors    tensors by key; in a file's metadata the fingerprint and a checksum of each

The fingerprint is of all that made the tensors but the clip: frozen weights, their configuration, the features. So one
folder serves many models, and models with the same frozen layers share what is there. A key is the hash of a clip.
What is kept was computed in the weights' own precision, whatever a run's --bf16 says of the layers above.

Sizes in float32, for an AST-base and a clip of 10 s: 6 kB where the whole tower is frozen, 3.7 MB (1214 x 768) where
layers follow that read the sequence: 20 GB for MusicCaps. For BERT-base and a caption of 60 tokens: 184 kB; 3 kB.
"""

import hashlib
import json
import logging
import time
import zlib
from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from kobza.atomic import PART, atomic_path
from kobza.embedding.checkpoint_folder import vector_settings
from kobza.training.frozen_split import Border

VERSION = 1  # to be raised when `below` computes something else from the same weights
LEFT_BEHIND = 3600  # seconds after which a half-written file is nobody's
log = logging.getLogger(__name__)


def fingerprint(border: Border, **settings) -> str:
    """16 hexadecimal digits for what decides a border's tensors, the input aside; `settings`: what JSON can hold."""
    about = {
        "version": VERSION,
        "tower": vector_settings(border.tower.config.to_dict()),
        "depth": border.depth,
        "reads_all": border.reads_all,
        **vector_settings(settings),
    }
    digest = hashlib.sha256(json.dumps(about, sort_keys=True, default=str).encode())
    for name, tensor in border.frozen.state_dict().items():
        digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}\0".encode())
        digest.update(_bytes(tensor.cpu()))
    return digest.hexdigest()[:16]


def _bytes(tensor: Tensor):
    return tensor.contiguous().reshape(-1).view(torch.uint8).numpy()


class BorderFiles:
    """A read-only mapping {key: tensor} that grows by whole files.

    Args:
        folder: is made, with its parents, when something is written. maker: a `fingerprint`.
    """

    def __init__(self, folder: str | Path, maker: str):
        self.folder, self.maker = Path(folder) / maker, maker
        self._file_of: dict[str, Path] = {}
        self._open: dict[Path, safe_open] = {}  # of this process

    def __contains__(self, key: str) -> bool:
        return key in self._file_of

    def __getitem__(self, key: str) -> Tensor:
        path = self._file_of[key]
        if path not in self._open:
            self._open[path] = safe_open(path, "pt")
        return self._open[path].get_tensor(key)

    def __getstate__(self) -> dict:  # a data loader's worker maps the files itself
        return {**self.__dict__, "_open": {}}

    def look(self, mend: bool = False) -> None:
        """Find what is there. With `mend` every byte is checked, and what is damaged or has another maker is deleted,
        with a note, so that it is computed again."""
        self._file_of, self._open = {}, {}
        for path in sorted(self.folder.glob("*.safetensors")):
            try:
                with safe_open(path, "pt") as file:
                    if mend:
                        self._check(file)
                    self._file_of.update(dict.fromkeys(file.keys(), path))
            except (SafetensorError, OSError, ValueError) as error:
                if not mend:
                    raise
                log.warning("%s of the frozen-tower cache is computed again: it %s.", path.name, _why(error))
                path.unlink()
        for part in self.folder.glob(f"*{PART}") if mend else ():
            if time.time() - part.stat().st_mtime > LEFT_BEHIND:  # a killed run's, and not one's that is writing now
                part.unlink(missing_ok=True)

    def _check(self, file: safe_open) -> None:
        about = file.metadata() or {}
        if about.get("maker") != self.maker:
            raise ValueError("was made by another model")
        checksums = json.loads(about["checksums"])
        if any(zlib.crc32(_bytes(file.get_tensor(key))) != checksums.get(key) for key in file.keys()):  # noqa: SIM118
            raise ValueError("is damaged")

    def write(self, tensors: Mapping[str, Tensor]) -> None:
        """Add tensors as one file, which is there when it is whole."""
        own = {key: tensor.cpu().clone() for key, tensor in tensors.items()}  # rows of a batch share their memory
        checksums = {key: zlib.crc32(_bytes(tensor)) for key, tensor in own.items()}
        name = hashlib.sha256("".join(own).encode()).hexdigest()[:16]
        path = self.folder / f"{name}.safetensors"
        self.folder.mkdir(parents=True, exist_ok=True)
        with atomic_path(path) as part:
            save_file(own, part, {"maker": self.maker, "checksums": json.dumps(checksums)})
        self._file_of.update(dict.fromkeys(own, path))


def _why(error: Exception) -> str:
    return str(error) if type(error) is ValueError else f"cannot be read ({error})"
