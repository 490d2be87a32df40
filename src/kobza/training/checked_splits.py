"""Recordings are checked before training by all processes together, once, and what is left out is reported."""

from collections.abc import Sequence
from pathlib import Path

from accelerate import PartialState
from accelerate.utils import broadcast_object_list, gather_object

from kobza.data.checked_files import CheckedFiles
from kobza.data.decoding_check import CheckedFile, check_files, check_recordings
from kobza.data.recordings import DataSet, DataSetError
from kobza.terminal import say
from kobza.training.machine import cores_of_process

SHOWN = 10  # files named on the screen; split.json names all of them
NOT_LISTED = "does not list it"  # a file beside the table's, which is no pair that was lost


def checked_splits(splits: dict[str, DataSet]) -> tuple[dict[str, DataSet], dict[Path, int]]:
    """The splits with only the recordings that can be decoded, and the keys of their sounds by file. Every process
    calls it and gets the same.

    Each process checks its part and tells the others every half minute, so that none waits for longer, whatever
    time-out the process group has. Good files are kept in mind for the next run.

    Raises:
        DataSetError: more than half of the pairs are lost, or a split has none left.
    """
    paths = dict.fromkeys(recording.path for data in splits.values() for recording in data.recordings)
    files = _checked_files(list(paths))
    errors = {path: file.error for path, file in files.items()}
    checked = {name: check_recordings(data, errors) for name, data in splits.items()}
    lost = lost_pairs(checked)
    pairs = sum(len(data.recordings) for data in checked.values())
    if len(lost) > pairs:
        raise DataSetError(
            f"Of {pairs + len(lost)} pairs {len(lost)} cannot be used (the first: {lost[0][0]}: {lost[0][1]}): check "
            "the table's file names and captions."
        )
    return checked, {path: file.key for path, file in files.items() if file.key is not None}


def _checked_files(paths: Sequence[Path]) -> dict[Path, CheckedFile]:
    state = PartialState()
    kept = CheckedFiles()
    known: list = [kept.known(paths) if state.is_main_process else None]
    broadcast_object_list(known)
    files = {path: CheckedFile(key=key) for path, key in known[0].items()}
    unknown = [path for path in paths if path not in files]
    parts = check_files(unknown[state.process_index :: state.num_processes], cores_of_process())
    while len(files) < len(paths):
        for found in gather_object([next(parts, {})]):
            files.update(found)
            if state.is_main_process:
                kept.add({path: file.key for path, file in found.items() if file.key is not None})
    return files


def lost_pairs(splits: dict[str, DataSet]) -> list[tuple[str, str]]:
    """(file, reason) of the pairs of all splits that cannot be used, each once."""
    every = dict.fromkeys(skipped for data in splits.values() for skipped in data.skipped)
    return [(file, reason) for file, reason in every if not reason.endswith(NOT_LISTED)]


def say_lost(lost: Sequence[tuple[str, str]]) -> None:
    """One line for each of the first pairs that cannot be used, and the number of the others."""
    for file, reason in lost[:SHOWN]:
        say(f"skipped: {file}: {reason}")
    if len(lost) > SHOWN:
        say(f"skipped: and {len(lost) - SHOWN} more, which split.json names")
