import os
import shutil
import tempfile
from pathlib import Path

import pytest
from recordings import tone, write

from kobza.library import Track

TRACKS = {  # path in the music folder: (title, artist, album, seconds)
    "blue/01.flac": ("Low", "Ann", "Blue", 4),
    "red/01.flac": ("High", "Ann", "Red", 4),
    "Пісні/Ой у лузі.ogg": ("Ой у лузі", "Хор", "", 5),
    "untagged.wav": ("", "", "", 3),
    'it\'s "so"\\ odd #1.flac': ('What\'s "up"\\?', "A & B", "", 3),
}
VLC = """#!/bin/sh
[ $(id -u) = 0 ] && exec setpriv --reuid 65534 --regid 65534 --clear-groups {vlc} -A dummy "$@"
exec {vlc} -A dummy "$@"
"""


@pytest.fixture(scope="session")
def music(tmp_path_factory):
    folder = tmp_path_factory.mktemp("music")
    for i, (path, (title, artist, album, seconds)) in enumerate(TRACKS.items()):
        tags = {name: value for name, value in (("title", title), ("artist", artist), ("album", album)) if value}
        write(folder / path, tone(200 + 100 * i, seconds), **tags)
    return folder


@pytest.fixture(scope="session")
def tracks():
    """The recordings of `music` as a library has them: under other paths, as if the server were another machine."""
    return [
        Track(f"/mnt/nas/{path}", title or "untagged", artist, album, duration=float(seconds))
        for path, (title, artist, album, seconds) in TRACKS.items()
    ]


@pytest.fixture(scope="session")
def minute():
    """A recording of a minute that every user can read, as tmp_path is not."""
    with tempfile.TemporaryDirectory() as name:
        os.chmod(name, 0o755)
        path = write(Path(name) / "мить №1 100%.flac", tone(300, 60), title="Minute", artist="Ann")
        path.chmod(0o644)
        yield path


@pytest.fixture
def silent_players(tmp_path, monkeypatch):
    """mpv, VLC and ffplay play into nothing, in real time."""
    (tmp_path / "mpv").mkdir()
    # With what would keep it from ending, in a user's configuration
    (tmp_path / "mpv" / "mpv.conf").write_text("ao=null\nidle=yes\nkeep-open=yes\nloop-file=inf\n")
    monkeypatch.setenv("MPV_HOME", str(tmp_path / "mpv"))
    monkeypatch.setenv("SDL_AUDIODRIVER", "dummy")
    if vlc := shutil.which("vlc"):
        (tmp_path / "bin").mkdir()
        (tmp_path / "bin" / "vlc").write_text(VLC.format(vlc=vlc))  # it refuses to be run by root
        (tmp_path / "bin" / "vlc").chmod(0o755)
        monkeypatch.setenv("PATH", f"{tmp_path}/bin{os.pathsep}{os.environ['PATH']}")
