import hashlib
import sys

import pytest
from file_server import Files

from kobza.distill.corpus import downloads
from kobza.distill.corpus.downloads import Download, fetch_file, fetch_soundfonts, fetch_taggers


@pytest.fixture
def server():
    with Files({"/weights.pt": b"weights " * 1000}) as server:
        yield server


def test_a_file_is_downloaded_once(server, tmp_path):
    weights = Download("w.pt", f"{server.url}/weights.pt", hashlib.sha256(b"weights " * 1000).hexdigest())
    path = fetch_file(weights, tmp_path / "new")
    assert path.read_bytes() == b"weights " * 1000
    assert fetch_file(weights, tmp_path / "new") == path
    assert server.asked == ["/weights.pt"]


def test_a_file_that_was_put_there_is_used(tmp_path):
    (tmp_path / "w.pt").write_bytes(b"by hand")
    assert fetch_file(Download("w.pt", "http://127.0.0.1:1/w.pt"), tmp_path).read_bytes() == b"by hand"


@pytest.mark.parametrize(
    ("path", "sha256", "sentence"),
    [
        ("/gone.pt", None, "gone.pt could not be downloaded .*404"),
        ("/weights.pt", "0" * 64, "is not the file that it was"),
        ("/cut.pt", None, "ended after 500 of 1000 bytes|could not be downloaded"),
    ],
)
def test_what_is_not_the_file_is_an_error_and_leaves_nothing(server, tmp_path, path, sha256, sentence):
    server.files["/cut.pt"] = bytes(1000)
    server.cut.add("/cut.pt")
    with pytest.raises(OSError, match=sentence):
        fetch_file(Download("w.pt", server.url + path, sha256), tmp_path)
    assert not list(tmp_path.iterdir())


def test_no_server_is_an_error_of_one_sentence(tmp_path):
    with pytest.raises(OSError, match=r"http://127.0.0.1:1/w.pt could not be downloaded .*refused"):
        fetch_file(Download("w.pt", "http://127.0.0.1:1/w.pt"), tmp_path)


def test_the_taggers_wheel_is_downloaded_and_not_installed(tmp_path, monkeypatch):
    commands = []

    def pip(command, check):
        commands.append(command)
        (tmp_path / "musicnn-0.1.0-py3-none-any.whl").write_bytes(b"")

    monkeypatch.setattr(downloads.subprocess, "run", pip)
    wheel = fetch_taggers(tmp_path)
    assert fetch_taggers(tmp_path) == wheel
    assert len(commands) == 1 and commands[0][:4] == [sys.executable, "-m", "pip", "download"]
    assert {"--no-deps", "musicnn==0.1.0"} <= set(commands[0])


def test_the_packages_soundfonts_are_found(tmp_path):
    for name in ("fluid-soundfont-gm/usr/share/F.sf2", "timgm6mb-soundfont/T.sf2"):
        (tmp_path / name).parent.mkdir(parents=True)
        (tmp_path / name).write_bytes(b"")
    (tmp_path / "timgm6mb-soundfont/default.sf2").symlink_to("T.sf2")
    (tmp_path / "musescore-general-soundfont-small/M.sf3").parent.mkdir()
    (tmp_path / "musescore-general-soundfont-small/M.sf3").write_bytes(b"")
    assert [path.name for path in fetch_soundfonts(tmp_path)] == ["F.sf2", "T.sf2", "M.sf3"]
