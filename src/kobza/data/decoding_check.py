"""Check before training that every recording can be decoded, so that none fails in the middle of it."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

from kobza.audio import AudioError, decode, printable
from kobza.data.recordings import DataSet, DataSetError

MIN_SECONDS = 0.025  # one frame of the features
SAMPLING_RATE = 16_000
THREADS = 4  # PyAV releases the GIL while it decodes


def check_recordings(data: DataSet) -> DataSet:
    """The data set without the recordings that cannot be decoded to their end; these join `skipped`, with the reason.

    Raises:
        DataSetError: none can be decoded.
    """
    paths = list(dict.fromkeys(recording.path for recording in data.recordings))
    with ThreadPoolExecutor(THREADS) as pool:
        errors = dict(zip(paths, pool.map(decoding_error, paths), strict=True))
    usable = tuple(recording for recording in data.recordings if errors[recording.path] is None)
    skipped = tuple((r.id, error) for r in data.recordings if (error := errors[r.path]) is not None)
    if not usable:
        raise DataSetError(
            f"Of {len(paths)} recordings in {printable(data.folder)} none can be decoded: {skipped[0][1]}"
        )
    return replace(data, recordings=usable, skipped=data.skipped + skipped)


def decoding_error(path: Path) -> str | None:
    """Why a recording cannot be used; None if it can."""
    try:
        samples = sum(len(chunk) for chunk in decode(path, SAMPLING_RATE))
    except AudioError as error:
        return str(error)
    if samples < MIN_SECONDS * SAMPLING_RATE:
        return f"{printable(path)} is shorter than {MIN_SECONDS} s; leave it out."
    return None
