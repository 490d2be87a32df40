"""The players of this machine, really playing: into nothing, but in real time."""

import contextlib
import os
import pty
import subprocess
import sys
import termios
import time
from pathlib import Path

import pytest
from installed import need
from recordings import tone, write

from kobza.library import Track
from kobza.library.search.entries import Entry
from kobza.library.search.m3u import as_m3u
from kobza.players.keys import no_keys
from kobza.players.local import PlayerError, Playing, find_player, player_command
from kobza.players.queue import PlayQueue
from kobza.players.session import play

TESTS = Path(__file__).parents[1]
ENOUGH = 30  # seconds: half of what playing the whole recording would take


@pytest.mark.parametrize("player", ["mpv", "vlc", "ffplay"])
@pytest.mark.parametrize(("start", "end"), [(58.0, None), (2.5, 4.25)])
def test_a_player_begins_and_ends_where_it_should(silent_players, minute, player, start, end):
    need(player)
    began = time.monotonic()
    playing = Playing.start(player_command(player, Entry(Track(str(minute)), start, end)))
    while not playing.is_over():
        assert time.monotonic() - began < ENOUGH, "it plays too much"
        time.sleep(0.05)
    assert playing.failure() is None
    assert time.monotonic() - began > 0.5, "it plays too little"


@pytest.mark.parametrize(("player", "content"), [("mpv", "no music"), ("ffplay", "no music"), ("vlc", None)])
def test_what_cannot_be_played_is_named_and_passed_over(silent_players, tmp_path, minute, player, content):
    need(player)
    broken = minute.with_name("broken.flac")
    broken.unlink(missing_ok=True)
    if content is not None:
        broken.write_text(content)
    said = []
    turn = PlayQueue(tmp_path).begin()
    entries = [Entry(Track(str(broken), "Broken")), Entry(Track(str(minute), "Minute"), 59.0)]
    assert play(entries, player, turn, None, said.append) == 1
    assert [line.split()[0] for line in said] == ["1/2", player, "2/2"]
    assert said[1].startswith(f"{player} cannot play {broken} (") and said[1].endswith(").")


def test_keys(silent_players, tmp_path, minute):
    need("mpv")
    typed = iter(["", "n", "N", "p", "x", " ", " ", "", "q"])

    def read_key(seconds: float) -> str:
        time.sleep(seconds)
        return next(typed)

    said = []
    turn = PlayQueue(tmp_path).begin()
    entries = [Entry(Track(str(minute), name)) for name in ("a", "b", "c", "d")]
    began = time.monotonic()
    assert play(entries, "mpv", turn, read_key, said.append) == 4
    assert time.monotonic() - began < ENOUGH
    assert said == ["mpv: n next, p previous, space pause, q stop", "1/4  a", "2/4  b", "3/4  c", "2/4  b"]
    assert next(typed, None) is None


def test_a_paused_player_stands_still_and_can_be_stopped(silent_players, minute):
    need("mpv")

    def state() -> str:
        return Path(f"/proc/{playing.process.pid}/stat").read_text().rpartition(")")[2].split()[0]

    playing = Playing.start(player_command("mpv", Entry(Track(str(minute)))))
    try:
        playing.pause(True)
        while state() != "T":
            time.sleep(0.01)
        playing.pause(False)
        while state() == "T":
            time.sleep(0.01)
        playing.pause(True)
    finally:
        began = time.monotonic()
        playing.stop()
    assert playing.is_over() and time.monotonic() - began < ENOUGH


@pytest.mark.parametrize("relative", [False, True])
def test_vlc_and_mpv_read_the_playlists(silent_players, tmp_path, minute, relative):
    """Names of every kind. VLC begins at the moment; mpv reads past that line."""
    need("mpv", "vlc")
    data = write(tmp_path / "short.flac", tone(300, 1)).read_bytes()
    names = [b"#1?.flac", "Ой 1%31.flac".encode(), b" a: b.flac", b"\xff.flac", b"two\nlines.flac"]
    entries = []
    for name in names[2 if relative else 0 :]:  # VLC finds the first two only by their URLs
        path = os.fsdecode(os.path.join(os.fsencode(minute.parent), name))
        Path(path).write_bytes(data)
        entries.append(Entry(Track(path, "T", duration=1.0)))
    entries.append(Entry(Track(str(minute), duration=60.0), 58.5))
    playlist = minute.with_name("list.m3u8")
    playlist.write_bytes(as_m3u(entries, minute.parent if relative else None))
    playlist.chmod(0o644)

    argv = ["vlc", "--intf=dummy", "--play-and-exit", "-vv", "--no-video", playlist, "vlc://quit"]
    done = subprocess.run(argv, capture_output=True, text=True, errors="replace", timeout=ENOUGH)
    assert done.stderr.count(".flac' successfully opened") == len(entries), done.stderr[-2000:]
    argv = ["mpv", "--idle=no", "--keep-open=no", "--loop-file=no", "--length=0.1", "--video=no", playlist]
    done = subprocess.run(argv, capture_output=True, text=True, errors="replace", timeout=ENOUGH)
    assert done.returncode == 0 and "rror" not in done.stdout + done.stderr, done.stdout
    assert done.stdout.count("Playing: ") == len(entries)


def test_choosing_a_player():
    assert find_player(which=lambda name: name) == "mpv"
    assert find_player("ffplay", which=lambda name: name) == "ffplay"
    with pytest.raises(PlayerError, match=r"The player vlc is not installed; .* --player"):
        find_player("vlc", which=lambda _: None)
    with pytest.raises(PlayerError, match=r"No player is installed; install mpv, VLC or ffplay .* --mpd"):
        find_player(which=lambda _: None)
    with pytest.raises(PlayerError, match="The player /nowhere/mpv cannot be started"):
        Playing.start(["/nowhere/mpv"])


class TestQueue:
    @pytest.fixture
    def entries(self):
        return [Entry(Track(f"/m/{name}.flac", name, "Ann"), 1.5, 2.0) for name in ("a", "\udcff", 'c"')]

    def test_entries_go_from_one_process_to_another(self, tmp_path, entries):
        queue = PlayQueue(tmp_path)
        assert not queue.append(entries)
        turn = queue.begin()
        assert queue.begin() is None
        script = (
            "import sys; from kobza.players.queue import *\n"
            "entries = [Entry(Track(f'/m/{name}.flac', name, 'Ann'), 1.5, 2.0) for name in ('a', '\\udcff', 'c\"')]\n"
            "queue = PlayQueue(Path(sys.argv[1]))\n"
            "assert queue.begin() is None and queue.append(entries[:1]) and queue.append(entries[1:])"
        )
        subprocess.run([sys.executable, "-c", script, tmp_path], check=True)
        assert turn.take_or_end() == entries
        assert queue.append(entries[:1]) and turn.take_or_end() == entries[:1]
        assert turn.take_or_end() == [] and not queue.append(entries)
        turn.end()

    def test_an_ended_turn_leaves_the_next_ones_queue(self, tmp_path, entries):
        queue = PlayQueue(tmp_path)
        first = queue.begin()
        assert first.take_or_end() == []
        second = queue.begin()
        queue.append(entries)
        first.end()
        assert second.take_or_end() == entries
        queue.append(entries)
        second.end()
        assert queue.begin().take_or_end() == []

    def test_a_part_of_a_file_stays_one(self, tmp_path):
        queue = PlayQueue(tmp_path)
        turn = queue.begin()
        part = Entry(Track("/m/album.flac#2", "Two", start=200.0, end=300.0), 210.0, 300.0)
        queue.append([part])
        assert turn.take_or_end() == [part] and part.track.file == "/m/album.flac"

    def test_what_is_queued_is_played_at_the_end(self, silent_players, tmp_path, minute):
        need("mpv")
        queue, said = PlayQueue(tmp_path), []
        turn = queue.begin()
        queue.append([Entry(Track(str(minute), "second"), 59.5)])
        assert play([Entry(Track(str(minute), "first"), 59.5)], "mpv", turn, None, said.append) == 2
        assert said == ["1/1  first from 0:59", "2/2  second from 0:59"]
        assert queue.begin()


SCRIPT = """
import sys
from unittest.mock import patch
from recordings import ToneEmbedder
from kobza.cli import main
with patch("kobza.embedding.numpy_text_tower.TextTower.load", lambda *_: ToneEmbedder()):
    sys.exit(main(sys.argv[1:]))
"""


class Terminal:
    """A program in a terminal of its own."""

    def __init__(self, *argv):
        self.master, slave = pty.openpty()
        self.settings = termios.tcgetattr(slave)
        env = os.environ | {"PYTHONPATH": os.pathsep.join([str(TESTS), os.environ.get("PYTHONPATH", "")])}
        command = [sys.executable, "-c", SCRIPT, *map(str, argv)]
        # setsid and the terminal as the controlling one, as a shell has it
        self.process = subprocess.Popen(
            ["setsid", "--ctty", "--wait", *command], stdin=slave, stdout=slave, stderr=slave, env=env
        )
        self.slave, self.shown = slave, ""

    def until(self, text: str) -> None:
        deadline = time.monotonic() + 60
        while text not in self.shown:
            assert time.monotonic() < deadline and self.process.poll() is None, self.shown
            with contextlib.suppress(OSError):
                self.shown += os.read(self.master, 4096).decode()

    def type(self, keys: str) -> None:
        self.shown = ""
        os.write(self.master, keys.encode())

    def close(self) -> int:
        code = self.process.wait(60)
        assert termios.tcgetattr(self.slave) == self.settings, "the terminal's settings are not restored"
        os.close(self.master)
        os.close(self.slave)
        return code


def test_in_a_terminal(kobza, silent_players, minute, monkeypatch, tmp_path):
    need("mpv")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    for name, hertz in (("one", 300), ("two", 900)):
        write(tmp_path / "m" / f"{name}.flac", tone(hertz, 60), title=name)
    assert kobza("index", tmp_path / "m")[0] == 0
    terminal = Terminal("play", "tone 300")
    terminal.until("q stop")
    terminal.until("1/2  ")
    assert kobza("play", "tone 300", "-k", 1, "--queue")[:2] == (0, "1 track sent to the queue of what is playing\n")
    assert "Another kobza is playing" in kobza("play", "tone 300")[2]
    terminal.type("n")
    terminal.until("2/2  ")
    terminal.type("n")
    terminal.until("3/3  ")
    terminal.type("q")
    assert terminal.close() == 0
    terminal = Terminal("play", "tone 300")
    terminal.until("1/2  ")
    terminal.type("\x03")  # Ctrl-C
    assert terminal.close() == 0
    assert kobza("play", "tone 300", "--player", "harmonica")[2].startswith("kobza: 'harmonica' is not a player")


def test_without_a_terminal_there_are_no_keys(kobza, silent_players, tmp_path):
    need("mpv")
    write(tmp_path / "m" / "short.flac", tone(300, 1), title="short")
    assert kobza("index", tmp_path / "m")[0] == 0
    code, out, err = kobza("play", "tone 300")
    assert (code, out) == (0, "") and err.endswith("1/1  short\n")
    assert no_keys(0.0) == ""
