"""What a study's runs have in common, kept beside them, so that runs of another study are not taken for its own."""

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path

from kobza.atomic import atomic_write
from kobza.data.recordings import DataSetError
from kobza.data.sets import load_data_set
from kobza.errors import KobzaError

FILE = "study.json"
PARTS = ("train", "validation", "test")
TITLES = {"recordings": "recordings", "init": "--init", "settings": "--settings"}


def study_identity(recordings: str, init: str, settings: Sequence[str]) -> dict:
    """What all runs have in common; `recordings`: which they are, in a word."""
    return {"recordings": recordings, "init": init, "settings": list(settings)}


def recordings_hash(musiccaps: Path) -> str:
    """Of the recordings and captions of each part of MusicCaps."""
    digest = hashlib.sha256()
    for part in PARTS:
        try:
            recordings = load_data_set(f"musiccaps:{musiccaps}@{part}").recordings
        except DataSetError:  # the part is empty; if more is wrong, training says so
            continue
        digest.update(json.dumps([part, sorted((r.id, r.caption) for r in recordings)]).encode())
    return f"hash {digest.hexdigest()[:16]}"


def check_study(out: Path, identity: dict) -> None:
    """Begin a study in `out`, or go on with the one that is there.

    Raises:
        KobzaError: that is another one.
    """
    file = out / FILE
    try:
        before = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        out.mkdir(parents=True, exist_ok=True)
        atomic_write(file, json.dumps(identity, indent=1) + "\n")
        return
    for name, title in TITLES.items():
        if before.get(name) != identity[name]:
            old, new = (_words(value) for value in (before.get(name), identity[name]))
            raise KobzaError(
                f"The study in {out} was begun with other runs ({title}: {old}, now {new}): give another --out."
            )


def _words(value: str | list[str] | None) -> str:
    return (" ".join(value) if isinstance(value, list) else value) or "none"
