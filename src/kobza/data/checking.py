"""Can every recording be decoded? Asked once before a training, so that none fails in the middle of it."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

from ..audio import AudioError, decode
from .recordings import DataSet, DataSetError

SHORTEST_SECONDS = 0.025  # one frame of the features


def check_recordings(
    data: DataSet, threads: int = 4, finished: Callable[[int, int], None] = lambda *_: None
) -> DataSet:
    """The data set without the recordings that cannot be decoded to their end: these join `skipped`, with the reason.

    Args:
        finished: called with (files done, of how many) after each.

    Raises:
        DataSetError: none can be decoded.
    """
    paths = list(dict.fromkeys(recording.path for recording in data.recordings))
    wrong: dict[Path, str | None] = {}
    with ThreadPoolExecutor(threads) as pool:  # PyAV lets go of the interpreter while it decodes
        for done, (path, reason) in enumerate(zip(paths, pool.map(_what_is_wrong, paths), strict=True), 1):
            wrong[path] = reason
            finished(done, len(paths))
    usable = tuple(recording for recording in data.recordings if wrong[recording.path] is None)
    bad = tuple((r.id, wrong[r.path]) for r in data.recordings if wrong[r.path] is not None)
    if not usable:
        raise DataSetError(f"None of the {len(paths)} recordings of {data.folder} can be decoded: {bad[0][1]}")
    return replace(data, recordings=usable, skipped=data.skipped + bad)


def _what_is_wrong(path: Path) -> str | None:
    try:
        samples = sum(len(chunk) for chunk in decode(path))
    except AudioError as error:
        return str(error)
    return (
        None if samples >= SHORTEST_SECONDS * 16000 else f"{path} is shorter than {SHORTEST_SECONDS} s; leave it out."
    )
