"""Check before training that every recording can be decoded, so that none fails in the middle of it."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

from kobza.audio import AudioError, decode, printable
from kobza.data.recordings import DataSet, DataSetError

MIN_SECONDS = 0.025  # one frame of the features
SAMPLING_RATE = 16_000
THREADS = 4  # PyAV releases the GIL while it decodes


def check_recordings(data: DataSet, errors: Mapping[Path, str | None] | None = None) -> DataSet:
    """The data set without the recordings that cannot be decoded to their end; these join `skipped`, with the reason.

    Args:
        errors: why each file cannot be decoded, or None if it can, where that has been found out.

    Raises:
        DataSetError: none can be decoded.
    """
    paths = list(dict.fromkeys(recording.path for recording in data.recordings))
    if errors is None:
        errors = {path: error for part in decoding_errors(paths) for path, error in part.items()}
    usable = tuple(recording for recording in data.recordings if errors[recording.path] is None)
    skipped = tuple((r.id, error) for r in data.recordings if (error := errors[r.path]) is not None)
    if not usable:
        raise DataSetError(
            f"Of {len(paths)} recordings in {printable(data.folder)} none can be decoded: {skipped[0][1]}"
        )
    return replace(data, recordings=usable, skipped=data.skipped + skipped)


def decoding_errors(
    paths: Sequence[Path], threads: int = THREADS, seconds: float = 30.0
) -> Iterator[dict[Path, str | None]]:
    """Why files cannot be decoded, or None if they can: what was found in each `seconds`, until all are checked."""
    found: dict[Path, str | None] = {}
    since = time.monotonic()
    with ThreadPoolExecutor(threads) as pool:
        for start in range(0, len(paths), 8 * threads):
            some = paths[start : start + 8 * threads]
            found.update(zip(some, pool.map(decoding_error, some), strict=True))
            if time.monotonic() - since > seconds:
                yield found
                found, since = {}, time.monotonic()
    yield found


def decoding_error(path: Path) -> str | None:
    """Why a recording cannot be used; None if it can."""
    try:
        samples = sum(len(chunk) for chunk in decode(path, SAMPLING_RATE))
    except AudioError as error:
        return str(error)
    if samples < MIN_SECONDS * SAMPLING_RATE:
        return f"{printable(path)} is shorter than {MIN_SECONDS} s; leave it out."
    return None
