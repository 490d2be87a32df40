"""What a listener does, in one process, on a few recordings: `python listening.py FOLDER all`, or `some` of it.

After each step none of torch, torchaudio, transformers may have been imported; `sitecustomize` beside this sees to the
processes that are started.
"""

import contextlib
import io
import os
import shutil
import signal
import subprocess
import sys
import urllib.parse
from pathlib import Path
from unittest.mock import patch

TESTS = Path(__file__).resolve().parents[1]
sys.path += [str(TESTS), str(TESTS / "library"), str(TESTS / "webui")]

from milvus_servers import milvus_lite  # noqa: E402
from recordings import write  # noqa: E402
from requesting import get, post  # noqa: E402
from sitecustomize import NAMES  # noqa: E402

from kobza.cli import main  # noqa: E402
from kobza.synth.album import write_album  # noqa: E402
from kobza.synth.pieces import album  # noqa: E402
from kobza.synth.renderer import render  # noqa: E402

RATE = 16000
MODEL = TESTS.parent / "hub" / "kobza-mini"
TITLES = {"Rain on the Window": "Piano", "Swallows": "Folk", "Sticks": "Jazz", "Night Shift": "Techno"}


def kobza(*words: object, code: int = 0) -> str:
    """Run a command that ends with this exit code; what it printed."""
    argv = [str(word) for word in words]
    printed = io.TextIOWrapper(io.BytesIO(), "utf-8", write_through=True)
    with contextlib.redirect_stdout(printed), contextlib.redirect_stderr(printed):
        try:
            left = main(argv)
        except SystemExit as leaving:
            left = leaving.code
    said = printed.buffer.getvalue().decode()
    assert left == code, f"kobza {' '.join(argv)}: exit code {left}: {said}"
    check(" ".join(argv))
    return said


def check(step: str) -> None:
    assert not (imported := [name for name in NAMES if name in sys.modules]), f"{step} imports {imported}"


def find_music(music: Path, home: Path) -> None:
    assert "4 added" in kobza("index", music, "--analyze")
    track = music / "Sticks.flac"
    for options in ([], ["--json"], ["--m3u"], ["--explain"], ["--by", "moment"], ["--where", "genre = jazz"]):
        assert "Sticks" in kobza("search", "fast drums", *options)
    assert "Sticks" in kobza("search", "sticks", "--match", "tags")
    assert "Sticks" not in kobza("similar", track, "--but", "calmer", "-k", 2)
    unknown = write(home / "unknown.wav", render(album()[7], RATE))
    kobza("similar", unknown)
    kobza("locate", track, "drums", "--png", home / "curve.png")
    kobza("playlist", "save", "calm", "calm piano", "--file", home / "calm.m3u8")
    assert "calm" in kobza("playlist", "list")
    assert "Techno" in kobza("values", "genre") and "Swallows" in kobza("list", "--sort", "title")
    assert "Sticks" in kobza("play", "fast drums", "-k", 1, "--player", "mpv") + (home / "played").read_text()


def keep_library(music: Path, home: Path) -> None:
    assert "Rain" in kobza("search", "повільне сумне піаніно", "-k", 1)  # by kobza[languages]
    kobza("playlist", "--from", "sticks", "--to", "swallows", "-k", 3, "--smooth", "tempo,key")
    assert "4 (0.0 hours" in kobza("info")
    shutil.copy(music / "Sticks.flac", music / "Sticks again.flac")
    assert "1 added" in kobza("sync")
    assert "Sticks again" in kobza("duplicates")
    kobza("exclude", music / "Sticks again.flac")
    kobza("remove", music / "Swallows.flac")
    kobza("undo")
    kobza("library", "check")
    kobza("library", "repair")
    for name in ("tracks.parquet", "tracks.csv"):
        kobza("library", "export", home / name)
    kobza("library", "import", home / "tracks.parquet", "--library", home / "imported")
    kobza("library", "copy", home / "imported", home / "copied")
    kobza("reindex", "--library", home / "copied")
    kobza("config", "set", "k", 5)
    kobza("config")
    kobza("completion", "bash")


def try_and_evaluate(home: Path) -> None:
    with patch("kobza.library.demo.write_album", lambda folder: write_album(folder, album()[:3])):
        assert "ranked a correct piece first" in kobza("demo", "--folder", home / "demo")
    pairs = home / "demo" / "album"
    assert "R@1" in kobza("evaluate", MODEL, "--on", f"pairs:{pairs}", "--receipt", home / "result.json")


def watch(music: Path) -> None:
    command = [sys.executable, "-u", "-m", "kobza", "watch"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as watching:
        said = []
        write(music / "new.flac", render(album()[5], RATE))
        for line in watching.stdout:
            said.append(line)
            if line.startswith("added"):
                break
        watching.send_signal(signal.SIGINT)
        said += watching.stdout
    assert any("new.flac" in line for line in said), said


def use_milvus(music: Path, home: Path) -> None:
    (home / "milvus").mkdir()
    with milvus_lite(home / "milvus") as address:
        kobza("index", music, "--library", f"{address}/tested")
        assert "Sticks" in kobza("search", "fast drums", "--library", f"{address}/tested")


def open_page(music: Path) -> None:
    from kobza.webui.app import launch
    from kobza.webui.collection import open_collection

    page = launch(open_collection(None, None))
    try:

        def ask(path: str, **values: object):
            answer = get(f"{page.local_url}{path}?{urllib.parse.urlencode(values)}")
            assert answer.status == 200, (path, answer.text)
            return answer

        assert "Kobza" in ask("").text
        found = ask("api/search", q="fast drums").json["hits"]
        assert found[0]["track"]["title"] == "Sticks"
        clip = get(f"{page.local_url}api/clips?name=a.flac", (music / "Swallows.flac").read_bytes(), "POST").json[
            "clip"
        ]
        assert ask("api/similar", clip=clip).json["hits"]
        assert ask(f"api/clips/{clip}/tags", labels="flute, drums").json[0][0] == "flute"
        ask("api/map")
        assert post(f"{page.local_url}api/search", {}).status == 405
    finally:
        page.close()
    check("the page")


def run(home: Path, how_much: str) -> None:
    player = home / "bin" / "mpv"
    player.parent.mkdir()
    player.write_text(f'#!/bin/sh\necho "$@" >> {home}/played\n')
    player.chmod(0o755)
    os.environ |= {
        "PATH": f"{player.parent}{os.pathsep}{os.environ['PATH']}",
        "KOBZA_LIBRARY": str(home / "library"),
        "XDG_CONFIG_HOME": str(home / "config"),
        "XDG_CACHE_HOME": str(home / "cache"),
        "no_proxy": "127.0.0.1",
    }
    pieces = {piece.title: piece for piece in album()}
    for title, genre in TITLES.items():
        write(home / "music" / f"{title}.flac", render(pieces[title], RATE), title=title, genre=genre)
    find_music(home / "music", home)
    if how_much == "all":
        keep_library(home / "music", home)
        try_and_evaluate(home)
        watch(home / "music")
        use_milvus(home / "music", home)
    open_page(home / "music")


if __name__ == "__main__":
    run(Path(sys.argv[1]), sys.argv[2])
