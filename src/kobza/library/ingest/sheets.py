"""Which recordings the cue sheets beside them divide into tracks, or describe."""

import os
from collections import defaultdict
from collections.abc import Callable, Collection, Mapping
from pathlib import PurePath

from kobza.audio import AudioError, declared_seconds
from kobza.library.ingest.cue import CueTrack, file_named, may_divide, recordings_in
from kobza.library.ingest.file_status import FileStatus, int64
from kobza.library.ingest.parts import part_path, read_sheet, to_parts

SHEET_EXTENSION = ".cue"
NO_TRACKS = "cue sheet without tracks"
NO_RECORDING = "cue sheet without its recording"
SECOND_SHEET = "second cue sheet of a recording"


def recordings_of(sheet: str) -> list[str]:
    """The paths of the recordings that the cue sheet at a path names. OSError: it cannot be read."""
    folder = os.path.dirname(sheet)
    return list(_tracks_by_file(sheet, folder, os.listdir(folder)) or ())


def assign_sheets(
    files: dict[str, FileStatus], sheets: Mapping[str, FileStatus], skip: Callable[[str, str], None]
) -> None:
    """Note in `files` which tracks the sheets name. `skip(path, reason)` is told of sheets that are not used.

    A sheet that divides a recording counts as a part of it: if it changes, the recording has changed.
    """
    names = defaultdict(list)
    folders = {os.path.dirname(sheet) for sheet in sheets}
    for path in files:
        folder, name = os.path.split(path)
        if folder in folders:
            names[folder].append(name)

    def has_namesake(sheet: str) -> bool:
        stem = PurePath(sheet).stem
        return any(PurePath(name).stem == stem for name in names[os.path.dirname(sheet)])

    for sheet in sorted(sheets, key=lambda sheet: (not has_namesake(sheet), sheet)):
        try:
            tracks = _tracks_by_file(sheet, os.path.dirname(sheet), names[os.path.dirname(sheet)])
        except OSError:
            tracks = None
        if not tracks:
            skip(sheet, NO_TRACKS if tracks is None else NO_RECORDING)
            continue
        free = [path for path in tracks if not files[path].sheet_tracks]
        if not free:
            skip(sheet, SECOND_SHEET)
        for path in free:
            status = files[path]._replace(sheet_tracks=tuple(tracks[path]))
            parts = to_parts(tracks[path])
            # No part may have the path of a file, whose name would be very odd
            if len(parts) > 1 and not any(part_path(path, part.track.number) in files for part in parts):
                size = int64(status.size + sheets[sheet].size)
                status = status._replace(size=size, mtime_ns=max(status.mtime_ns, sheets[sheet].mtime_ns), sheet=sheet)
            files[path] = status


def _tracks_by_file(sheet: str, folder: str, present: Collection[str]) -> dict[str, list[CueTrack]] | None:
    """{path of a recording: its tracks}; None if the sheet has no tracks."""
    found = read_sheet(sheet)
    tracks: dict[str, list[CueTrack]] = defaultdict(list)
    for file in found:
        name = file_named(file.name, present, os.path.basename(sheet), len(found) == 1)
        if name is None and len(found) == 1 and len(recordings := recordings_in(present)) == 1:
            name = recordings[0] if may_divide(file.tracks, _seconds(os.path.join(folder, recordings[0]))) else None
        if name is not None:
            tracks[os.path.join(folder, name)] += file.tracks
    return tracks if found else None


def _seconds(path: str) -> float | None:
    try:
        return declared_seconds(path)
    except (AudioError, OSError):
        return None
