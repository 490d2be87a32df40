"""`kobza watch`: what changes in the folders is soon in the library, when the files are complete."""

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from recordings import ToneEmbedder, tone, write

from kobza import MusicLibrary
from kobza.library import LibraryError, watching
from kobza.library.search.saved import SavedSearch, save
from kobza.library.watching import PendingChanges, Watcher, folder_to_scan, is_relevant
from kobza.players.refresh import refresh_all

PATIENCE_SECONDS = 60.0


def wait_until(condition) -> None:
    end = time.monotonic() + PATIENCE_SECONDS
    while not condition():
        assert time.monotonic() < end, "nothing happened"
        time.sleep(0.05)


@pytest.fixture
def watched(library, music, tmp_path, monkeypatch):
    """(the library's file names, the log): a thread watches `music`, with short delays."""
    monkeypatch.setattr(watching, "TICK_SECONDS", 0.05)
    monkeypatch.setattr(watching, "RETRY_SECONDS", 0.2)
    library.add(music)
    log: list[str] = []
    stop = threading.Event()
    watcher = Watcher(library, log.append, stop)
    watcher.pending.settle_seconds = 0.5
    thread = threading.Thread(target=watcher.run)
    started = threading.Event()
    real = library.sync
    monkeypatch.setattr(library, "sync", lambda: (real(), started.set())[0])
    thread.start()
    assert started.wait(PATIENCE_SECONDS)
    time.sleep(0.3)  # until the system watches the folders
    yield log
    stop.set()
    thread.join(PATIENCE_SECONDS)
    assert not thread.is_alive()


def test_every_change_is_a_line(watched, music, library, tmp_path):
    def expect(*lines):
        wait_until(lambda: len(watched) >= len(lines))
        assert sorted(watched) == sorted(lines)
        watched.clear()

    write(tmp_path / "new.flac", tone(5000, 3))
    shutil.copytree(music / "old", tmp_path / "album")
    (tmp_path / "new.flac").rename(music / "new.flac")
    expect(f"added {music / 'new.flac'}")
    (music / "new.flac").rename(music / "jazz" / "moved.flac")
    expect(f"moved {music / 'new.flac'} -> {music / 'jazz' / 'moved.flac'}")
    write(music / "200.flac", tone(3000, 3))
    expect(f"changed {music / '200.flac'}")
    (tmp_path / "album").rename(music / "album")  # a folder that comes with its files, of which no event tells
    expect(*(f"added {music / 'album' / name}" for name in ("1200.m4a", "1400.wma")))
    shutil.rmtree(music / "album")
    expect(*(f"removed {music / 'album' / name}" for name in ("1200.m4a", "1400.wma")))
    (music / ".kobzaignore").write_text("*.opus\n")
    expect(f"removed {music / 'jazz' / 'live' / '800.opus'}")
    assert library.search("tone 3000", k=1)[0].track.path == str(music / "200.flac")


def test_a_file_is_left_alone_until_it_is_complete(watched, music, tmp_path):
    whole = write(tmp_path / "whole.wav", tone(5000, 12)).read_bytes()
    with open(music / "slow.wav", "wb") as file:
        for start in range(0, len(whole), len(whole) // 12):
            file.write(whole[start : start + len(whole) // 12])
            file.flush()
            time.sleep(0.1)
            assert watched == []
    wait_until(lambda: watched)
    assert watched == [f"added {music / 'slow.wav'}"]


def test_an_error_is_said_once_and_the_change_is_not_forgotten(watched, music, library, monkeypatch):
    real, attempts = library.add, []

    def add(roots):
        attempts.append(roots)
        if len(attempts) < 3:
            raise LibraryError("The library is being written by another kobza.")
        return real(roots)

    monkeypatch.setattr(library, "add", add)
    write(music / "new.flac", tone(5000, 3))
    wait_until(lambda: len(watched) == 2)
    assert watched == ["The library is being written by another kobza.", f"added {music / 'new.flac'}"]
    (music / "bad.flac").write_text("no music")
    wait_until(lambda: len(watched) == 3)
    assert watched[2].startswith(f"failed {music / 'bad.flac'}")


def test_a_folder_that_goes_and_comes_back(watched, music, library, tmp_path):
    music.rename(tmp_path / "unplugged")
    wait_until(lambda: watched)
    assert "cannot be read" in watched.pop() and len(library) == 7
    write(tmp_path / "unplugged" / "new.flac", tone(5000, 3))
    (tmp_path / "unplugged").rename(music)
    wait_until(lambda: watched)
    assert watched == [f"added {music / 'new.flac'}"]


def test_where_the_system_cannot_watch(library, music, monkeypatch):
    monkeypatch.setattr(watching, "TICK_SECONDS", 0.05)
    monkeypatch.setattr(watching, "RESCAN_SECONDS_UNWATCHED", 0.3)

    def refuse(*_, **__):
        raise OSError("OS file watch limit reached.")

    monkeypatch.setattr("watchfiles.watch", refuse)
    library.add(music)
    log, stop = [], threading.Event()
    thread = threading.Thread(target=Watcher(library, log.append, stop).run)
    thread.start()
    wait_until(lambda: log)
    (music / "200.flac").unlink()
    wait_until(lambda: len(log) == 2)
    stop.set()
    thread.join(PATIENCE_SECONDS)
    assert "limit reached" in log[0] and log[1] == f"removed {music / '200.flac'}"


def test_saved_playlists_follow_changes(library, music, tmp_path):
    file = tmp_path / "low.m3u8"
    library.add(music)
    save(library.store, SavedSearch("low", {"text": "tone 5000", "k": 1, "match": "sound"}, str(file)))
    log, calls = [], []

    def follow(tell):
        calls.append(refresh_all(library, tell))
        if len(calls) == 2:
            raise OSError("The disc is full.")

    watcher = Watcher(library, log.append, threading.Event(), follow)
    assert watcher._scan(library.sync) and calls == [] and not file.exists()  # nothing has changed
    new = write(music / "new.flac", tone(5000, 3))
    assert watcher._scan(library.sync) and calls == [1] and file.read_text().endswith(f"{new}\n")
    new.unlink()
    assert watcher._scan(library.sync) and calls == [1, 1] and str(new) not in file.read_text()
    assert log[-2:] == [f"removed {new}", "The disc is full."]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_it_stops_cleanly(tmp_path, music, number):
    program = (
        "import sys, pytest\nfrom recordings import replace_checkpoint\nreplace_checkpoint(pytest.MonkeyPatch())\n"
        "from kobza.cli import main\nsys.exit(main(['watch']))"
    )
    with MusicLibrary.open(tmp_path / "library", ToneEmbedder()) as library:
        library.add(music / "jazz")
    environment = os.environ | {
        "KOBZA_LIBRARY": str(tmp_path / "library"),
        "PYTHONPATH": os.pathsep.join([str(Path(__file__).parents[1]), *sys.path]),
    }
    process = subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True, env=environment)
    with contextlib.closing(process.stdout) as lines:
        assert lines.readline().startswith("watching the folders")
        time.sleep(0.5)
        process.send_signal(number)
        assert lines.read() == "stopped\n" and process.wait(PATIENCE_SECONDS) == 0


def test_what_waits_for_what(tmp_path):
    (tmp_path / "a" / "b").mkdir(parents=True)
    pending = PendingChanges(settle_seconds=2.0)
    one, other = tmp_path / "a" / "one.mp3", tmp_path / "a" / "b" / "other.mp3"
    one.write_bytes(b"1")
    other.write_bytes(b"2")
    pending.add(str(one), 0.0)
    pending.add(str(other), 0.0)
    assert pending.settled_folders(1.0) == []
    one.write_bytes(b"11")
    assert pending.settled_folders(2.0) == [str(tmp_path / "a" / "b")]  # its own folder is complete
    pending.remove_under([str(tmp_path / "a" / "b")])
    assert pending.settled_folders(4.0) == [str(tmp_path / "a")]
    pending.add(str(tmp_path / "gone" / "x.mp3"), 4.0)
    assert folder_to_scan(str(tmp_path / "gone" / "x.mp3")) == str(tmp_path)


def test_changes_that_do_not_matter(tmp_path):
    def unknown(path):
        return False

    (tmp_path / "Vol.1").mkdir()
    assert is_relevant(str(tmp_path / "Vol.1"), unknown) and is_relevant("/m/a.FLAC", unknown)
    assert is_relevant("/m/.kobzaignore", unknown) and is_relevant("/m/Vol.2", lambda path: True)
    assert not is_relevant("/m/cover.jpg", unknown) and not is_relevant("/m/.a.mp3.part", unknown)
