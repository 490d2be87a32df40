import dataclasses
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from recordings import ToneEmbedder, replace_checkpoint, tone, write

from kobza.cli import main
from kobza.library import Track

PYTHONPATH = os.pathsep.join([str(Path(__file__).parents[1]), os.environ.get("PYTHONPATH", "")])


@pytest.fixture
def music(tmp_path):
    write(tmp_path / "music" / "low.mp3", tone(200, 4), title="Low [red]", artist="Ann")
    write(tmp_path / "music" / "sub" / "high.flac", tone(3000, 75), title="High", artist="Bob")
    return tmp_path / "music"


def test_from_a_folder_to_results(kobza, music, tmp_path):
    assert kobza("index", music)[:2] == (0, "2 added, 0 changed, 0 unchanged, 0 moved, 0 removed, 0 failed\n")
    code, out, _ = kobza("search", "tone", "3000", "-k", 2)
    head, first, second = out.splitlines()
    assert code == 0 and head.split() == ["score", "match", "title", "artist", "moment", "path"]
    assert "High" in first and "Bob" in first and str(music / "sub" / "high.flac") in first
    assert "Low [red]" in second and " 0:00 " in second
    assert len(kobza("search", "tone 3000", "-k", 1)[1].splitlines()) == 2

    code, out, _ = kobza("similar", music / "low.mp3")
    assert code == 0 and "high.flac" in out and "low.mp3" not in out
    assert kobza("sync")[:2] == (0, "0 added, 0 changed, 2 unchanged, 0 moved, 0 removed, 0 failed\n")
    code, out, _ = kobza("info")
    assert code == 0
    for part in (str(tmp_path / "library"), "2 (0.0 hours, 9 windows)", "tone-embedder-fingerprint", str(music)):
        assert part in out
    assert kobza("remove", music / "sub")[:2] == (0, "1 removed\n")
    assert kobza("--help")[0] == 0


def test_moment_is_minutes_and_seconds(kobza, tmp_path):
    import numpy as np

    write(tmp_path / "m" / "a.flac", np.concatenate([tone(300, 70), tone(3000, 10)]))
    kobza("index", tmp_path / "m")
    assert " 1:10 " in kobza("search", "tone 3000")[1]


def test_json(kobza, music):
    kobza("index", music)
    code, out, _ = kobza("search", "tone 200", "--json")
    rows = json.loads(out)
    assert code == 0 and len(rows) == 2
    assert rows[0]["path"] == str(music / "low.mp3") and rows[0]["title"] == "Low [red]" and rows[0]["moment"] == 0
    fields = {field.name for field in dataclasses.fields(Track)}
    more = {
        "score",
        "moment",
        "strength",
        "match",
        "available",
        "sound",
        "words",
        "copies",
        "artists",
        "composers",
        "genres",
    }
    assert set(rows[0]) == more | fields
    assert rows[0]["score"] > rows[1]["score"]


def test_m3u_with_names_of_every_kind(kobza, tmp_path):
    folder = os.fsencode(tmp_path / "m")
    write(tmp_path / "m" / "plain.flac", tone(440, 2), title="T", artist="A")
    for i, name in enumerate((b"\xff.flac", b"two\nlines.flac")):
        data = write(tmp_path / "other.flac", tone(1000 + 1500 * i, 2), title="T", artist="A").read_bytes()
        with open(os.path.join(folder, name), "wb") as file:
            file.write(data)
    kobza("index", tmp_path / "m")
    # Through a real pipe, under a locale without UTF-8: the playlist is UTF-8 all the same.
    script = """
import sys
from unittest.mock import patch
from recordings import ToneEmbedder
from kobza.cli import main
with patch("kobza.embedding.numpy_text_tower.TextTower.load", lambda *_: ToneEmbedder()):
    sys.exit(main(["search", "tone 440", "--m3u"]) or main(["search", "tone 440"]))
"""
    env = os.environ | {"PYTHONPATH": PYTHONPATH, "LC_ALL": "C", "PYTHONIOENCODING": "ascii"}
    lines = subprocess.run([sys.executable, "-c", script], capture_output=True, check=True, env=env).stdout.splitlines()
    assert lines[0] == b"#EXTM3U" and lines[1:7:2] == [b"#EXTINF:2,A - T"] * 3
    quoted = {b"file://" + os.path.join(folder, name) for name in (b"two%0Alines.flac", b"%FF.flac")}
    assert set(lines[2:7:2]) == {os.path.join(folder, b"plain.flac"), *quoted}
    table = b"\n".join(lines[7:])
    assert len(lines) == 11 and rb"two\nlines.flac" in table and rb"\xff.flac" in table


def test_failed_files_are_named(kobza, music):
    (music / "words.mp3").write_text("no music " * 100)
    code, out, err = kobza("index", music)
    assert code == 0 and out.endswith("1 failed\n")
    assert f"failed: {music / 'words.mp3'} cannot be read as a recording" in err


@pytest.mark.parametrize(
    ("argv", "sentence"),
    [
        (["search", "x"], "There is no library at"),
        (["similar", "x.mp3"], "There is no library at"),
        (["info"], "There is no library at"),
        (["index", "/nowhere/at/all"], "/nowhere/at/all cannot be read"),
        (["sync"], "No folder has been added"),
        (["remove", "/nowhere"], "The library has no track there"),
        (["index", "/dev/null"], "neither a file nor a folder"),
        (["index", "{tmp}", "--library", "/dev/null/x"], "kobza: "),
    ],
)
def test_errors(kobza, tmp_path, argv, sentence):
    code, _, err = kobza(*[word.format(tmp=tmp_path) for word in argv])
    assert code == 1 and sentence in err and err.count("\n") <= 2


def test_more_errors(kobza, music, tmp_path):
    code, _, err = kobza("index", tmp_path / "music" / "..", "--library", tmp_path / "l2")
    assert code == 0
    (tmp_path / "empty").mkdir()
    code, _, err = kobza("index", tmp_path / "empty")
    assert code == 1 and "No recordings were found" in err
    code, _, err = kobza("search", "tone 3")
    assert code == 1 and "The library is empty; fill it with: kobza index FOLDER" in err
    kobza("index", music / "low.mp3")
    assert kobza("search", " ")[0] == 1 and "description is empty" in kobza("search", " ")[2]
    assert "no other track" in kobza("similar", music / "low.mp3")[2]
    for wrong in (["search"], ["search", "x", "-k", "0"], ["search", "x", "-k", "two"], ["sing"], []):
        assert kobza(*wrong)[0] == 2
    code, _, err = kobza("index", music, "--library", music / "low.mp3")
    assert code == 1 and "cannot be opened" in err


def test_another_model_is_an_error_message(kobza, music, monkeypatch):
    kobza("index", music)
    replace_checkpoint(monkeypatch, lambda: ToneEmbedder(fingerprint="other"))
    code, _, err = kobza("search", "tone 200")
    assert code == 1 and "was made with tone-embedder" in err and "--library" in err


def test_a_missing_model_is_an_error_message(tmp_path, music, capsys):
    code = main(["index", str(music), "--library", str(tmp_path / "l"), "--model", str(tmp_path / "absent")])
    assert code == 1 and "absent" in capsys.readouterr().err


def test_interrupted(tmp_path, music):
    """Ctrl-C, as a terminal sends it: a message, and what was embedded is stored."""
    script = """
import sys, time
from unittest.mock import patch
from recordings import ToneEmbedder
from kobza.cli import main
class Slow(ToneEmbedder):
    def embed_windows(self, samples):
        if self.windows_embedded:
            print("embedding", flush=True)
            time.sleep(600)
        return super().embed_windows(samples)
with patch("kobza.embedding.engine.EngineEmbedder.load", lambda *_: Slow()):
    sys.exit(main(sys.argv[1:]))
"""
    write(music / "long.flac", tone(500, 300, level=0.1))
    env = os.environ | {"PYTHONPATH": PYTHONPATH, "KOBZA_LIBRARY": str(tmp_path / "library")}
    argv = [sys.executable, "-c", script, "index", str(music)]
    child = subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=env)
    assert child.stdout.readline() == "embedding\n"
    child.send_signal(signal.SIGINT)
    try:
        _, err = child.communicate(timeout=120)
    finally:
        child.kill()
    assert child.returncode == 130
    assert "Stopped. Finished tracks are stored" in err and "Traceback" not in err


def test_the_real_checkpoint_on_the_command_line(tiny_checkpoint, music, tmp_path, capsys):
    common = ["--library", str(tmp_path / "l"), "--model", tiny_checkpoint]
    assert main(["index", str(music), *common]) == 0
    assert main(["search", "slow sad piano", *common]) == 0
    out = capsys.readouterr().out
    assert "low.mp3" in out and "high.flac" in out
