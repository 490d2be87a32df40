"""Recordings decoded by other processes: as in this one, and what happens if such a process crashes, hangs or ends."""

import errno
import fcntl
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import child_processes
import numpy as np
import pytest
from recordings import ToneEmbedder, counts, tone, write

from kobza import MusicLibrary
from kobza.library.ingest import decode_ahead, decoder_process
from kobza.library.ingest.decode_ahead import decode_with_timeout
from kobza.library.ingest.decoder_process import DecoderProcess
from kobza.library.ingest.decoding import RecordingEnd, RecordingState, Silence, Window, decode_recording
from kobza.library.ingest.scan import Job

RULE = ToneEmbedder()


@pytest.fixture
def decoder():
    decoder = DecoderProcess()
    yield decoder
    decoder.end()


def job(path, **fields) -> Job:
    return Job(str(path), path.stat().st_size, 0, False, **fields)


def pid_of(decoder) -> int:
    return decoder._process.pid


def has_ended(process: int) -> bool:
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except FileNotFoundError:
        return True


@pytest.fixture
def recording(tmp_path):
    """35 s, of which the third ten are silent."""
    return write(tmp_path / "a.flac", np.concatenate([tone(300, 20), np.zeros(160_000, np.float32), tone(400, 5)]))


def test_the_events_are_those_of_this_process(decoder, recording, tmp_path):
    bad = tmp_path / "bad \udcff.mp3"
    bad.write_bytes(b"no music" * 500)
    for path in (recording, bad, recording):
        here, there = RecordingState(job(path)), RecordingState(job(path))
        expected, events = list(decode_recording(here, RULE)), list(decoder.decode(there, RULE))
        assert there == here
        assert [type(event) for event in events] == [type(event) for event in expected]
        for event, same in zip(events, expected, strict=True):
            if isinstance(event, Silence):
                continue
            assert event.recording is there
            if isinstance(event, Window):
                assert event.start == same.start
                np.testing.assert_array_equal(event.samples, same.samples)
            else:
                assert event.seconds == same.seconds


def test_a_library_is_the_same_whoever_decodes(tmp_path, music, monkeypatch):
    (music / "broken.mp3").write_bytes(b"no music" * 500)
    stored = []
    for limit in (0, 1 << 60):
        monkeypatch.setattr(decode_ahead, "MIN_BYTES_FOR_PROCESSES", limit)
        with MusicLibrary.open(tmp_path / str(limit), ToneEmbedder()) as library:
            report = library.add(music)
            assert counts(report)[::5] == (7, 1) and "broken.mp3 cannot be read" in report.failed[0].reason
            rows = library.store.scan()
            stored.append([(track, state, starts, vectors.tolist()) for track, state, starts, vectors in rows])
    assert stored[0] == stored[1]


@pytest.fixture
def long_recording(tmp_path):
    """More windows than the pipe and who reads it hold."""
    return write(tmp_path / "long.flac", tone(300, 200))


@pytest.mark.parametrize(
    ("number", "reason", "is_lasting"),
    [
        (signal.SIGSEGV, "long.flac crashes the decoder (signal 11); replace or convert it.", True),
        (signal.SIGKILL, "long.flac was not decoded: the process that decoded it was killed; index again.", False),
        (signal.SIGTERM, "long.flac was not decoded: the process that decoded it was killed; index again.", False),
    ],
)
def test_a_crash_fails_one_recording(decoder, long_recording, recording, number, reason, is_lasting):
    state = RecordingState(job(long_recording))
    events = decoder.decode(state, RULE)
    next(events)
    os.kill(pid_of(decoder), number)
    *_, end = events
    assert isinstance(end, RecordingEnd) and end.recording is state
    assert state.failure.reason.endswith(reason) and state.failure.is_lasting == is_lasting
    *_, end = decoder.decode(RecordingState(job(recording)), RULE)
    assert end.seconds == 35 and end.recording.failure is None


def test_a_process_that_cannot_work_is_an_internal_error(decoder, recording, monkeypatch):
    monkeypatch.setattr(decoder_process, "__name__", "nowhere")
    state = RecordingState(job(recording))
    list(decoder.decode(state, RULE))
    assert "internal error: RuntimeError (the decoding process ended with 1)" in state.fault


@pytest.mark.parametrize(("name", "value"), [("executable", "/nowhere/python"), ("executable", None), ("frozen", True)])
def test_without_another_process_this_one_decodes(decoder, recording, monkeypatch, name, value):
    monkeypatch.setattr(sys, name, value, raising=False)
    *_, end = decoder.decode(RecordingState(job(recording)), RULE)
    assert end.seconds == 35 and end.recording.failure is None and decoder._process is None


def test_a_process_starts_with_a_small_pipe_where_no_more_memory_is_allowed(decoder, recording, monkeypatch):
    def refused(*args):
        raise PermissionError(errno.EPERM, "Operation not permitted")

    monkeypatch.setattr(fcntl, "fcntl", refused)
    *_, end = decoder.decode(RecordingState(job(recording)), RULE)
    assert end.seconds == 35 and pid_of(decoder)


@pytest.mark.parametrize("error", [MemoryError(), RuntimeError("broken")])
def test_an_unexpected_error_is_told_at_once(recording, error):
    def decode(state, rule):
        raise error
        yield

    (end,) = decode_with_timeout(RecordingState(job(recording)), RULE, decode)
    if isinstance(error, MemoryError):
        assert "for want of memory" in end.recording.failure.reason and not end.recording.failure.is_lasting
    else:
        assert "internal error: RuntimeError (broken) in " in end.recording.fault


def test_a_process_that_hangs_is_replaced(decoder, long_recording, recording, monkeypatch):
    monkeypatch.setattr(decode_ahead, "WINDOW_TIMEOUT_SECONDS", 1.0)
    state = RecordingState(job(long_recording))
    events = decode_with_timeout(state, RULE, decoder.decode)
    next(events)
    stuck = pid_of(decoder)
    os.kill(stuck, signal.SIGSTOP)
    *_, end = events
    assert end.recording is state and "timed out after" in state.failure.reason
    monkeypatch.undo()
    *_, end = decode_with_timeout(RecordingState(job(recording)), RULE, decoder.decode)
    assert end.seconds == 35 and end.recording.failure is None
    assert pid_of(decoder) != stuck and has_ended(stuck)
    assert "timed out" in state.failure.reason


def test_a_process_that_cannot_be_killed_is_left_behind(decoder, long_recording, recording, monkeypatch):
    """It reads from a disk that does not answer."""
    events = decode_with_timeout(RecordingState(job(long_recording)), RULE, decoder.decode)
    next(events)
    stuck = pid_of(decoder)
    try:
        os.kill(stuck, signal.SIGSTOP)
        with monkeypatch.context() as patch:
            patch.setattr(subprocess.Popen, "kill", lambda process: None)
            patch.setattr(decoder_process, "SECONDS_TO_END", 0.1)
            *_, end = decoder.decode(RecordingState(job(recording)), RULE)
            assert end.seconds == 35 and end.recording.failure is None and pid_of(decoder) != stuck
            os.kill(pid_of(decoder), signal.SIGSTOP)
            other = decoder._process
            decoder.end()
        other.kill()
        other.wait()
    finally:
        os.kill(stuck, signal.SIGKILL)


def test_without_more_threads_all_is_decoded(tmp_path, music, monkeypatch):
    """A user's limit of processes counts threads."""
    start = threading.Thread.start

    def refused(thread):
        if thread.name.endswith("-file"):
            raise RuntimeError("can't start new thread")
        start(thread)

    monkeypatch.setattr(threading.Thread, "start", refused)
    monkeypatch.setattr(decode_ahead, "MIN_BYTES_FOR_PROCESSES", 0)
    with MusicLibrary.open(tmp_path / "library", ToneEmbedder()) as library:
        assert counts(library.add(music)) == (7, 0, 0, 0, 0, 0)


def decode_for_a_while(recording, rule):
    for _ in range(10):
        time.sleep(0.05)
    yield RecordingEnd(recording, 1.0)


def send_failure(sender, path) -> None:
    decode_ahead.WINDOW_TIMEOUT_SECONDS = 2.0
    sender.send("started")
    (end,) = decode_with_timeout(RecordingState(job(path)), RULE, decode_for_a_while)
    sender.send(end.recording.failure)


def test_a_stop_of_all_is_not_a_timeout(recording):
    """Ctrl-Z, and some time later `fg`."""
    receiver, sender = child_processes.context.Pipe(duplex=False)
    child = child_processes.context.Process(target=send_failure, args=(sender, recording))
    child.start()
    assert receiver.recv() == "started"
    time.sleep(0.1)
    os.kill(child.pid, signal.SIGSTOP)
    time.sleep(2.2)
    os.kill(child.pid, signal.SIGCONT)
    assert receiver.recv() is None
    child.join()


def test_a_process_that_is_not_read_ends(decoder, long_recording):
    events = decoder.decode(RecordingState(job(long_recording)), RULE)
    next(events)
    process = pid_of(decoder)
    events.close()
    assert has_ended(process)


PARENT = """
import sys
sys.path.insert(0, sys.argv[2])
from test_decoder_process import *
decoder = DecoderProcess()
events = decoder.decode(RecordingState(job(Path(sys.argv[1]))), RULE)
next(events)
print(pid_of(decoder), flush=True)
time.sleep(600)
"""


def test_it_does_not_outlive_its_parent(long_recording):
    here = Path(__file__).parent
    command = [sys.executable, "-c", PARENT, str(long_recording), str(here)]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([*sys.path, str(here.parent)])}
    with subprocess.Popen(command, stdout=subprocess.PIPE, env=environment) as parent:
        process = int(parent.stdout.readline())
        assert not has_ended(process)
        parent.kill()
    deadline = time.time() + 30
    while not has_ended(process):
        assert time.time() < deadline
        time.sleep(0.01)
