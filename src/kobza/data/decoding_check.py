"""Can every recording be decoded? Asked once before a training, so that none fails in the middle of it."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

from kobza.audio import AudioError, decode, printable
from kobza.data.recordings import DataSet, DataSetError

SHORTEST_SECONDS = 0.025  # one frame of the features
THREADS = 4  # PyAV lets go of the interpreter while it decodes


def check_recordings(data: DataSet) -> DataSet:
    """The data set without the recordings that cannot be decoded to their end: these join `skipped`, with the reason.

    Raises:
        DataSetError: none can be decoded.
    """
    paths = list({recording.path: None for recording in data.recordings})
    with ThreadPoolExecutor(THREADS) as pool:
        wrong = dict(zip(paths, pool.map(_what_is_wrong, paths), strict=True))
    usable = tuple(recording for recording in data.recordings if wrong[recording.path] is None)
    bad = tuple((r.id, reason) for r in data.recordings if (reason := wrong[r.path]) is not None)
    if not usable:
        raise DataSetError(f"Of {len(paths)} recordings in {printable(data.folder)} none can be decoded: {bad[0][1]}")
    return replace(data, recordings=usable, skipped=data.skipped + bad)


def _what_is_wrong(path: Path) -> str | None:
    try:
        samples = sum(len(chunk) for chunk in decode(path, 16000))
    except AudioError as error:
        return str(error)
    if samples < SHORTEST_SECONDS * 16000:
        return f"{printable(path)} is shorter than {SHORTEST_SECONDS} s; leave it out."
    return None
