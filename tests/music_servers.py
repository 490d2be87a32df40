"""Real music servers for tests, on free ports of this machine: Debian's mpd, and supysonic from PyPI."""

import contextlib
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import pytest
from installed import need

SECONDS_TO_ANSWER = 60
USER, PASSWORD = "ann", "a secret & more"


def free_port() -> int:
    with socket.socket() as any_port:
        any_port.bind(("127.0.0.1", 0))
        return any_port.getsockname()[1]


def wait_for(ready, process: subprocess.Popen, log: Path) -> None:
    deadline = time.monotonic() + SECONDS_TO_ANSWER
    while True:
        with contextlib.suppress(OSError):
            ready()
            return
        if process.poll() is not None or time.monotonic() > deadline:
            raise RuntimeError(f"{process.args[0]} does not answer; its last words: {log.read_text()[-2000:]}")
        time.sleep(0.05)


@contextlib.contextmanager
def running(command: list, folder: Path, ready):
    log = folder / "log"
    with open(log, "wb") as file:
        process = subprocess.Popen(command, stdout=file, stderr=file, stdin=subprocess.DEVNULL)
    try:
        wait_for(ready, process, log)
        yield
    finally:
        process.terminate()
        process.wait(SECONDS_TO_ANSWER)


@contextlib.contextmanager
def mpd_server(folder: Path, music: Path, password: str | None = None):
    """MPD, which plays into nothing, with all of `music` in its database. -> (HOST:PORT, the path of its socket)"""
    need("mpd")
    port = free_port()
    permissions = 'default_permissions "read"\n' if password else ""
    folder.mkdir()
    (folder / "playlists").mkdir()
    (folder / "mpd.conf").write_text(f"""
music_directory "{music}"
playlist_directory "{folder}/playlists"
db_file "{folder}/database"
bind_to_address "127.0.0.1"
bind_to_address "{folder}/socket"
port "{port}"
zeroconf_enabled "no"
auto_update "no"
audio_output {{
    type "null"
    name "nothing"
}}
{f'password "{password}@read,add,control,admin"' if password else ""}
{permissions}""")
    command = ["mpd", "--no-daemon", "--stderr", folder / "mpd.conf"]
    with running(command, folder, lambda: socket.create_connection(("127.0.0.1", port)).close()):
        with mpd_client(f"127.0.0.1:{port}", password) as client:
            client.update()
            while "updating_db" in client.status():
                time.sleep(0.02)
        yield f"127.0.0.1:{port}", str(folder / "socket")


@contextlib.contextmanager
def mpd_client(address: str, password: str | None = None):
    """A client of the test's own, to see what the server has."""
    import mpd

    host, _, port = address.rpartition(":")
    client = mpd.MPDClient()
    client.connect(host, int(port))
    if password:
        client.password(password)
    yield client
    client.disconnect()


FILL = """
from supysonic.config import IniConfig
from supysonic.db import Folder, init_database
from supysonic.managers.folder import FolderManager
from supysonic.managers.user import UserManager
from supysonic.scanner import Scanner
init_database(IniConfig.from_common_locations().BASE["database_uri"])
UserManager.add({user!r}, {password!r}, jukebox=True)
UserManager.add("bob", "bob")
FolderManager.add("music", {music!r})
scanner = Scanner()
scanner.queue_folder("music")
scanner.run()
"""
WEB = """
from supysonic.web import create_application
from werkzeug.serving import run_simple
run_simple("127.0.0.1", {port}, create_application(), threaded=True)
"""
JUKEBOX = "import sys, time; open(sys.argv[1], 'a').write(' '.join(sys.argv[2:]) + chr(10)); time.sleep(600)"


@contextlib.contextmanager
def supysonic(folder: Path, music: Path, jukebox: bool = False):
    """supysonic, with all of `music` in its database and one user. -> (its URL with the user, what its jukebox played)

    Its jukebox is a program that writes down what it should play: a line "OFFSET PATH".
    """
    pytest.importorskip("supysonic", reason="pip install -e '.[test]' brings supysonic")
    port = free_port()
    folder.mkdir()
    (folder / "play.py").write_text(JUKEBOX)
    # It reads its configuration from the folder in which it runs.
    (folder / "supysonic.conf").write_text(f"""
[base]
database_uri = sqlite:///{folder}/supysonic.db
[webapp]
cache_dir = {folder}/cache
log_file = {folder}/web.log
[daemon]
socket = {folder}/socket
run_watcher = no
jukebox_command = {sys.executable} {folder}/play.py {folder}/played %offset %path
""")

    def python(code: str) -> list:
        return [sys.executable, "-c", f"import os; os.chdir({str(folder)!r})\n{code}"]

    subprocess.run(python(FILL.format(user=USER, password=PASSWORD, music=str(music))), check=True)
    (folder / "web").mkdir()
    (folder / "daemon").mkdir()
    with contextlib.ExitStack() as stack:
        if jukebox:
            daemon = python("from supysonic.daemon import main; main()")
            stack.enter_context(running(daemon, folder / "daemon", lambda: (folder / "socket").stat()))
        ping = f"http://127.0.0.1:{port}/rest/ping.view?u={USER}&p=x&c=test&v=1.8.0"
        web = python(WEB.format(port=port))
        stack.enter_context(running(web, folder / "web", lambda: urllib.request.urlopen(ping, timeout=5).read()))
        yield f"http://{USER}@127.0.0.1:{port}", folder / "played"


def subsonic_client(url: str, user: str = USER, password: str = PASSWORD):
    """A client of the test's own, to see what a Subsonic server has."""
    import libsonic

    return libsonic.Connection("http://127.0.0.1", user, password, port=int(url.rpartition(":")[2]), legacyAuth=True)


def playlists(url: str) -> dict[str, list[str]]:
    """The paths of the songs in each playlist of a Subsonic server."""
    connection, found = subsonic_client(url), {}
    for one in connection.getPlaylists()["playlists"]["playlist"]:
        songs = connection.getPlaylist(one["id"])["playlist"].get("entry", [])
        found[one["name"]] = [song["path"] for song in songs]
    return found
