"""Check before training that every recording can be decoded, so that none fails in the middle of it; and read the key
of its sound on that occasion."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

from kobza.audio import AudioError, decode, printable
from kobza.data.recording_identity import sound_key
from kobza.data.recordings import DataSet, DataSetError

MIN_SECONDS = 0.025  # one frame of the features
SAMPLING_RATE = 16_000
THREADS = 4  # PyAV releases the GIL while it decodes


class CheckedFile(NamedTuple):
    """Why a file cannot be decoded, or the key of its sound."""

    error: str | None = None
    key: int | None = None


def check_recordings(data: DataSet, errors: Mapping[Path, str | None] | None = None) -> DataSet:
    """The data set without the recordings that cannot be decoded to their end; these join `skipped`, with the reason.

    Args:
        errors: why each file cannot be decoded, or None if it can, where that has been found out.

    Raises:
        DataSetError: none can be decoded.
    """
    paths = list(dict.fromkeys(recording.path for recording in data.recordings))
    if errors is None:
        errors = {path: checked.error for part in check_files(paths) for path, checked in part.items()}
    usable = tuple(recording for recording in data.recordings if errors[recording.path] is None)
    skipped = tuple((r.id, error) for r in data.recordings if (error := errors[r.path]) is not None)
    if not usable:
        raise DataSetError(
            f"Of {len(paths)} recordings in {printable(data.folder)} none can be decoded: {skipped[0][1]}"
        )
    return replace(data, recordings=usable, skipped=data.skipped + skipped)


def check_files(
    paths: Sequence[Path], threads: int = THREADS, seconds: float = 30.0
) -> Iterator[dict[Path, CheckedFile]]:
    """Check files: what was found in each `seconds`, until all are checked."""
    found: dict[Path, CheckedFile] = {}
    since = time.monotonic()
    with ThreadPoolExecutor(threads) as pool:
        for start in range(0, len(paths), 8 * threads):
            some = paths[start : start + 8 * threads]
            found.update(zip(some, pool.map(check_file, some), strict=True))
            if time.monotonic() - since > seconds:
                yield found
                found, since = {}, time.monotonic()
    yield found


def check_file(path: Path) -> CheckedFile:
    error = decoding_error(path)
    try:
        return CheckedFile(error) if error else CheckedFile(key=sound_key(path))
    except AudioError as gone:  # since it was decoded
        return CheckedFile(str(gone))


def decoding_error(path: Path) -> str | None:
    """Why a recording cannot be used; None if it can."""
    try:
        samples = sum(len(chunk) for chunk in decode(path, SAMPLING_RATE))
    except AudioError as error:
        return str(error)
    if samples < MIN_SECONDS * SAMPLING_RATE:
        return f"{printable(path)} is shorter than {MIN_SECONDS} s; leave it out."
    return None
