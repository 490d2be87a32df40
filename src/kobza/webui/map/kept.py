"""The file that keeps a library's map between runs, in the user's cache folder: it can always be computed again."""

import contextlib
import hashlib
import json
import os
import zipfile
from pathlib import Path
from typing import Any

import numpy as np

from kobza.atomic import atomic_path
from kobza.folders import cache_folder
from kobza.webui.map.document import Colouring, LibraryMap
from kobza.webui.map.regions import Region

FORMAT = 1  # of the file: another one is not read


def kept_path(address: str) -> Path:
    """Where the map of the library at this address is kept."""
    name = hashlib.sha256(address.encode("utf-8", "surrogateescape")).hexdigest()[:16]
    return cache_folder() / f"map-{name}.npz"


def write(path: Path, shown: LibraryMap) -> None:
    """Keep a map. Where nothing can be written, it is computed again in the next run."""
    about = {
        "format": FORMAT,
        "digest": shown.digest,
        "model": shown.model,
        "fitted": shown.fitted,
        "colourings": [{"by": one.by, "names": one.names} for one in shown.colourings],
        "regions": [region.record() for region in shown.regions],
    }
    arrays: dict[str, Any] = {
        "about": np.frombuffer(json.dumps(about).encode(), np.uint8),
        "paths": np.frombuffer(b"\0".join(map(os.fsencode, shown.paths)), np.uint8),
        "positions": shown.positions,
    }
    arrays |= {f"colours_{one.by}": one.colours for one in shown.colourings}
    with contextlib.suppress(OSError), atomic_path(path) as partial, partial.open("wb") as file:
        np.savez(file, **arrays)


def read(path: Path) -> LibraryMap | None:
    """The map that was kept; None if there is none, or its file is damaged or of another format."""
    try:
        with np.load(path) as file:
            about = json.loads(file["about"].tobytes())
            if about["format"] != FORMAT:
                return None
            paths = [os.fsdecode(one) for one in file["paths"].tobytes().split(b"\0")]
            colourings = [
                Colouring(one["by"], one["names"], file[f"colours_{one['by']}"]) for one in about["colourings"]
            ]
            regions = [Region(**one) for one in about["regions"]]
            positions = file["positions"]
    except (OSError, ValueError, KeyError, TypeError, EOFError, zipfile.BadZipFile):
        return None
    if not len(paths) == len(positions) == len(colourings[0].colours):
        return None
    return LibraryMap(about["digest"], about["model"], about["fitted"], paths, positions, colourings, regions)
