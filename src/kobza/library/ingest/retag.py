"""Reading tags again where the sound is the same, so that nothing is embedded anew."""

import dataclasses
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import TypeVar

from kobza.library.ingest.audio_digest import audio_digest
from kobza.library.ingest.cue import CueTrack
from kobza.library.ingest.embed import Progress
from kobza.library.ingest.file_status import FileStatus
from kobza.library.ingest.parts import file_of, read_parts, to_parts, with_sheet_tags
from kobza.library.ingest.scan import Job, Plan, content_hash
from kobza.library.ingest.tags import Tags, read_tags
from kobza.library.records import FileState, Report, Track
from kobza.library.remote import local_copy
from kobza.library.stores.base import Store

THREADS = 2  # as for decoding: reading waits for the disk
Item = TypeVar("Item")
Found = TypeVar("Found")


def with_tags(track: Track, tags: Tags, sheet_tracks: Sequence[CueTrack] = ()) -> Track:
    """The track with what its file, and the cue sheet beside it, say now.

    Tempo and key that an analysis found stay where no tag says them.
    """
    found = tags.of_track()
    track = dataclasses.replace(track, **found | {"bpm": found["bpm"] or track.bpm, "key": found["key"] or track.key})
    parts = to_parts(sheet_tracks)
    return with_sheet_tags(track, parts[0].track) if len(parts) == 1 else track


def keep_tag_encoding(store: Store, encoding: str | None) -> None:
    """Remember what is told of the tags' encoding; "auto": it is guessed. None: nothing is told."""
    if encoding is not None:
        store.set_meta(tag_encoding=encoding)


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
    told = store.meta.get("tag_encoding", "auto")
    encoding = None if told == "auto" else told
    plan.jobs = [dataclasses.replace(job, tag_encoding=encoding) for job in plan.jobs]
    report.moved += move_retagged_files(store, plan, file_states)
    plan.jobs, report.retagged = retag_changed_files(store, plan.jobs, file_states)
    if again:
        changed = {job.path for job in plan.jobs}
        same = {path: status for path, status in files.items() if path in file_states and path not in changed}
        jobs, retagged = retag_unchanged_files(store, same, file_states, encoding, progress)
        plan.jobs += jobs
        report.retagged += retagged
        report.unchanged -= retagged + len(jobs)


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
        found = _same_sound(job, missing) if missing and not job.known else None
        if found is None:
            left.append(job)
            continue
        tags, state = found
        old = missing[state.audio_hash].pop()
        plan.gone.remove(old)
        # With another time than the file's until the tags are written, so that a run that is killed here is completed
        store.move(old, job.path, job.mtime_ns ^ 1)
        for track, *_ in store.scan(job.path):
            store.retag(with_tags(track, tags, job.sheet_tracks), state)
    moved = len(plan.jobs) - len(left)
    plan.jobs = left
    return moved


def _same_sound(job: Job, known: Mapping[bytes, list[str]]) -> tuple[Tags, FileState] | None:
    """The tags and state of a file whose sound is among the `known`, by `audio_digest`."""
    with suppress(OSError, ValueError), local_copy(job.path) as file:
        sound = audio_digest(file)
        if known.get(sound) and len(read_parts(file, job.sheet_tracks)) < 2:  # else it is several tracks now
            state = FileState(job.size, job.mtime_ns, content_hash(file), sound, job.device, job.inode)
            return read_tags(file, job.tag_encoding), state
    return None


def retag_changed_files(
    store: Store, jobs: Iterable[Job], file_states: Mapping[str, FileState]
) -> tuple[list[Job], int]:
    """Write the new tags of changed files that sound as before: (the jobs that are left, how many were written)."""

    def look(job: Job) -> tuple[Tags, FileState] | None:
        before = file_states[job.path].audio_hash if job.replaces == (job.path,) else b""
        return _same_sound(job, {before: [job.path]}) if before else None

    left = []
    written = 0
    jobs = list(jobs)
    for job, found in zip(jobs, _in_threads(look, jobs), strict=True):
        track = next((track for track, *_ in store.scan(job.path)), None) if found is not None else None
        if found is None or track is None:
            left.append(job)
        else:
            tags, state = found
            store.retag(with_tags(track, tags, job.sheet_tracks), state)
            written += 1
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
        (jobs to embed, because the sound differs after all, how many tracks were written)
    """
    tracks = [track for track in store.select() if track.path in files]

    def look(track: Track) -> tuple[Track, FileState] | None:
        status, before = files[track.path], file_states[track.path]
        with suppress(OSError, ValueError), local_copy(track.path) as file:
            if (now := with_tags(track, read_tags(file, encoding), status.sheet_tracks)) != track:
                sound = audio_digest(file) or before.audio_hash
                state = FileState(status.size, status.mtime_ns, content_hash(file), sound, status.device, status.inode)
                return now, state
        return None

    jobs = []
    written = 0
    for done, (track, found) in enumerate(zip(tracks, _in_threads(look, tracks), strict=True), 1):
        if found is not None:
            now, state = found
            if file_states[track.path].audio_hash not in (b"", state.audio_hash):
                job = Job(track.path, state.size, state.mtime_ns, True, state.device, state.inode)
                jobs.append(dataclasses.replace(job, replaces=(track.path,), tag_encoding=encoding))
            else:
                store.retag(now, state)
                written += 1
        if progress is not None:
            progress(Progress(done, len(tracks), done / len(tracks), track.path))
    return jobs, written


def _in_threads(function: Callable[[Item], Found], items: list[Item]) -> Iterator[Found]:
    with ThreadPoolExecutor(THREADS) as pool:
        yield from pool.map(function, items)
