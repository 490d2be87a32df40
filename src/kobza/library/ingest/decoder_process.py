"""A process that decodes recordings one after the other, and what talks to it.

    in: a pickled (job, window rule);  out: pickled events of `decode_recording`, the last a `RecordingEnd`

A file that crashes the decoder ends this process, not Kobza. Each event carries the state of its recording, without
vectors.
"""

import contextlib
import os
import pickle
import signal
import subprocess
import sys
from collections.abc import Generator
from dataclasses import replace
from typing import IO

from kobza.audio import printable
from kobza.embedding.embedder import WindowRule
from kobza.internal_error import internal_error
from kobza.library.ingest.decoding import (
    Event,
    RecordingEnd,
    RecordingState,
    Silence,
    WindowSettings,
    decode_recording,
)

# Signals of a program that fails by itself; any other one, such as SIGTERM at a shutdown, was sent by somebody
CRASHES = {
    getattr(signal, name, None)  # not all are on every system
    for name in ("SIGABRT", "SIGBUS", "SIGFPE", "SIGILL", "SIGSEGV", "SIGSYS", "SIGTRAP")
}
KILLED = -9  # the exit code after SIGKILL
SECONDS_TO_END = 2.0  # for a killed process
PIPE_BYTES = 1 << 20  # a window has 640 KB; smaller pipes would interrupt the writer more often (Linux)


class DecoderProcess:
    """Started when the first recording is decoded, and again after it has crashed. For one thread at a time; only
    `end` may be called by another one meanwhile, and ends what is being decoded."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[bytes] | None = None
        self._is_reading = False
        self._is_ended = False

    def decode(self, recording: RecordingState, rule: WindowRule) -> Generator[Event | Silence, None, None]:
        """The events of `decode_recording`. If the process ends meanwhile, the recording fails."""
        if self._is_reading:  # the previous recording timed out, and nobody waits for it any more
            self._kill()
        try:
            process = self._started()
        except (OSError, MemoryError):  # such as too many processes
            yield from decode_recording(recording, rule)
            return
        assert process.stdin is not None and process.stdout is not None
        self._is_reading = True
        is_complete = False
        try:
            pickle.dump((recording.job, WindowSettings.of(rule)), process.stdin)
            process.stdin.flush()
            while not is_complete:
                event = pickle.load(process.stdout)
                if not isinstance(event, Silence):
                    recording.learn(event.recording)
                    event = replace(event, recording=recording)
                if is_complete := isinstance(event, RecordingEnd):
                    self._is_reading = False
                yield event
        except (OSError, EOFError, pickle.UnpicklingError):
            code = _end(process)
            if process is self._process:
                self._process, self._is_reading = None, False
                _report_end(recording, code)
            yield RecordingEnd(recording, 0.0)
        finally:
            if not is_complete:
                process.kill()
                _end(process)
                _close(process)

    def end(self) -> None:
        """No recording is decoded any more, or will be."""
        self._is_ended = True
        self._kill()

    def _started(self) -> "subprocess.Popen[bytes]":
        if self._process is not None and self._process.poll() is not None:  # while it had nothing to do
            _close(self._process)
            self._process = None
        if self._process is None:
            if getattr(sys, "frozen", False) or not sys.executable:  # the executable is a program, and not Python
                raise FileNotFoundError("no Python interpreter")
            self._process = subprocess.Popen(
                [sys.executable, "-P", "-c", f"from {__name__} import main; main()"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                env=os.environ
                | {"PYTHONPATH": os.pathsep.join(map(os.path.abspath, sys.path)), "OMP_NUM_THREADS": "1"},
                start_new_session=True,  # Ctrl-C is for the parent, which then ends it
            )
            if self._is_ended:
                self._process.kill()
            _enlarge(self._process.stdout)
        return self._process

    def _kill(self) -> None:
        """End the process at once: it holds nothing that must be saved."""
        process, self._process = self._process, None
        if process is not None:
            process.kill()
            _end(process)
            if not self._is_reading:  # else the thread that reads does it
                _close(process)
        self._is_reading = False


def _enlarge(pipe: IO[bytes] | None) -> None:
    """Popen's `pipesize` would start no process where a user's pipes have all the memory that they may have: by default
    64 MB, those of 32 processes."""
    with contextlib.suppress(ImportError, AttributeError, OSError):  # not on Linux, or no more memory
        import fcntl

        assert pipe is not None
        fcntl.fcntl(pipe, fcntl.F_SETPIPE_SZ, PIPE_BYTES)


def _end(process: "subprocess.Popen[bytes]") -> int:
    """The exit code of a process that is about to end; `KILLED` if it does not. Even a killed one goes on as long as
    it waits for a disk that does not answer."""
    try:
        return process.wait(SECONDS_TO_END)
    except subprocess.TimeoutExpired:
        process.kill()
        return KILLED


def _close(process: "subprocess.Popen[bytes]") -> None:
    for pipe in (process.stdin, process.stdout):
        with contextlib.suppress(OSError):  # what was not sent
            pipe.close()  # type: ignore[union-attr]


def _report_end(recording: RecordingState, code: int) -> None:
    name = printable(recording.job.path)
    if code < 0 and -code in CRASHES:
        recording.fail(f"{name} crashes the decoder (signal {-code}); replace or convert it.")
    elif code < 0:  # SIGKILL is also what the system sends for want of memory
        recording.fail(f"{name} was not decoded: the process that decoded it was killed; index again.", False)
    else:
        error = RuntimeError(f"the decoding process ended with {code}")
        recording.fault = str(internal_error(error, f"reading {name}"))


def main() -> None:
    """Decode until the input ends, or nobody reads the output any more."""
    out = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # what a library prints does not come between the events
    try:
        while True:
            job, rule = pickle.load(sys.stdin.buffer)
            for event in decode_recording(RecordingState(job), rule):
                pickle.dump(event, out, pickle.HIGHEST_PROTOCOL)
                out.flush()
    except (EOFError, BrokenPipeError):
        os._exit(0)  # without flushing what nobody reads
