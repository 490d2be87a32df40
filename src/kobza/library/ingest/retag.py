"""Reading tags again where the sound is the same, so that nothing is embedded anew."""

import dataclasses
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import TYPE_CHECKING, NamedTuple, TypeVar

from kobza.audio import declared_seconds
from kobza.audio_digest import audio_digest
from kobza.library.exclusions import Exclusions
from kobza.library.ingest.cue import CueTrack
from kobza.library.ingest.embed import Progress
from kobza.library.ingest.encodings import told_encoding
from kobza.library.ingest.file_status import FileStatus
from kobza.library.ingest.parts import (
    Part,
    is_same_part,
    part_path,
    read_parts,
    to_parts,
    with_part_tags,
    with_sheet_tags,
)
from kobza.library.ingest.scan import Job, Plan, content_hash
from kobza.library.paths import file_of
from kobza.library.records import FileState, Report, Track
from kobza.library.remote import local_copy
from kobza.library.stores.base import Store

if TYPE_CHECKING:
    from kobza.library.ingest.tags import Tags

THREADS = 2  # as for decoding: reading waits for the disk
Item = TypeVar("Item")
Found = TypeVar("Found")


class _Found(NamedTuple):
    """What a file says now. `seconds`: its length by its header."""

    tags: "Tags"
    state: FileState
    parts: tuple[Part, ...]
    seconds: float | None


def with_tags(track: Track, tags: "Tags", sheet_tracks: Sequence[CueTrack] = ()) -> Track:
    """The track with what its file, and the cue sheet beside it, say now.

    Tempo and key that an analysis found stay where no tag says them.
    """
    found = tags.of_track()
    track = dataclasses.replace(track, **found | {"bpm": found["bpm"] or track.bpm, "key": found["key"] or track.key})
    parts = to_parts(sheet_tracks)
    return with_sheet_tags(track, parts[0].track, tags.has_title) if len(parts) == 1 else track


def tracks_now(
    tracks: Sequence[Track],
    tags: "Tags",
    parts: Sequence[Part],
    seconds: float | None,
    sheet_tracks: Sequence[CueTrack] = (),
    excluded: Collection[str] = (),
) -> list[Track] | None:
    """The library's tracks of one file with what it says now; None if it is divided in another way than before.

    Args:
        seconds: the file's length by its header.
        excluded: paths of its parts that are left out.
    """
    if [track.path for track in tracks] == [tracks[0].file] and tracks[0].end is None:
        return [with_tags(tracks[0], tags, sheet_tracks)] if len(parts) < 2 else None
    paths = {part_path(tracks[0].file, part.track.number): part for part in parts}
    wanted = {path: part for path, part in paths.items() if path not in excluded}
    if len(parts) < 2 or wanted.keys() != {track.path for track in tracks}:
        return None
    if not all(is_same_part(wanted[track.path], track, seconds) for track in tracks):
        return None
    return [with_part_tags(with_tags(track, tags), wanted[track.path].track) for track in tracks]


def update_tags(
    store: Store,
    plan: Plan,
    files: Mapping[str, FileStatus],
    file_states: Mapping[str, FileState],
    report: Report,
    again: bool,
    progress: Callable[[Progress], None] | None = None,
) -> None:
    """Write the tags of all files that sound as before, count them in the report, and leave the rest in the plan.

    Args:
        again: also read the tags of files whose size and time of change are the same.
    """
    encoding = told_encoding(store)
    plan.jobs = [dataclasses.replace(job, tag_encoding=encoding) for job in plan.jobs]
    report.moved += move_retagged_files(store, plan, file_states)
    plan.jobs, report.retagged = retag_changed_files(store, plan.jobs, file_states)
    if again:
        changed = {job.path for job in plan.jobs}
        known = {file_of(path, files) for path in file_states}
        same = {path: status for path, status in files.items() if path in known and path not in changed}
        jobs, retagged = retag_unchanged_files(store, same, file_states, encoding, progress)
        plan.jobs += jobs
        report.retagged += retagged
        report.unchanged -= retagged + sum(len(job.replaces) for job in jobs)


def move_retagged_files(store: Store, plan: Plan, file_states: Mapping[str, FileState]) -> int:
    """Tracks whose files were renamed and retagged at once follow them: a new file that sounds as a missing one.

    Takes them out of the plan; how many there were.
    """
    missing: dict[bytes, list[str]] = defaultdict(list)
    for path in plan.gone:
        if file_of(path) != path:
            continue  # a part of a file
        missing[file_states[path].audio_hash].append(path)
    missing.pop(b"", None)
    left = []
    for job in plan.jobs:
        found = _read_again(job, {sound for sound, paths in missing.items() if paths}) if not job.known else None
        if found is None or len(found.parts) > 1:
            left.append(job)
            continue
        state = found.state
        old = missing[state.audio_hash].pop()
        plan.gone.remove(old)
        # With another time than the file's until the tags are written, so that a run that is killed here is completed
        store.move(old, job.path, job.mtime_ns ^ 1)
        for track, *_ in store.scan(job.path):
            store.retag(with_tags(track, found.tags, job.sheet_tracks), state)
    moved = len(plan.jobs) - len(left)
    plan.jobs = left
    return moved


def _read_again(job: Job, sounds: Collection[bytes]) -> _Found | None:
    """What a file says, if its sound is one of these, by `audio_digest`."""
    from kobza.library.ingest.tags import read_tags  # imported here: a search reads none

    with suppress(OSError, ValueError), local_copy(job.path) as file:
        if sounds and (sound := audio_digest(file)) in sounds:
            state = FileState(job.size, job.mtime_ns, content_hash(file, job.sheet), sound, job.device, job.inode)
            parts = read_parts(file, job.sheet_tracks)
            seconds = declared_seconds(file) if len(parts) > 1 else None
            return _Found(read_tags(file, job.tag_encoding), state, parts, seconds)
    return None


def retag_changed_files(
    store: Store, jobs: Iterable[Job], file_states: Mapping[str, FileState]
) -> tuple[list[Job], int]:
    """Write the new tags of changed files, or of the sheets that divide them, where sound and times are the same.

    Returns:
        (the jobs that are left, how many tracks were written)
    """

    def look(job: Job) -> _Found | None:
        sounds = {file_states[path].audio_hash for path in job.replaces}
        return _read_again(job, sounds) if len(sounds) == 1 and b"" not in sounds else None

    excluded = Exclusions.from_meta(store.meta).paths
    left = []
    written = 0
    jobs = list(jobs)
    for job, found in zip(jobs, _in_threads(look, jobs), strict=True):
        tracks = [track for path in job.replaces for track, *_ in store.scan(path)] if found is not None else []
        now = None
        if found is not None and tracks:
            now = tracks_now(tracks, found.tags, found.parts, found.seconds, job.sheet_tracks, excluded)
        if found is None or now is None:
            left.append(job)
            continue
        for track in now:
            store.retag(track, found.state)
        written += len(now)
    return left, written


def retag_unchanged_files(
    store: Store,
    files: Mapping[str, FileStatus],
    file_states: Mapping[str, FileState],
    encoding: str | None,
    progress: Callable[[Progress], None] | None = None,
) -> tuple[list[Job], int]:
    """Read the tags of files whose size and time of change are the same, and write those that differ.

    Returns:
        (jobs to embed, because the sound or the times of the parts differ after all, how many tracks were written)
    """
    from kobza.library.ingest.tags import read_tags

    by_file: dict[str, list[Track]] = defaultdict(list)
    for track in store.select():
        if (path := file_of(track.path, files)) in files:
            by_file[path].append(track)
    excluded = Exclusions.from_meta(store.meta).paths

    def look(path: str) -> tuple[list[Track] | None, FileState] | None:
        status, tracks = files[path], by_file[path]
        with suppress(OSError, ValueError), local_copy(path) as file:
            # Whether a file that was one track has parts now is not looked at: that takes as long as its tags
            is_divided = tracks[0].path != path
            parts = read_parts(file, status.sheet_tracks) if is_divided else ()
            seconds = declared_seconds(file) if is_divided else None
            now = tracks_now(tracks, read_tags(file, encoding), parts, seconds, status.sheet_tracks, excluded)
            if now != tracks:
                sound = audio_digest(file) or file_states[tracks[0].path].audio_hash
                hashed = content_hash(file, status.sheet)
                return now, FileState(*status[:2], hashed, sound, status.device, status.inode)
        return None

    jobs = []
    written = 0
    for done, (path, found) in enumerate(zip(by_file, _in_threads(look, list(by_file)), strict=True), 1):
        if found is not None:
            now, state = found
            paths = tuple(track.path for track in by_file[path])
            if now is None or any(file_states[one].audio_hash not in (b"", state.audio_hash) for one in paths):
                job = Job(path, state.size, state.mtime_ns, True, state.device, state.inode, files[path].sheet)
                tracks = files[path].sheet_tracks
                jobs.append(dataclasses.replace(job, sheet_tracks=tracks, replaces=paths, tag_encoding=encoding))
            else:
                for track in now:  # all of the file's, so that they have the same state
                    store.retag(track, state)
                written += sum(track != before for track, before in zip(now, by_file[path], strict=True))
        if progress is not None:
            progress(Progress(done, len(by_file), done / len(by_file), path))
    return jobs, written


def _in_threads(function: Callable[[Item], Found], items: list[Item]) -> Iterator[Found]:
    with ThreadPoolExecutor(THREADS) as pool:
        yield from pool.map(function, items)
