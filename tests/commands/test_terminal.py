"""What a terminal and a pipe show: lines that fit, links, progress."""

import csv
import fcntl
import io
import json
import os
import pty
import re
import struct
import subprocess
import sys
import termios
import time
from pathlib import Path

import pytest
from recordings import tone, write
from wcwidth import strip_sequences, width

from kobza.library import Hit, Progress, Track
from kobza.library.paths import shell_word
from kobza.library.search.formats import as_json
from kobza.terminal import progress_line, progress_lines

PYTHONPATH = os.pathsep.join([str(Path(__file__).parents[1]), os.environ.get("PYTHONPATH", "")])
SCRIPT = """
import sys
from unittest.mock import patch
from recordings import ToneEmbedder
from kobza.cli import main
with patch("kobza.embedding.numpy_text_tower.TextTower.load", lambda *_: ToneEmbedder()):
    sys.exit(main(sys.argv[1:]))
"""
TITLES = (
    "月の光 ドビュッシー ベルガマスク組曲より",
    "שיר לשלום",
    "nine times the same " * 9,
    "Adagio",
    "Adagio",
    "ñ🎉",
)


@pytest.fixture
def music(kobza, tmp_path):
    for n, title in enumerate(TITLES):
        name = f"{n} {title.strip()[:40]}.flac"
        write(
            tmp_path / "m" / f"Folder {n}" / "An album" / name, tone(300 + 60 * n, 2), title=title, artist=title[::-1]
        )
    assert kobza("index", tmp_path / "m")[0] == 0
    return tmp_path / "m"


def in_a_terminal(columns: int, *argv, term: str = "xterm-256color") -> list[str]:
    """The lines that a command writes to a terminal of this width, with their escape sequences."""
    main, other = pty.openpty()
    fcntl.ioctl(other, termios.TIOCSWINSZ, struct.pack("HHHH", 50, columns, 0, 0))
    env = os.environ | {"PYTHONPATH": PYTHONPATH, "TERM": term, "TERM_PROGRAM": "", "LC_ALL": "C.UTF-8"}
    for variable in ("COLUMNS", "LINES", "NO_COLOR", "VTE_VERSION"):
        env.pop(variable, None)
    argv = [sys.executable, "-c", SCRIPT, *map(str, argv)]
    child = subprocess.Popen(argv, stdin=other, stdout=other, stderr=subprocess.DEVNULL, env=env)
    os.close(other)
    written = b""
    try:
        while part := os.read(main, 65536):
            written += part
    except OSError:  # how Linux says that the other side is closed
        pass
    finally:
        os.close(main)
        child.wait(60)
    assert child.returncode == 0
    return written.decode().split("\r\n")[:-1]


@pytest.mark.parametrize("columns", [60, 80, 120])
def test_in_a_terminal_each_hit_is_one_line_of_its_width(music, columns):
    lines = in_a_terminal(columns, "search", "tone 300")
    assert len(lines) == 1 + len(TITLES)
    plain = [strip_sequences(line) for line in lines]
    assert all(width(line) <= columns for line in plain)
    assert max(map(width, plain)) > columns - 6  # and the room is used
    links = [re.findall(r"\x1b\]8;[^;]*;([^\x1b]+)\x1b\\(.+?)\x1b\]8;;\x1b\\", line) for line in lines[1:]]
    for ((address, text),) in links:
        assert Path(music / text.split("/")[0]).parent == music and address.startswith(f"{music.as_uri()}/Folder%20")
        assert text == text.strip()


def test_the_curve_of_a_long_recording_fits(kobza, tmp_path):
    path = write(tmp_path / "long.flac", tone(300, 520))
    kobza("index", path)
    lines = in_a_terminal(50, "locate", path, "tone 300")
    assert [width(strip_sequences(line)) for line in lines[:2]] == [50, 50]


def test_a_terminal_that_may_print_the_addresses_gets_no_links(music):
    for term in ("linux", "screen.xterm-256color", "dumb"):
        assert not [line for line in in_a_terminal(80, "search", "tone 300", term=term) if "\x1b]8" in line]


def test_columns_for_which_there_is_no_room_are_named(music, monkeypatch, capsys, kobza):
    monkeypatch.setattr("kobza.commands.results.terminal_width", lambda: 30)
    _, out, err = kobza("search", "tone 300", "--columns", "title,added,duration,format,score,path")
    assert all(width(line) <= 30 for line in out.splitlines())
    assert out.splitlines()[0].split() == ["title", "added", "duration"]
    assert "The terminal is too narrow for format, score, path; widen it, or choose fewer with --columns." in err


def test_paths_for_scripts(kobza, music):
    table = json.loads(kobza("search", "tone 300", "--json")[1])
    paths = [row["path"] for row in table]
    for option, end in (("--paths", "\n"), ("-0", "\0"), ("--null", "\0")):
        assert kobza("search", "tone 300", option)[:2] == (0, "".join(path + end for path in paths))
    assert kobza("search", "tone 300", "-0", "--json")[0] == 2


@pytest.mark.parametrize("form", [[], ["--json"], ["--paths"]])
def test_a_reader_that_has_enough_is_no_error(music, form):
    reader, writer = os.pipe()
    os.close(reader)
    argv = [sys.executable, "-c", SCRIPT, "search", "tone 300", *form]
    env = os.environ | {"PYTHONPATH": PYTHONPATH}
    child = subprocess.run(argv, stdout=writer, stderr=subprocess.PIPE, env=env)
    os.close(writer)
    assert child.returncode == 0 and b"rror" not in child.stderr


@pytest.mark.parametrize(("output", "code"), [(">&-", 0), (">/dev/full", 1)])
def test_an_output_that_takes_nothing(music, output, code):
    """A program that closed its output, or one on a full disk, gets no internal error."""
    env = os.environ | {"PYTHONPATH": PYTHONPATH}
    argv = ["bash", "-c", f'"$0" -c "$1" search "tone 300" {output}', sys.executable, SCRIPT]
    child = subprocess.run(argv, stderr=subprocess.PIPE, text=True, env=env)
    assert child.returncode == code and "internal error" not in child.stderr
    assert ("its disk is full; write it elsewhere." in child.stderr) == (code == 1)


def test_nothing_found_is_code_1_in_every_form(kobza, music):
    for option in ([], ["--json"], ["--m3u"], ["--paths"], ["-0"]):
        code, out, err = kobza("search", "tone 300", "--where", "year = 1700", *option)
        assert code == 1 and "No track passes the filter" in err
        assert out == {"--json": "[]\n", "--m3u": "#EXTM3U\n"}.get("".join(option), "")


def test_json_has_iso_dates_and_lists():
    hit = Hit(0.5, Track("/a.mp3", genre="Jazz; Blues", artist="Ann", added=1.7e9), 0.0)
    (row,) = json.loads(as_json([hit]))
    assert row["genres"] == ["Jazz", "Blues"] and row["artists"] == ["Ann"] and row["composers"] == []
    assert re.fullmatch(r"2023-11-1\dT\d\d:\d\d:20[+-]\d\d:\d\d", row["added"])
    (row,) = json.loads(as_json([Hit(0.5, Track("/a.mp3"), 0.0)]))
    assert row["added"] is None and row["genres"] == []


def test_info_as_json(kobza, music, tmp_path):
    described = json.loads(kobza("info", "--json")[1])
    assert described["folders"] == [str(music)] and described["tracks"] == len(TITLES)
    assert described["library"] == str(tmp_path / "library") and described["fingerprint"]


def test_export_writes_csv_under_that_name_and_refuses_others(kobza, music, tmp_path):
    assert kobza("library", "export", tmp_path / "a.csv")[:2] == (0, f"{len(TITLES)} tracks exported\n")
    with open(tmp_path / "a.csv", encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert {row["title"] for row in rows} == {" ".join(title.split()) for title in TITLES}
    assert all(Path(row["path"]).is_file() and row["added"].startswith("20") and row["bpm"] == "" for row in rows)
    assert "exists already" in kobza("library", "export", tmp_path / "a.csv")[2]
    code, _, err = kobza("library", "export", tmp_path / "a.txt")
    assert code == 1 and "ends in neither .parquet nor .csv" in err and not (tmp_path / "a.txt").exists()


def test_locating_in_an_indexed_track_loads_no_model(kobza, music, monkeypatch):
    def refuse(*_):
        raise AssertionError("the model is loaded")

    monkeypatch.setattr("kobza.embedding.engine.EngineEmbedder.load", refuse)
    path = next(music.rglob("*.flac"))
    assert kobza("locate", path, "tone 300")[0] == 0


def test_how_a_description_was_read_is_said(kobza, music):
    code, _, err = kobza("search", "tone 300", "without drums")
    assert code == 0 and "Searched for music without: drums" in err
    assert "Searched" not in kobza("search", "tone 300", "-drums")[2]
    track = next(music.rglob("*.flac"))
    for command in (("similar", track, "--but", "tone 400, no drums"), ("locate", track, "tone 400, no drums")):
        code, _, err = kobza(*command)
        assert code == 0 and "Searched for music without: drums" in err


def test_paths_in_advice_can_be_pasted():
    for name in ("/a b/c's.mp3", '/a"$x`\\ .mp3', "/a\n\x1b[31m\\n'.mp3", os.fsdecode(b"/\xff\\'.mp3")):
        echo = subprocess.run(["bash", "-c", f"printf %s {shell_word(name)}"], capture_output=True, check=True)
        assert echo.stdout == os.fsencode(name)


def test_progress_without_a_terminal_is_a_line_now_and_then():
    stream = io.StringIO()
    with progress_lines("looking for changes", stream, interval=0.05) as update:
        time.sleep(0.13)
        update(Progress.of_stage("loading the model kobza-mini"))
        time.sleep(0.13)
        update(Progress(30, 120, 0.25, "/a.mp3"))
        time.sleep(0.13)
    lines = stream.getvalue().splitlines()
    assert lines[0] == "looking for changes" and "loading the model kobza-mini" in lines
    assert re.fullmatch(r"30/120 \(25%\), about \d s left", lines[-1]) and len(lines) < 12
    time.sleep(0.1)
    assert stream.getvalue().splitlines() == lines  # it ends with the work


def test_what_is_done_soon_writes_no_progress(kobza, music):
    assert kobza("sync")[2] == ""


def test_the_remaining_time():
    assert progress_line(Progress(30, 120, 0.25, ""), 600) == "30/120 (25%), about 30 min left"
    assert progress_line(Progress(0, 120, 0.0, ""), 600) == "0/120 (0%)"


def test_loading_the_model_is_named_before_it_is_loaded(tmp_path, monkeypatch):
    from recordings import ToneEmbedder

    from kobza.library import MusicLibrary

    seen = []

    def load(name):
        seen.append(f"loads {name}")
        return ToneEmbedder()

    monkeypatch.setattr("kobza.embedding.loader.load_embedder", load)
    write(tmp_path / "m" / "a.wav", tone(300, 1))
    with MusicLibrary.open(tmp_path / "l", "my/model") as library:
        library.add(tmp_path / "m", lambda now: seen.append(now.stage))
        library.add(tmp_path / "m", lambda now: seen.append(now.stage))
    assert seen[:2] == ["loading the model my/model", "loads my/model"] and seen.count(seen[0]) == 1
