"""The fingerprint of a checkpoint, kept in the cache folder: hashing 60 MB of weights would be a tenth of the time of a
`kobza search`. It is used as long as names, sizes, inodes and times of the files are unchanged; the time of the last
change (ctime) cannot be set back."""

import contextlib
import hashlib
import json
import os
import time
from pathlib import Path

from kobza import __version__
from kobza.atomic import atomic_write
from kobza.embedding.checkpoint_folder import fingerprint
from kobza.folders import cache_folder

MIN_SECONDS = 2.0  # since the last change: some file systems do not tell apart two changes that are closer together


def kept_fingerprint(folder: Path) -> str:
    """`fingerprint(folder)`, computed once. Errors as for that."""
    state = _state(folder)
    name = hashlib.sha256(os.fsencode(folder.resolve())).hexdigest()[:16]
    with contextlib.suppress(OSError, ValueError, KeyError, TypeError, RecursionError):
        kept = json.loads((cache_folder() / f"fingerprint-{name}.json").read_text(encoding="utf-8"))
        if kept["state"] == state and isinstance(kept["fingerprint"], str):
            return str(kept["fingerprint"])
    identity = fingerprint(folder)
    newest = max((ctime for _, _, _, _, ctime in state["files"]), default=0)
    if time.time_ns() - newest > MIN_SECONDS * 1e9 and _state(folder) == state:
        with contextlib.suppress(OSError):
            content = json.dumps({"state": state, "fingerprint": identity})
            atomic_write(cache_folder() / f"fingerprint-{name}.json", content)
    return identity


def _state(folder: Path) -> dict:
    """What the fingerprint depends on: the files of the folder, and Kobza's version, since its rules may change. In
    lists, as JSON returns them. Links that lead nowhere, such as an editor's locks, are no files."""
    files = []
    for path in sorted(filter(Path.is_file, folder.iterdir())):
        status = path.stat()
        files.append(
            [os.fsencode(path.name).hex(), status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns]
        )
    return {"version": __version__, "files": files}
