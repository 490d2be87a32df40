"""The players of this machine: how to start mpv, VLC and ffplay on one recording, from a moment of it."""

import shutil
import signal
import subprocess
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import IO

from kobza.errors import KobzaError
from kobza.library.search.entries import Entry
from kobza.library.search.m3u import file_url, seconds

LOCAL_PLAYERS = ("mpv", "vlc", "ffplay")  # the first that is installed is used
SECONDS_TO_STOP = 5  # after which a player is killed


class PlayerError(KobzaError):
    """A player or a server that is not there, or that refuses what it is asked. The message says what to do."""


def find_player(name: str | None = None, which: Callable[[str], str | None] = shutil.which) -> str:
    """The player `name`, or the first one that is installed.

    Raises:
        PlayerError: it is not installed, or none is.

    >>> find_player(which={"vlc": "/usr/bin/vlc", "ffplay": "/usr/bin/ffplay"}.get)
    'vlc'
    """
    if name is not None:
        if which(name) is None:
            raise PlayerError(f"The player {name} is not installed; install it, or name another one with --player.")
        return name
    for player in LOCAL_PLAYERS:
        if which(player) is not None:
            return player
    raise PlayerError(
        "No player is installed; install mpv, VLC or ffplay (a part of FFmpeg), or play on a server with --mpd or "
        "--subsonic."
    )


def player_command(player: str, entry: Entry) -> list[str]:
    """The command that plays an entry without a window, and ends with it.

    >>> from kobza.library.records import Track
    >>> player_command("ffplay", Entry(Track("/music/a.mp3"), start=70.0))
    ['ffplay', '-nodisp', '-autoexit', '-vn', '-loglevel', 'error', '-ss', '70', '/music/a.mp3']
    """
    path, end = entry.track.file, entry.end
    if player == "mpv":
        # A user's configuration may say otherwise, and the command would not end, or begin where the last one stopped.
        keep = ("--idle=no", "--keep-open=no", "--loop-file=no", "--loop-playlist=no", "--resume-playback=no")
        options = [
            "--video=no",
            "--input-terminal=no",
            "--msg-level=all=error",
            *keep,
            f"--start={seconds(entry.start)}",
        ]
        return ["mpv", *options, *([] if end is None else [f"--end={seconds(end)}"]), "--", path]
    if player == "vlc":
        options = ["--intf=dummy", "--no-video", "--no-loop", "--no-repeat", "--play-and-exit"]
        options.append(f"--start-time={seconds(entry.start)}")
        return ["vlc", *options, *([] if end is None else [f"--stop-time={seconds(end)}"]), file_url(path)]
    options = ["-nodisp", "-autoexit", "-vn", "-loglevel", "error", "-ss", seconds(entry.start)]
    return ["ffplay", *options, *([] if end is None else ["-t", seconds(end - entry.start)]), path]


@dataclass
class Playing:
    """A running player. It has no terminal: Kobza reads the keys, which are the same for every player."""

    process: subprocess.Popen[bytes]
    location: str
    messages: IO[bytes] = field(repr=False)

    @classmethod
    def start(cls, command: Sequence[str]) -> "Playing":
        """Run a `player_command`. PlayerError: it cannot be run."""
        messages = tempfile.TemporaryFile()  # noqa: SIM115 - open as long as the player
        try:
            process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=messages, stderr=messages)
        except OSError as error:
            messages.close()
            raise PlayerError(f"The player {command[0]} cannot be started ({error.strerror}).") from error
        return cls(process, command[-1], messages)

    def is_over(self) -> bool:
        return self.process.poll() is not None

    def pause(self, paused: bool) -> None:
        """Every player can be paused so, without a way to talk to it: its process is halted."""
        self.process.send_signal(signal.SIGSTOP if paused else signal.SIGCONT)

    def stop(self) -> None:
        self.process.terminate()
        self.process.send_signal(signal.SIGCONT)  # a halted process would not notice
        try:
            self.process.wait(SECONDS_TO_STOP)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()

    def failure(self) -> str | None:
        """Of a player that ended by itself: its last message, if it could not play the recording.

        VLC and ffplay succeed all the same, but name the recording in a message. (VLC is silent about damaged ones.)
        """
        self.messages.seek(0)
        lines = self.messages.read().decode(errors="replace").strip().splitlines()
        if self.process.returncode:
            return lines[-1].strip() if lines else f"exit code {self.process.returncode}"
        return next((line.strip() for line in lines if self.location in line), None)
