"""From recordings to vectors: processes decode ahead, the model embeds full batches.

    2 processes: hash, tags, decode, cut --bounded queue of windows--> batches of 16 across files --> vectors per track
    (for a model on a GPU: as many processes as cores, batches of 128)

Samples are held only in the queue and in one batch, whatever the length of a recording.
"""

from collections.abc import Callable, Generator
from dataclasses import dataclass

import numpy as np

from kobza.audio import printable
from kobza.embedding.embedder import Embedder
from kobza.internal_error import InternalError
from kobza.library.ingest.analysis import with_analysis
from kobza.library.ingest.decode_ahead import decoded, decoders_and_batch
from kobza.library.ingest.decoding import Event, RecordingEnd, Window
from kobza.library.ingest.parts import divide, with_sheet_tags
from kobza.library.ingest.scan import Job
from kobza.library.records import Failure, FileState, StoredTrack, Track

MIN_EMBEDDABLE_SECONDS = 0.1  # a model may refuse shorter recordings; a frame of a spectrogram is 25 ms


@dataclass(frozen=True)
class Progress:
    """How far a run is: `fraction` goes from 0 to 1 with the bytes that are done."""

    done: int  # recordings
    total: int
    fraction: float
    path: str  # of the last recording worked on
    stage: str = ""  # what goes on before any recording, such as loading the model

    @classmethod
    def of_stage(cls, stage: str) -> "Progress":
        return cls(0, 0, 0.0, "", stage)


@dataclass(frozen=True)
class Embedded:
    """The tracks of a recording with their vectors; several if a cue sheet or chapters divide it.

    `failures`: of those of its tracks that could not be used.
    """

    job: Job
    tracks: tuple[StoredTrack, ...]
    failures: tuple[Failure, ...] = ()


def embed_batch(batch: list[Window], embedder: Embedder) -> None:
    """Add each window's vector to its recording. If the model rejects the batch, embed each alone to find which."""
    batch = [window for window in batch if window.recording.failure is None]
    if not batch:
        return
    try:
        vectors = embedder.embed_windows([window.samples for window in batch])
    except ValueError as error:
        if len(batch) > 1:
            for window in batch:
                embed_batch([window], embedder)
            return
        recording = batch[0].recording
        name = printable(recording.job.path)
        seconds = len(batch[0].samples) / embedder.sampling_rate
        if not batch[0].start and seconds < MIN_EMBEDDABLE_SECONDS:
            recording.fail(f"{name} cannot be embedded because it lasts only {1000 * seconds:.3g} ms; leave it out.")
        else:
            recording.fail(f"{name} cannot be embedded ({error}); leave it out.")
        return
    for window, vector in zip(batch, vectors, strict=True):
        recording = window.recording
        if not np.isfinite(vector).all():
            name = printable(recording.job.path)
            recording.fail(f"{name} is too loud to be embedded; export the recording again at a lower level.")
        recording.starts.append(window.start)
        recording.vectors.append(np.asarray(vector, np.float32))


def to_outcome(end: RecordingEnd) -> Embedded | Failure:
    """The result of a recording. InternalError: reading it met an error in Kobza."""
    recording = end.recording
    job = recording.job
    if recording.fault is not None:
        raise InternalError(recording.fault)
    if recording.failure is not None:
        return recording.failure
    tags = recording.tags
    assert tags is not None  # read before the first window
    track = Track(job.path, duration=end.seconds, **tags.of_track())
    file_state = FileState(
        *(job.size, job.mtime_ns, recording.hash, recording.audio_hash), device=job.device, inode=job.inode
    )
    if len(recording.parts) <= 1:
        track = with_analysis(track, recording.analysis)
    if len(recording.parts) == 1:
        track = with_sheet_tags(track, recording.parts[0].track, tags.has_title)
    elif recording.parts:
        vectors = np.stack(recording.vectors) if recording.vectors else np.zeros((0, 1), np.float32)
        tracks, failures = divide(track, file_state, recording.starts, vectors, recording.parts)
        if tracks:
            return Embedded(job, tuple(tracks), tuple(failures))
        return Failure(job.path, f"{printable(job.path)} ends before the tracks of its cue sheet begin.", True)
    return Embedded(job, ((track, file_state, recording.starts, np.stack(recording.vectors)),))


def _advance(event: Event, sampling_rate: int) -> float:
    """The bytes of recordings that this event completes: a window's share of its file, or at the end the rest."""
    recording = event.recording
    rest = recording.job.size - recording.counted_bytes
    if isinstance(event, Window):
        seconds = recording.tags.seconds if recording.tags else 0.0
        share = recording.job.size * len(event.samples) / sampling_rate / seconds if seconds > 0 else 0.0
        rest = min(rest, share)
    recording.counted_bytes += rest
    return rest


def embed_jobs(
    jobs: list[Job], embedder: Embedder, progress: Callable[[Progress], None] | None = None
) -> Generator[Embedded | Failure, None, None]:
    """Decode and embed; each recording, or its failure, is yielded as soon as its last window has a vector.

    Batches are filled with windows of several recordings.

    Raises:
        InternalError: reading a recording met an error in Kobza.
    """
    total_bytes = max(1, sum(job.size for job in jobs))
    done = 0
    done_bytes = 0.0
    _, batch = decoders_and_batch(embedder)
    with decoded(jobs, embedder) as events:
        while done < len(jobs):
            pending: list[Event] = []
            ended = done
            windows = 0
            while windows < batch and ended < len(jobs) and len(pending) < 2 * batch:
                event = events.get()
                pending.append(event)
                if isinstance(event, Window):
                    windows += 1
                else:
                    ended += 1
            embed_batch([event for event in pending if isinstance(event, Window)], embedder)
            for event in pending:
                done_bytes += _advance(event, embedder.sampling_rate)
                if isinstance(event, RecordingEnd):
                    done += 1
                    yield to_outcome(event)
            if progress is not None:
                fraction = min(1.0, done_bytes / total_bytes)
                progress(Progress(done, len(jobs), fraction, pending[-1].recording.job.path))
