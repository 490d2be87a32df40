"""Decoding recordings into windows, in threads that run ahead of the model."""

import contextlib
import os
import queue
import threading
from collections.abc import Generator, Iterator
from dataclasses import dataclass, field

import numpy as np

from kobza.audio import AudioError, decode, printable
from kobza.embedding.embedder import WindowRule, mark_recording
from kobza.internal_error import bad_file_errors, internal_error
from kobza.library.ingest.analysis import NOT_ANALYSED, Analysis, Analyzer
from kobza.library.ingest.audio_digest import audio_digest
from kobza.library.ingest.parts import Part, cut_parts, read_parts
from kobza.library.ingest.scan import Job, content_hash
from kobza.library.ingest.tags import Tags, read_tags
from kobza.library.records import Failure
from kobza.library.remote import local_copy

CPU_DECODER_THREADS = 2  # PyAV releases the GIL while it decodes; two threads outrun any model on a CPU
CPU_BATCH_WINDOWS = 16
GPU_BATCH_WINDOWS = 128  # makes the overhead of a batch small; 80 MB of samples
WINDOW_TIMEOUT_SECONDS = 60.0  # for the next window of a recording
TIMEOUT_SECONDS_PER_BYTE = 1e-6  # in addition: large files are read once for their hash before the first window
MAX_TIMED_BYTES = 10**11  # a file system may say any size


@dataclass
class RecordingState:
    """What is known of a recording while it is decoded and embedded."""

    job: Job
    hash: bytes = b""
    audio_hash: bytes = b""
    tags: Tags | None = None
    analysis: Analysis = NOT_ANALYSED
    parts: tuple[Part, ...] = ()  # the tracks that it holds; none or one: the whole file is a track
    starts: list[float] = field(default_factory=list)
    vectors: list[np.ndarray] = field(default_factory=list)
    failure: Failure | None = None
    fault: str | None = None  # the message of an error in Kobza itself, which ends the run
    counted_bytes: float = 0.0  # that the progress includes already

    def fail(self, reason: str, is_lasting: bool = True) -> None:
        """`is_lasting`: see `Failure`."""
        self.failure = Failure(self.job.path, reason, is_lasting)


@dataclass(frozen=True)
class Window:
    """Start in seconds, and mono samples (n,) float32."""

    recording: RecordingState
    start: float
    samples: np.ndarray


@dataclass(frozen=True)
class RecordingEnd:
    """The last event of each recording. `seconds`: its decoded duration."""

    recording: RecordingState
    seconds: float


@dataclass(frozen=True)
class Silence:
    """A window without sound: not embedded, but a sign that decoding goes on."""


Event = Window | RecordingEnd


def _decode(recording: RecordingState, rule: WindowRule) -> Generator[Event | Silence, None, None]:
    """Hash, tags and windows of a recording, then its end."""
    job = recording.job
    file = job.path
    decoded_samples = 0
    analyzer: Analyzer | None = None

    def counted_chunks() -> Iterator[np.ndarray]:
        nonlocal decoded_samples
        for chunk in decode(file, rule.sampling_rate, meter=analyzer.meter if analyzer else None):
            decoded_samples += len(chunk)
            if analyzer is not None:
                analyzer.add(chunk)
            yield chunk

    try:
        with local_copy(job.path) as file:
            # Before decoding: if the file changes meanwhile, the next run sees it
            recording.hash = content_hash(file, job.sheet)
            recording.audio_hash = audio_digest(file)
            recording.tags = read_tags(file, job.tag_encoding)
            if job.analyze:
                analyzer = Analyzer(rule.sampling_rate, recording.tags.seconds)
            recording.parts = read_parts(file, job.sheet_tracks)
            chunks = counted_chunks()
            divided = len(recording.parts) > 1
            marked = cut_parts(rule, chunks, recording.parts) if divided else mark_recording(rule, chunks, file)
            for start, samples in marked:
                yield Silence() if samples is None else Window(recording, start, samples)
        if analyzer is not None:
            recording.analysis = analyzer.result()
    except AudioError as error:
        recording.fail(str(error).replace(printable(file), printable(job.path)), error.is_lasting)
    except OSError as error:
        reason = error.strerror or error
        recording.fail(f"{printable(job.path)} cannot be read ({reason}); check it and index again.", False)
    except bad_file_errors() as error:  # one malformed file must not end the run: it is reported like the others
        is_lasting = not isinstance(error, MemoryError)
        recording.fail(f"{printable(job.path)} cannot be indexed ({type(error).__name__}: {error}).", is_lasting)
    except Exception as error:  # an error in Kobza itself, which every other file would meet, too
        recording.fault = str(internal_error(error, f"reading {printable(job.path)}"))
    yield RecordingEnd(recording, decoded_samples / rule.sampling_rate)


def decode_with_timeout(recording: RecordingState, rule: WindowRule) -> Iterator[Event]:
    """`_decode` in a thread of its own, at most two windows ahead; if a window takes too long, the recording fails.

    A read from a dead disk, or a decoder in an endless loop, cannot be interrupted: its thread is abandoned.
    """
    events: queue.SimpleQueue[Event | Silence] = queue.SimpleQueue()
    free_slots = threading.Semaphore(2)
    abandoned = threading.Event()
    size = min(recording.job.size, MAX_TIMED_BYTES)
    timeout = WINDOW_TIMEOUT_SECONDS + TIMEOUT_SECONDS_PER_BYTE * size

    def run() -> None:
        with contextlib.closing(_decode(recording, rule)) as decoded:
            for event in decoded:
                events.put(event)
                free_slots.acquire()
                if abandoned.is_set():
                    return

    threading.Thread(target=run, name=f"{threading.current_thread().name}-file", daemon=True).start()
    event: Event | Silence | None = None
    try:
        while not isinstance(event, RecordingEnd):
            event = events.get(timeout=timeout)
            if not isinstance(event, Silence):
                yield event
            free_slots.release()
    except queue.Empty:
        name = printable(recording.job.path)
        recording.fail(f"{name} timed out after {timeout:.0f} s; check the disk and the file and index again.", False)
        yield RecordingEnd(recording, 0.0)
    finally:
        abandoned.set()
        free_slots.release()


class _Stopped(BaseException):
    """Ends a decoding thread; not an Exception, so that no handler for bad files catches it."""


def threads_and_batch(embedder: WindowRule) -> tuple[int, int]:
    """(decoding threads, windows per batch) for the device of the model: a GPU needs all CPU cores to keep it busy."""
    device = getattr(getattr(embedder, "model", None), "device", None)
    if getattr(device, "type", "cpu") == "cpu":
        return CPU_DECODER_THREADS, CPU_BATCH_WINDOWS
    return max(CPU_DECODER_THREADS, os.cpu_count() or CPU_DECODER_THREADS), GPU_BATCH_WINDOWS


@contextlib.contextmanager
def decoding_threads(jobs: list[Job], embedder: WindowRule) -> Iterator["queue.Queue[Event]"]:
    """Threads that decode `jobs` into the queue; they are stopped when the block ends, however it ends."""
    threads_wanted, batch = threads_and_batch(embedder)
    events: queue.Queue[Event] = queue.Queue(maxsize=2 * batch)
    stop = threading.Event()
    lock = threading.Lock()
    remaining = iter(jobs)

    def put(event: Event) -> None:
        while not stop.is_set():
            with contextlib.suppress(queue.Full):
                events.put(event, timeout=0.1)
                return
        raise _Stopped

    def run() -> None:
        with contextlib.suppress(_Stopped):
            while True:
                with lock:
                    job = next(remaining, None)
                if job is None:
                    return
                for event in decode_with_timeout(RecordingState(job), embedder):
                    put(event)

    threads = [threading.Thread(target=run, name=f"kobza-decode-{i}", daemon=True) for i in range(threads_wanted)]
    for thread in threads:
        thread.start()
    try:
        yield events
    finally:
        stop.set()
        for thread in threads:
            thread.join(timeout=2.0)
