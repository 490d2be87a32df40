"""Indexing that is killed, stopped or doubled: nothing that was stored is lost, and nothing is there by half."""

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
import zlib

import numpy as np
import pytest
from child_processes import context, dawdle_at_each_statement, killed_at
from recordings import ToneEmbedder, tone, write
from store_contract import agree, exact, fill, unit

from kobza import MusicLibrary
from kobza.library import LibraryError, open_store
from kobza.library.stores import index_file, search_indexes
from kobza.library.stores.integrity import check
from kobza.library.stores.sqlite import SQLiteStore

FILES = 24


@pytest.fixture
def music(tmp_path):
    for i in range(FILES):  # one to three windows each
        write(tmp_path / "music" / f"{i}.flac", tone(100 + 100 * i, 3 + 9 * (i % 3)))
    return tmp_path / "music"


def index(steps, folder, music, stored, min_rows_for_index_file=0):
    """Index slowly, with an embedder of tones; the path of every stored track is sent to `stored`."""
    upsert_many = SQLiteStore.upsert_many

    def upsert_and_tell(self, tracks):
        tracks = list(tracks)
        upsert_many(self, tracks)
        for track, *_ in tracks:
            stored.send_bytes(os.fsencode(track.path))

    dawdle_at_each_statement(steps)
    SQLiteStore.upsert_many = upsert_and_tell
    if min_rows_for_index_file:
        search_indexes.MIN_ROWS_FOR_INDEX_FILE = min_rows_for_index_file
    with MusicLibrary.open(folder, ToneEmbedder()) as library:
        library.add(music)


def check_whole(library) -> set[str]:
    """Every track has all the windows that its duration asks for, and once; their paths."""
    names = []
    for track, _, starts, vectors in library.store.scan():
        names.append(track.path)
        assert starts == [10.0 * i for i in range(len(starts))] and len(vectors) == len(starts)
        assert len(starts) == int(np.ceil(track.duration / 10))
        np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=2e-3)
    assert len(set(names)) == len(names) == len(library)
    assert check(library.store.folder) == []
    return set(names)


def kill_and_look(folder, music, rng, longest) -> tuple[set[str], bool]:
    """One round: (what the library holds after the kill, whether it struck)."""
    receiver, sender = context.Pipe(duplex=False)
    min_rows = int(rng.choice([0, 10]))
    wait = rng.uniform(0, 0.005)
    killed = killed_at(rng.integers(0, longest), index, folder, music, sender, min_rows, wait=wait)
    sender.close()
    stored = set()
    with contextlib.suppress(OSError, EOFError):  # the last message may be cut
        while True:
            stored.add(os.fsdecode(receiver.recv_bytes()))
    with MusicLibrary.open(folder, ToneEmbedder()) as library:
        names = check_whole(library)
        assert stored <= names, "a track that was reported as stored is not there"
    return names, killed


def finish(folder, music) -> None:
    """The next run completes, and every recording is found by its tone."""
    files = {str(path) for path in music.iterdir()}
    with MusicLibrary.open(folder, ToneEmbedder()) as library:
        held = check_whole(library)
        report = library.add(music)
        assert report.added == len(files - held) - report.moved and not report.failed
        assert check_whole(library) == files
        for path in music.iterdir():
            number = int(path.stem.split("-")[0])
            if number < 10:  # higher ones are near each other to this embedder
                assert library.search(f"tone {100 + 100 * number}", k=1)[0].track.path == str(path)


def test_killed_at_any_moment(tmp_path, music):
    rng, folder, held, kills = np.random.default_rng(1), tmp_path / "library", set(), 0
    for _ in range(10):
        names, killed = kill_and_look(folder, music, rng, longest=400)
        assert held <= names
        held, kills = names, kills + killed
    assert kills >= 3 and held
    finish(folder, music)


@pytest.mark.slow
def test_killed_a_hundred_times_while_the_music_changes(tmp_path, music):
    """Between the kills files are replaced, moved, deleted and come back: every kind of write is struck."""
    rng, folder, kills, rounds = np.random.default_rng(2), tmp_path / "library", 0, 0
    while kills < 100:
        rounds += 1
        assert rounds < 400
        _, killed = kill_and_look(folder, music, rng, longest=150)
        kills += killed
        if killed and rounds % 10 == 0:
            continue  # now and then the next run meets the same files
        for path in rng.choice(sorted(music.iterdir()), 4, replace=False):
            number, what = int(path.stem.split("-")[0]), rng.integers(3)
            if what == 0:
                path.rename(music / f"{number}-{rounds}.flac")
            elif what == 1:
                write(path, tone(100 + 100 * number, rng.integers(2, 30)))
            else:
                path.unlink()
        missing = set(range(FILES)) - {int(path.stem.split("-")[0]) for path in music.iterdir()}
        for number in sorted(missing)[:2]:
            write(music / f"{number}.flac", tone(100 + 100 * number, 4))
    finish(folder, music)


@pytest.mark.slow
def test_the_real_command_with_a_real_checkpoint_killed(tmp_path, music, tiny_checkpoint):
    rng, folder, kills, held = np.random.default_rng(3), tmp_path / "library", 0, set()
    command = [sys.executable, "-m", "kobza.cli", "index", str(music), "--library", str(folder)]
    command += ["--model", tiny_checkpoint]
    while kills < 10:
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
        while kills == 0 and not (folder / "kobza.db").exists() and process.poll() is None:
            time.sleep(0.01)
        time.sleep(rng.uniform(0, 8))
        process.kill()
        if process.wait() != -signal.SIGKILL:  # it was done: from the beginning
            shutil.rmtree(folder)
            held = set()
            continue
        kills += 1
        with MusicLibrary.open(folder) as library:
            names = check_whole(library)
            assert held <= names
            held = names
    subprocess.run(command, check=True)
    with MusicLibrary.open(folder) as library:
        assert len(check_whole(library)) == FILES


def fill_with_index_files(steps, folder) -> None:
    """Write a store and its index files again and again, slowly at the steps of writing a file."""

    def slowly(function):
        def call(*args):
            steps.value += 1
            time.sleep(0.002)
            result = function(*args)
            time.sleep(0.002)
            return result

        return call

    search_indexes.MIN_ROWS_FOR_INDEX_FILE = 1
    for name in ("fsync", "replace"):
        setattr(os, name, slowly(getattr(os, name)))
    index_file.zlib.crc32 = slowly(zlib.crc32)
    store = open_store(folder)
    for i in range(1000):
        store.delete(list(store.file_states())[: i % 3 * 40])
        fill(store)
        store.optimize()


def test_killed_while_index_files_are_written(tmp_path, monkeypatch, caplog):
    """Whatever the moment: the file that the database names is complete, and leftovers are deleted by the next run."""
    monkeypatch.setattr(search_indexes, "MIN_ROWS_FOR_INDEX_FILE", 1)
    folder, rng, kills = tmp_path / "store", np.random.default_rng(4), 0
    store = open_store(folder)
    fill(store)
    store.close()
    for _ in range(10):
        kills += killed_at(rng.integers(1, 30), fill_with_index_files, folder, wait=rng.uniform(0, 0.005))
        reader = open_store(folder, read_only=True)
        held = {track.path: (track, vectors) for track, _, _, vectors in reader.scan()}
        for by in ("track", "moment"):
            query = unit(1, kills)[0]
            agree(reader.search(query, 20, by=by), exact(held, query, by), 20)
        reader.close()
    assert kills == 10 and not caplog.records
    store = open_store(folder)
    store.delete(list(store.file_states()))
    fill(store)
    store.optimize()
    assert len(list(folder.glob("search-*"))) == 2
    store.close()


def add_when_released(folder, music, started, release) -> None:
    class Waiting(ToneEmbedder):
        def embed_windows(self, samples):
            started.set()
            release.wait(120)
            return super().embed_windows(samples)

    with MusicLibrary.open(folder, Waiting()) as library:
        library.add(music)


def test_a_second_writer_gets_a_sentence_and_readers_go_on(tmp_path, music):
    folder = tmp_path / "library"
    started, release = context.Event(), context.Event()
    child = context.Process(target=add_when_released, args=(folder, music, started, release))
    child.start()
    assert started.wait(120)
    try:
        with MusicLibrary.open(folder, ToneEmbedder()) as library:
            for write_something in (lambda: library.add(music), library.sync, lambda: library.remove(music)):
                with pytest.raises(LibraryError, match="being written by another kobza"):
                    write_something()
        with (
            MusicLibrary.open(folder, ToneEmbedder(), read_only=True) as one,
            MusicLibrary.open(folder, ToneEmbedder()) as two,
        ):
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
    class Stopping(ToneEmbedder):
        def embed_windows(self, samples):
            if self.windows_embedded:
                raise stop
            return super().embed_windows(samples)

    with MusicLibrary.open(tmp_path / "library", Stopping()) as library:
        with pytest.raises(stop):
            library.add(music)
        assert 0 < len(check_whole(library)) < FILES
        deadline = time.time() + 60
        while any(t.name.startswith("kobza-decode") for t in threading.enumerate()):
            assert time.time() < deadline, "the decoding threads go on"
            time.sleep(0.01)
        library._embedder = ToneEmbedder()
        library.sync()
        assert len(check_whole(library)) == FILES


def test_a_file_that_vanishes_or_grows_meanwhile(tmp_path, music):
    class Meddling(ToneEmbedder):
        def embed_windows(self, samples):
            if not self.windows_embedded:
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
