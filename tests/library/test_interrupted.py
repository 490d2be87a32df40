"""Indexing that is killed, stopped or doubled: nothing that was stored is lost, and nothing is there by half."""

import multiprocessing
import os
import signal
import threading
import time

import numpy as np
import pytest
from recordings import ToneEar, tone, write

from kobza import MusicLibrary
from kobza.library import LibraryError

FILES = 24
fork = multiprocessing.get_context("fork")  # a child that starts at once, for many rounds


@pytest.fixture
def music(tmp_path):
    for i in range(FILES):  # one to three windows each
        write(tmp_path / "music" / f"{i}.flac", tone(100 + 100 * i, 3 + 9 * (i % 3)))
    return tmp_path / "music"


def index(folder, music, written=None):
    """Indexes, and dawdles within each write, counting windows in `written`: there most kills strike."""

    def slowly(starts):
        for start in starts:
            time.sleep(0.005)
            if written is not None:
                written.value += 1
            yield start

    with MusicLibrary.open(folder, ToneEar()) as library:
        upsert = library.store.upsert
        library.store.upsert = lambda track, rev, starts, vectors: upsert(track, rev, slowly(starts), vectors)
        library.add(music)


def check_whole(library) -> int:
    """Every track has all the windows that its duration asks for; how many tracks there are."""
    names = []
    for track, _, starts, vectors in library.store.scan():
        names.append(track.path)
        assert starts == [10.0 * i for i in range(len(starts))] and len(vectors) == len(starts)
        assert len(starts) == int(np.ceil(track.duration / 10))
        np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=2e-3)
    assert len(set(names)) == len(names)
    windows = library.store.count().windows
    assert (
        windows
        == library.store._db.execute(
            "SELECT count(*) FROM windows JOIN tracks ON tracks.id = windows.track_id"
        ).fetchone()[0]
    )
    return len(names)


def test_killed_at_any_moment(tmp_path, music):
    rng, stored, kills = np.random.default_rng(1), 0, 0
    folder = tmp_path / "library"
    for _ in range(10):
        written, moment = fork.Value("i", 0), rng.integers(0, 8)
        child = fork.Process(target=index, args=(folder, music, written))
        child.start()
        while written.value < moment and child.is_alive():
            time.sleep(0.0005)
        time.sleep(rng.uniform(0, 0.01))
        os.kill(child.pid, signal.SIGKILL)
        child.join()
        kills += child.exitcode == -signal.SIGKILL
        with MusicLibrary.open(folder, ToneEar()) as library:
            now = check_whole(library)
            assert now >= stored
            stored = now
    assert kills >= 3 and stored
    ear = ToneEar()
    with MusicLibrary.open(folder, ear) as library:
        report = library.add(music)
        assert (report.added, report.unchanged, report.failed) == (FILES - stored, stored, [])
        assert check_whole(library) == FILES
        assert library.search("tone 1100", k=1)[0].track.path.endswith("10.flac")


def test_killed_after_some_the_next_run_goes_on(tmp_path, music):
    folder = tmp_path / "library"
    child = fork.Process(target=index, args=(folder, music))
    child.start()
    with MusicLibrary.open(folder, ToneEar()) as library:
        while len(library) < 8:
            time.sleep(0.002)
    os.kill(child.pid, signal.SIGKILL)
    child.join()
    with MusicLibrary.open(folder, read_only=True) as library:
        stored = check_whole(library)
    ear = ToneEar()
    with MusicLibrary.open(folder, ear) as library:
        assert library.add(music).added == FILES - stored < FILES
        assert 0 < ear.windows_heard < sum(1 + i % 3 for i in range(FILES)) + 1


def test_a_second_writer_gets_a_sentence_and_readers_go_on(tmp_path, music):
    folder = tmp_path / "library"
    started, release = fork.Event(), fork.Event()

    def hold():
        class Waiting(ToneEar):
            def embed_windows(self, samples):
                started.set()
                release.wait(120)
                return super().embed_windows(samples)

        with MusicLibrary.open(folder, Waiting()) as library:
            library.add(music)

    child = fork.Process(target=hold)
    child.start()
    assert started.wait(120)
    try:
        with MusicLibrary.open(folder, ToneEar()) as library:
            for write_something in (lambda: library.add(music), library.sync, lambda: library.remove(music)):
                with pytest.raises(LibraryError, match="Another kobza is writing"):
                    write_something()
        with MusicLibrary.open(folder, ToneEar(), read_only=True) as one, MusicLibrary.open(folder, ToneEar()) as two:
            assert one.search("tone 300") == two.search("tone 300") == []
            release.set()
            child.join()
            assert len(one) == len(two) == FILES
            assert one.search("tone 300", k=1)[0].track.path.endswith("2.flac")
    finally:
        release.set()
        child.join()
    assert child.exitcode == 0


@pytest.mark.parametrize("stop", [KeyboardInterrupt, RuntimeError])
def test_stopped_from_within(tmp_path, music, stop):
    class Stopping(ToneEar):
        def embed_windows(self, samples):
            if self.windows_heard:
                raise stop
            return super().embed_windows(samples)

    with MusicLibrary.open(tmp_path / "library", Stopping()) as library:
        with pytest.raises(stop):
            library.add(music)
        assert 0 < check_whole(library) < FILES
        deadline = time.time() + 60
        while any(t.name.startswith("kobza-decode") for t in threading.enumerate()):
            assert time.time() < deadline, "the decoding threads go on"
            time.sleep(0.01)
        library._model = ToneEar()
        library.sync()
        assert check_whole(library) == FILES


def test_a_file_that_vanishes_or_grows_meanwhile(tmp_path, music):
    class Meddling(ToneEar):
        def embed_windows(self, samples):
            if not self.windows_heard:
                (music / "9.flac").unlink(missing_ok=True)  # sorted last: not yet read
                write(music / "0.flac", tone(4000, 5))  # sorted first: read already
            return super().embed_windows(samples)

    with MusicLibrary.open(tmp_path / "library", Meddling()) as library:
        report = library.add(music)
        assert [os.path.basename(f.path) for f in report.failed] == ["9.flac"]
        assert "9.flac cannot be" in report.failed[0].reason
        report = library.sync()
        assert (report.changed, report.unchanged, report.removed) == (1, FILES - 2, 0)
        assert library.search("tone 4000", k=1)[0].track.path.endswith(f"{os.sep}0.flac")
