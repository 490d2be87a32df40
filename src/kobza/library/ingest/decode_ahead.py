"""Decoding ahead of the model: by processes if there is much to decode, else by this one's threads.

    thread --job--> process (`decoder_process`): hash, tags, decode, cut --events--> thread --> queue

Two threads decode no more than one: an mp3 of 3 minutes has 7,000 packets, and with each of them Python's lock changes
hands. A process takes 0.3 s to start.
"""

import contextlib
import os
import queue
import threading
from collections.abc import Generator, Iterator
from typing import Protocol

from kobza.audio import printable
from kobza.embedding.embedder import WindowRule
from kobza.internal_error import internal_error
from kobza.library.ingest.decoder_process import DecoderProcess
from kobza.library.ingest.decoding import Event, RecordingEnd, RecordingState, Silence, decode_recording
from kobza.library.ingest.scan import Job
from kobza.library.paths import is_url

CPU_DECODERS = 2  # they outrun any model on a CPU
MIN_BYTES_FOR_PROCESSES = 16 << 20  # some minutes of music: half a second of decoding
CPU_BATCH_WINDOWS = 16
GPU_BATCH_WINDOWS = 128  # makes the overhead of a batch small; 80 MB of samples
WINDOW_TIMEOUT_SECONDS = 60.0  # for the next window of a recording
TIMEOUT_SECONDS_PER_BYTE = 1e-6  # in addition: large files are read once for their hash before the first window
CHECKS_PER_TIMEOUT = 10
MAX_TIMED_BYTES = 10**11  # a file system may say any size


class Decode(Protocol):
    """Yields the windows of a recording and then its end, and fills in what else is found out about it."""

    def __call__(self, recording: RecordingState, rule: WindowRule, /) -> Generator["Event | Silence", None, None]: ...


def decode_with_timeout(
    recording: RecordingState, rule: WindowRule, decode: Decode = decode_recording
) -> Iterator[Event]:
    """`decode` in a thread of its own, at most two windows ahead; if a window takes too long, the recording fails.

    A read from a dead disk, or a decoder in an endless loop, cannot be interrupted: its thread is abandoned. The time
    for which this process was stopped (Ctrl-Z) does not count. If the system allows no more threads, there is no
    timeout.
    """
    events: queue.SimpleQueue[Event | Silence] = queue.SimpleQueue()
    free_slots = threading.Semaphore(2)
    abandoned = threading.Event()
    size = min(recording.job.size, MAX_TIMED_BYTES)
    timeout = WINDOW_TIMEOUT_SECONDS + TIMEOUT_SECONDS_PER_BYTE * size
    name = printable(recording.job.path)

    def run() -> None:
        with contextlib.closing(_always_ended(recording, rule, decode)) as found:
            for event in found:
                events.put(event)
                free_slots.acquire()
                if abandoned.is_set():
                    return

    def next_event() -> Event | Silence:
        for _ in range(CHECKS_PER_TIMEOUT):  # of which a stop of this process, however long, counts as one
            with contextlib.suppress(queue.Empty):
                return events.get(timeout=timeout / CHECKS_PER_TIMEOUT)
        raise queue.Empty

    thread = threading.Thread(target=run, name=f"{threading.current_thread().name}-file", daemon=True)
    try:
        thread.start()
    except RuntimeError:
        for found in _always_ended(recording, rule, decode):
            if not isinstance(found, Silence):
                yield found
        return
    event: Event | Silence | None = None
    try:
        while not isinstance(event, RecordingEnd):
            event = next_event()
            if not isinstance(event, Silence):
                yield event
            free_slots.release()
    except queue.Empty:
        recording.fail(f"{name} timed out after {timeout:.0f} s; check the disk and the file and index again.", False)
        yield RecordingEnd(recording, 0.0)
    finally:
        abandoned.set()
        free_slots.release()


def _always_ended(
    recording: RecordingState, rule: WindowRule, decode: Decode
) -> Generator[Event | Silence, None, None]:
    """`decode`, with an end whatever happens: whoever waits for one would wait forever."""
    try:
        with contextlib.closing(decode(recording, rule)) as found:
            yield from found
    except Exception as error:  # `decode_recording` raises none, but the other process's windows need memory, too
        name = printable(recording.job.path)
        if isinstance(error, MemoryError):
            recording.fail(f"{name} was not decoded for want of memory; index again.", False)
        else:
            recording.fault = str(internal_error(error, f"reading {name}"))
        yield RecordingEnd(recording, 0.0)


class _Stopped(BaseException):
    """Ends a decoding thread; not an Exception, so that no handler for bad files catches it."""


def decoders_and_batch(embedder: WindowRule) -> tuple[int, int]:
    """(recordings decoded at once, windows per batch) for the device of the model: a GPU needs all CPU cores to keep
    it busy."""
    device = getattr(getattr(embedder, "model", None), "device", None)
    if getattr(device, "type", "cpu") == "cpu":
        return CPU_DECODERS, CPU_BATCH_WINDOWS
    return max(CPU_DECODERS, os.cpu_count() or CPU_DECODERS), GPU_BATCH_WINDOWS


@contextlib.contextmanager
def decoded(jobs: list[Job], embedder: WindowRule) -> Iterator["queue.Queue[Event]"]:
    """The queue into which `jobs` are decoded; decoding stops when the block ends, however it ends."""
    count, batch = decoders_and_batch(embedder)
    events: queue.Queue[Event] = queue.Queue(maxsize=2 * batch)
    stop = threading.Event()
    lock = threading.Lock()
    remaining = iter(jobs)
    are_processes_worth_it = sum(job.size for job in jobs) >= MIN_BYTES_FOR_PROCESSES
    processes = [DecoderProcess() if are_processes_worth_it else None for _ in range(min(count, len(jobs)))]

    def put(event: Event) -> None:
        while not stop.is_set():
            with contextlib.suppress(queue.Full):
                events.put(event, timeout=0.1)
                return
        raise _Stopped

    def run(process: DecoderProcess | None) -> None:
        with contextlib.suppress(_Stopped):
            while True:
                with lock:
                    job = next(remaining, None)
                if job is None:
                    return
                # Another process does not know file systems that this one has made, such as fsspec's memory://
                decode = decode_recording if process is None or is_url(job.path) else process.decode
                for event in decode_with_timeout(RecordingState(job), embedder, decode):
                    put(event)

    threads = [
        threading.Thread(target=run, args=[process], name=f"kobza-decode-{i}", daemon=True)
        for i, process in enumerate(processes)
    ]
    for thread in threads:
        thread.start()
    try:
        yield events
    finally:
        stop.set()
        for process in filter(None, processes):
            process.end()
        for thread in threads:
            thread.join(timeout=2.0)
