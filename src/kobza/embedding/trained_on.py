"""`trained_on.bin`, the recordings that a checkpoint was trained on, as keys (`kobza.data.recording_identity`).

    one line of JSON: {"version": 1, "fingerprint": "8e34...", "is_complete": true, "note": "", "parts": [...]}
    then the keys of each part, sorted 64-bit little-endian integers: {"name", "recordings", "keys"} says how many

Parts: `train`, pairs of sound and text; `captions`, texts without their sound; `validation`, by which the weights were
chosen. A recording has one key or two, 8 bytes each: MusicCaps' training split takes 63 kB, 44 million recordings
352 or 704 MB. It is memory-mapped, so that looking a few up reads little of it, and is fetched from the Hub only when
something is evaluated. The fingerprint names the weights that it belongs to; beside other weights it is ignored.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from kobza.atomic import atomic_path
from kobza.data.recording_identity import KEY_DTYPE, key_rows
from kobza.embedding.checkpoint_folder import fingerprint
from kobza.folders import expanded

TRAINED_ON = "trained_on.bin"
VERSION = 1
MAX_HEADER = 1 << 16  # bytes
PARTS = ("train", "captions", "validation")


@dataclass(frozen=True)
class Part:
    """Recordings of one part: their number, and their sorted keys."""

    recordings: int
    keys: np.ndarray


@dataclass(frozen=True)
class TrainedOn:
    """What is known of the recordings that a checkpoint was trained on.

    Attributes:
        is_complete: whether these are all of them; `note` says in a sentence what is missing.
    """

    parts: dict[str, Part] = field(default_factory=dict)
    is_complete: bool = True
    note: str = ""

    def seen(self, part: str, keys: list[int]) -> bool:
        """Whether one of a recording's keys is in a part."""
        if part not in self.parts:
            return False
        return bool(_are_among(self.parts[part].keys, np.array(keys, KEY_DTYPE)).any())

    def added(self, keys: Mapping[str, Sequence[Sequence[int]] | np.ndarray]) -> "TrainedOn":
        """With the recordings of another run: {part: the keys of each recording, also as `key_rows`}; those that are
        known already do not count again."""
        parts = dict(self.parts)
        for name, recordings in keys.items():
            rows = np.unique(recordings if isinstance(recordings, np.ndarray) else key_rows(recordings), axis=0)
            before = parts.get(name, Part(0, np.empty(0, KEY_DTYPE)))
            new = len(rows) - int(_are_among(before.keys, rows).any(axis=1).sum())
            parts[name] = Part(before.recordings + new, np.union1d(before.keys, rows).astype(KEY_DTYPE))
        return replace(self, parts=parts)

    def summary(self) -> str:
        """In words, for a card.

        >>> TrainedOn().added({"train": [[1, 2], [3]], "validation": [[4]]}).summary()
        '2 in train, 1 in validation'
        """
        found = [f"{self.parts[name].recordings:,} in {name}" for name in PARTS if name in self.parts]
        return "; ".join([", ".join(found) or "none", *([] if self.is_complete else [self.note])])


def _are_among(known: np.ndarray, keys: np.ndarray) -> np.ndarray:
    """Whether each of the keys, in an array of any shape, is among sorted ones."""
    if not len(known):
        return np.zeros(keys.shape, bool)
    return known[np.minimum(np.searchsorted(known, keys), len(known) - 1)] == keys


def write_trained_on(folder: str | Path, trained_on: TrainedOn) -> None:
    """Write it beside the weights in `folder`, as that of these weights."""
    parts = [{"name": n, "recordings": p.recordings, "keys": len(p.keys)} for n, p in trained_on.parts.items()]
    header = {
        "version": VERSION,
        "fingerprint": fingerprint(folder),
        "is_complete": trained_on.is_complete,
        "note": trained_on.note,
        "parts": parts,
    }
    with atomic_path(Path(folder) / TRAINED_ON) as partial, partial.open("wb") as file:
        file.write(json.dumps(header, ensure_ascii=False).encode() + b"\n")
        for part in trained_on.parts.values():
            part.keys.astype(KEY_DTYPE).tofile(file)


def read_trained_on(folder: str | Path | None, fingerprint: str) -> TrainedOn | None:
    """What the file in a checkpoint's folder says; None if there is none of these weights, or it is damaged."""
    if folder is None:
        return None
    path = Path(folder) / TRAINED_ON
    try:
        with path.open("rb") as file:
            line = file.readline(MAX_HEADER)
        header = json.loads(line)
        if header["version"] != VERSION or not fingerprint or header["fingerprint"] != fingerprint:
            return None
        parts, offset = {}, len(line)
        for about in header["parts"]:
            shape = (int(about["keys"]),)
            keys = np.memmap(path, KEY_DTYPE, "r", offset, shape) if shape[0] else np.empty(0, KEY_DTYPE)
            parts[about["name"]] = Part(int(about["recordings"]), keys)
            offset += shape[0] * KEY_DTYPE.itemsize
        return TrainedOn(parts, bool(header["is_complete"]), str(header["note"]))
    except (OSError, ValueError, KeyError, TypeError):
        return None


def fetch_trained_on(name_or_dir: str | Path, folder: Path | None, fingerprint: str) -> TrainedOn | None:
    """`read_trained_on` of a checkpoint that was loaded from `name_or_dir`; of the Hub the file is fetched first."""
    if folder is not None and not (folder / TRAINED_ON).is_file() and not expanded(name_or_dir).is_dir():
        from huggingface_hub import hf_hub_download

        try:
            folder = Path(hf_hub_download(str(name_or_dir), TRAINED_ON)).parent
        except Exception:  # it has none, or there is no connection: clients raise many classes
            return None
    return read_trained_on(folder, fingerprint)
