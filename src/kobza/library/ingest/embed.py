"""From recordings to vectors: threads decode ahead, the model embeds in full batches.

    2 threads: hash, tags, decode, cut  --bounded queue of windows-->  batches of 16 across files --> vectors per track
    (for a model on a GPU: as many threads as cores, batches of 128)

Samples live only in the queue and one batch, whatever the length of a recording; of a recording only vectors are kept.
"""

import contextlib
import os
import queue
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import numpy as np

from kobza.audio import AudioError, decode, printable, windows
from kobza.internal_error import BAD_FILE_ERRORS, InternalError, internal_error
from kobza.library.ingest.scan import Job, content_hash
from kobza.library.ingest.tags import Tags, read_tags
from kobza.library.records import Failure, FileState, Track
from kobza.library.remote import local_copy

DECODERS = 2  # PyAV lets go of the interpreter while it decodes; two of them outrun any model on a CPU
BATCH = 16  # windows
GPU_BATCH = 128  # so that what each batch costs beside arithmetic is little; 80 MB of samples
PATIENCE_SECONDS = 60.0  # for the next window of a recording
PATIENCE_PER_BYTE = 1e-6  # more for large files, which are read once before the first window


@dataclass(frozen=True)
class Progress:
    """How far indexing is: `fraction` goes from 0 to 1 with the bytes that are done."""

    done: int  # recordings
    total: int
    fraction: float
    path: str  # of the recording that was finished or worked on last


@dataclass(frozen=True)
class Embedded:
    """A recording with all its vectors: (n, dim) float32, one per window, `starts` in seconds."""

    job: Job
    track: Track
    file_state: FileState
    starts: list[float]
    vectors: np.ndarray


@dataclass
class Opened:
    """A recording on its way: what has come of it so far."""

    job: Job
    hash: bytes = b""
    tags: Tags | None = None
    starts: list[float] = field(default_factory=list)
    vectors: list[np.ndarray] = field(default_factory=list)
    failure: str | None = None
    fault: str | None = None  # of Kobza itself: the run ends with this sentence
    counted: float = 0.0  # bytes of it that the progress has counted


@dataclass(frozen=True)
class Window:
    open: Opened
    start: float
    samples: np.ndarray


@dataclass(frozen=True)
class End:
    open: Opened
    seconds: float


def _decoded(opened: Opened, checkpoint) -> Iterator[Window | End]:
    """Everything about one recording that needs no model: its windows, then its end."""
    job, file, samples_decoded = opened.job, opened.job.path, 0

    def counted() -> Iterator[np.ndarray]:
        nonlocal samples_decoded
        for chunk in decode(file, checkpoint.sampling_rate):
            samples_decoded += len(chunk)
            yield chunk

    try:
        with local_copy(job.path) as file:
            opened.hash = content_hash(file)  # before decoding: if the file changes meanwhile, the next run sees it
            opened.tags = read_tags(file)
            rule = checkpoint.sampling_rate, checkpoint.window_seconds, checkpoint.min_window_seconds
            for start, samples in windows(counted(), *rule):
                yield Window(opened, start, samples)
    except AudioError as error:
        opened.failure = str(error).replace(printable(file), printable(job.path))
    except OSError as error:
        reason = error.strerror or error
        opened.failure = f"{printable(job.path)} cannot be read ({reason}); check it and index again."
    except BAD_FILE_ERRORS as error:  # one odd file must not end the run: it is named like the others
        opened.failure = f"{printable(job.path)} cannot be indexed ({type(error).__name__}: {error})."
    except Exception as error:  # our own fault: every other file would meet it, too
        opened.fault = str(internal_error(error, f"reading {printable(job.path)}"))
    yield End(opened, samples_decoded / checkpoint.sampling_rate)


def decoded(opened: Opened, checkpoint) -> Iterator[Window | End]:
    """`_decoded` in a thread of its own, at most two windows ahead; if the next takes too long, an end with a reason.

    A read from a dead disc, or a decoder that runs in circles, cannot be ended from outside: its thread is left behind.
    """
    made, room, left = queue.SimpleQueue(), threading.Semaphore(2), threading.Event()
    patience = PATIENCE_SECONDS + PATIENCE_PER_BYTE * opened.job.size

    def make() -> None:
        with contextlib.closing(_decoded(opened, checkpoint)) as events:
            for event in events:
                made.put(event)
                room.acquire()
                if left.is_set():
                    return

    threading.Thread(target=make, name=f"{threading.current_thread().name}-file", daemon=True).start()
    event = None
    try:
        while not isinstance(event, End):
            event = made.get(timeout=patience)
            yield event
            room.release()
    except queue.Empty:
        name = printable(opened.job.path)
        opened.failure = f"{name} gave nothing for {patience:.0f} s; check the disc and the file and index again."
        yield End(opened, 0.0)
    finally:
        left.set()
        room.release()


class _Stopped(BaseException):
    """Ends a decoding thread, past every handler that is for bad files."""


def decoders_and_batch(checkpoint) -> tuple[int, int]:
    """How many threads decode, and how many windows the model gets at once: a GPU outruns every core that there is."""
    device = getattr(getattr(checkpoint, "model", None), "device", None)
    on_cpu = getattr(device, "type", "cpu") == "cpu"
    return (DECODERS, BATCH) if on_cpu else (max(DECODERS, os.cpu_count() or DECODERS), GPU_BATCH)


@contextlib.contextmanager
def decoding(jobs: list[Job], checkpoint) -> Iterator[queue.Queue]:
    """Threads that decode `jobs` into the queue, stopped on leaving however that happens."""
    decoders, batch = decoders_and_batch(checkpoint)
    events: queue.Queue = queue.Queue(maxsize=2 * batch)
    stop, lock, todo = threading.Event(), threading.Lock(), iter(jobs)

    def put(event: object) -> None:
        while not stop.is_set():
            with contextlib.suppress(queue.Full):
                return events.put(event, timeout=0.1)
        raise _Stopped

    def work() -> None:
        with contextlib.suppress(_Stopped):
            while True:
                with lock:
                    job = next(todo, None)
                if job is None:
                    return
                for event in decoded(Opened(job), checkpoint):
                    put(event)

    threads = [threading.Thread(target=work, name=f"kobza-decode-{i}", daemon=True) for i in range(decoders)]
    for thread in threads:
        thread.start()
    try:
        yield events
    finally:
        stop.set()
        for thread in threads:
            thread.join(timeout=2.0)


def embed(batch: list[Window], checkpoint) -> None:
    """Give each window's vector to its recording. If the batch is refused, each alone, to find whom it is about."""
    batch = [window for window in batch if window.open.failure is None]
    if not batch:
        return
    try:
        vectors = checkpoint.embed_windows([window.samples for window in batch])
    except ValueError as error:
        if len(batch) > 1:
            for window in batch:
                embed([window], checkpoint)
            return
        batch[0].open.failure = f"{printable(batch[0].open.job.path)} cannot be embedded ({error}); leave it out."
        return
    for window, vector in zip(batch, vectors, strict=True):
        if not np.isfinite(vector).all():
            name = printable(window.open.job.path)
            window.open.failure = f"{name} is too loud to be embedded; export the recording again."
        window.open.starts.append(window.start)
        window.open.vectors.append(np.asarray(vector, np.float32))


def finish(end: End) -> Embedded | Failure:
    """What has come of a recording. InternalError: it met a fault of Kobza."""
    opened, job = end.open, end.open.job
    if opened.fault is not None:
        raise InternalError(opened.fault)
    if opened.failure is not None:
        return Failure(job.path, opened.failure)
    title, artist, album, genre, year, _ = opened.tags
    track = Track(job.path, title, artist, album, genre, year, end.seconds)
    return Embedded(job, track, FileState(job.size, job.mtime_ns, opened.hash), opened.starts, np.stack(opened.vectors))


def _advance(event: Window | End, sampling_rate: int) -> float:
    """By how many bytes of recordings this brings the work forward: a window by its share, an end by what is left."""
    opened, left = event.open, event.open.job.size - event.open.counted
    if isinstance(event, Window):
        seconds = opened.tags.seconds
        share = opened.job.size * len(event.samples) / sampling_rate / seconds if seconds > 0 else 0.0
        left = min(left, share)
    opened.counted += left
    return left


def embed_jobs(
    jobs: list[Job], checkpoint, progress: Callable[[Progress], None] | None = None
) -> Iterator[Embedded | Failure]:
    """Decode and embed; each recording is yielded, or its failure, as soon as its last window has a vector.

    Batches are filled with windows of whatever recordings come next. `checkpoint` is a `Checkpoint`.

    Raises:
        InternalError: a recording could not be read through a fault of Kobza.
    """
    total_bytes = max(1, sum(job.size for job in jobs))
    done, done_bytes = 0, 0.0
    _, batch = decoders_and_batch(checkpoint)
    with decoding(jobs, checkpoint) as events:
        while done < len(jobs):
            held, ended, full = [], done, 0
            while full < batch and ended < len(jobs) and len(held) < 2 * batch:
                held.append(events.get())
                ended += isinstance(held[-1], End)
                full += isinstance(held[-1], Window)
            embed([event for event in held if isinstance(event, Window)], checkpoint)
            for event in held:
                done_bytes += _advance(event, checkpoint.sampling_rate)
                if isinstance(event, End):
                    done += 1
                    yield finish(event)
            if progress is not None:
                progress(Progress(done, len(jobs), min(1.0, done_bytes / total_bytes), held[-1].open.job.path))
