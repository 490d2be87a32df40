"""A listener's evening, as commands over a small tagged library with the shipped checkpoint: index, search, filter,
compare, play, and send to where music plays (Debian's mpd and supysonic run)."""

import contextlib
import io
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from music_servers import PASSWORD, mpd_client, mpd_server, playlists, supysonic
from recordings import write
from wcwidth import strip_sequences, width

from kobza.cli import main
from kobza.library.calibration import match_label
from kobza.players.queue import PlayQueue
from kobza.synth.pieces import album
from kobza.synth.renderer import render

RATE = 16000
# title of a made piece: (its file, artist, album, genre, year)
TAGGED = {
    "Rain on the Window": ("Ann/Quiet/01.flac", "Ann Hill", "Quiet", "Classical; Piano", 1985),
    "Morning Run": ("Ann/Quiet/02.mp3", "Ann Hill", "Quiet", "Classical; Piano", 1985),
    "Slow River": ("Ann/Strings/01.ogg", "Ann Hill", "Strings", "Classical", 1991),
    "Swallows": ("Doug/Swallows.m4a", "Doug Kaufman", "Birds", "Folk", 2004),
    "Sticks": ("Doug/Sticks.wav", "Doug Kaufman; Bo", "Birds", "Jazz", 2004),
    "Iron Weather": ("Ferrum/Iron Weather.wma", "Ferrum", "Weather", "Heavy Metal", 1986),
    "Night Shift": ("Ferrum/Night Shift.mp3", "Ferrum", "Weather", "Techno", 1999),
}
PARTS = ("Last Bus", "The Tin Teapot")  # of one file with a cue sheet
COUNT = len(TAGGED) + len(PARTS) + 2  # and two copies
SHEET = """PERFORMER "The Buskers"
TITLE "Live"
FILE "live.flac" WAVE
  TRACK 01 AUDIO
    TITLE "Last Bus"
    INDEX 01 00:00:00
  TRACK 02 AUDIO
    TITLE "The Tin Teapot"
    INDEX 01 00:14:00
"""


@pytest.fixture(scope="module")
def music(tmp_path_factory):
    """The folder of music, indexed into the default library of a user without any settings."""
    home = tmp_path_factory.mktemp("listener")
    pieces = {piece.title: piece for piece in album()}
    sound = {title: render(pieces[title], RATE) for title in (*TAGGED, *PARTS)}
    for title, (path, artist, name, genre, year) in TAGGED.items():
        tags = {"title": title, "artist": artist, "album": name, "genre": genre, "date": year}
        write(home / "m" / path, sound[title], **tags)
    shutil.copy(home / "m/Ann/Quiet/01.flac", home / "m/Ann/Quiet/01 (1).flac")
    write(home / "m/Old phone/rain.mp3", sound["Rain on the Window"], title="Rain on the Window", artist="Ann Hill")
    assert pieces["Last Bus"].seconds == 14.0
    write(home / "m/Live/live.flac", np.concatenate([sound[title] for title in PARTS], axis=1))
    (home / "m/Live/live.cue").write_text(SHEET)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("KOBZA_LIBRARY", str(home / "library"))
        patch.setenv("XDG_CONFIG_HOME", str(home / "config"))
        patch.setenv("no_proxy", "127.0.0.1")
        for variable in ("MPD_HOST", "MPD_PORT", "COLUMNS"):
            patch.delenv(variable, raising=False)
        printed = io.StringIO()
        with contextlib.redirect_stdout(printed):
            assert main(["index", str(home / "m"), "--analyze"]) == 0
        assert printed.getvalue().startswith(f"{COUNT} added, 0 changed, 0 unchanged")
        yield home / "m"


@pytest.fixture
def kobza(music, capsysbinary):
    """Runs a command: (exit code, output, errors)."""

    def run(*argv) -> tuple[int, str, str]:
        capsysbinary.readouterr()
        try:
            code = main([str(word) for word in argv])
        except SystemExit as leaving:  # argparse, at wrong usage
            code = leaving.code
        out, err = (part.decode() for part in capsysbinary.readouterr())
        assert "Traceback" not in err
        return code, out, err

    return run


@pytest.fixture
def found(kobza):
    """Runs a command with --json: its rows."""
    return lambda *argv: json.loads(kobza(*argv, "--json")[1])


@pytest.fixture
def titles(found):
    return lambda *argv: [row["title"] for row in found(*argv)]


@pytest.mark.parametrize(
    "query",
    [
        "Swallows",
        "swalows",  # a letter is missing
        "Doug Kaufman folk",
        "kaufmann swal",
        "folk",
        "solo flute melody",  # by the sound: no tag says so
    ],
)
def test_one_track_by_title_artist_genre_spelling_and_sound(titles, query):
    assert titles("search", query)[0] == "Swallows"


def test_sound_tags_or_both_and_why(kobza, found, titles):
    assert set(titles("search", "heavy metal", "--match", "tags")) == {"Iron Weather"}
    assert titles("search", "flute", "--match", "sound")[0] == "Swallows"
    code, _, err = kobza("search", "flute", "--match", "tags")
    assert code == 1 and "No tag or file name has a word of this query" in err
    both = found("search", "Ann Hill slow sad piano")
    assert both[0]["title"] == "Rain on the Window" and {"artist", "genre"} == {
        word["field"] for word in both[0]["words"]
    }
    code, _, err = kobza("search", "kaufman drums", "-k", 1, "--explain")
    assert code == 0 and "1. Sticks: kaufman in artist; the sound is a" in err


@pytest.mark.parametrize(
    "argv",
    [
        ("slow sad piano",),
        ("drums -piano",),
        ("Kaufman",),
        ("fast drum solo", "--by", "moment"),
        ("kettle", "--match", "sound"),
    ],
)
def test_one_scale(found, argv):
    rows = found("search", *argv)
    scores = [row["score"] for row in rows]
    assert len(rows) > 1 and scores == sorted(scores, reverse=True)
    assert [row["match"] for row in rows] == [match_label(score) for score in scores]


def test_that_nothing_fits_does_not_depend_on_k(kobza):
    for query, is_said in (("a kettle coming to the boil", True), ("slow sad piano", False)):
        for k in (1, 3, 50):
            assert ("No track is a good match" in kobza("search", query, "-k", k)[2]) is is_said


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize("columns", [60, 80])
def test_a_terminal_has_one_line_a_track(kobza, monkeypatch, columns):
    monkeypatch.setenv("COLUMNS", str(columns))
    monkeypatch.setenv("TERM", "xterm-256color")
    with contextlib.redirect_stdout(Terminal()) as shown:
        assert main(["search", "slow sad piano"]) == 0
    head, *lines = shown.getvalue().splitlines()
    assert len(lines) == COUNT - 2 and all(width(strip_sequences(line)) <= columns for line in (head, *lines))
    assert "Rain" in lines[0] and " +2 " in lines[0]
    assert all("\x1b]8;;file:///" in line for line in lines)


def test_columns_and_paths_for_scripts(kobza, music):
    code, out, _ = kobza("search", "Swallows", "-k", 1, "--columns", "title,artist,year,format")
    assert code == 0 and out.split("\n")[1].split() == ["Swallows", "Doug", "Kaufman", "2004", "aac"]
    assert kobza("search", "Swallows", "-k", 1, "-0")[1] == f"{music}/Doug/Swallows.m4a\0"
    code, _, err = kobza("search", "Swallows", "--columns", "titel")
    assert code == 2 and "title" in err


@pytest.mark.parametrize(
    ("where", "expected"),
    [
        ("genre = piano", {"Rain on the Window", "Morning Run"}),  # the second of two genres
        ("artist = bo", {"Sticks"}),
        ("genre ~ metal", {"Iron Weather"}),
        ("year 1980s and album != quiet", {"Iron Weather"}),
        ("year 1990..1999", {"Slow River", "Night Shift"}),
        ("genre in (jazz, folk) and format = aac", {"Swallows"}),
        ("path under '{music}/Live'", set(PARTS)),
    ],
)
def test_filters(titles, music, where, expected):
    where = where.format(music=music)
    assert set(titles("list", "--where", where)) == set(titles("search", "music", "--where", where)) == expected


def test_list_values_and_the_nearest_value(kobza, titles):
    assert titles("list", "--where", "year >= 1999", "--sort", "year-")[-1] == "Night Shift"
    counted = {row["value"]: row["tracks"] for row in json.loads(kobza("values", "genre", "--json")[1])}
    assert counted["Classical"] == 4 and counted["Piano"] == 3 and counted["Heavy Metal"] == 1
    code, _, err = kobza("list", "--where", "genre = clasical")
    assert code == 1 and 'the nearest is "Classical"' in err


def test_copies_and_too_much_of_one(kobza, found, music):
    groups = json.loads(kobza("duplicates", "--json")[1])
    files = [str(music / path) for path in ("Ann/Quiet/01 (1).flac", "Ann/Quiet/01.flac", "Old phone/rain.mp3")]
    assert [sorted(group) for group in groups] == [files]
    best = found("search", "Rain on the Window")[0]
    assert sorted([best["path"], *best["copies"]]) == files
    assert "+2 copies" in kobza("search", "Rain on the Window", "-k", 1)[1]
    artists = [row["artist"] for row in found("search", "music", "--per-artist", 1)]
    assert {*artists} <= {"Ann Hill", "Doug Kaufman", "Doug Kaufman; Bo", "Ferrum", "The Buskers"} and len(artists) == 4
    albums = [row["album"] for row in found("search", "music", "--per-album", 1) if row["album"]]
    assert len(albums) == len(set(albums))


def test_similar(titles):
    alone = titles("similar", "rain on the window")
    assert "Rain on the Window" not in alone and alone[0] in ("Morning Run", "The Tin Teapot")
    two = titles("similar", "rain on the window", "Morning Run", "--per-artist", 2)
    assert two[0] == "The Tin Teapot"  # the other piano
    minus = titles("similar", "rain on the window", "--minus", "tin teapot")
    assert "The Tin Teapot" not in minus and len(minus) == len(alone) - 1
    but = titles("similar", "slow river", "--but", "fast drums")
    assert but.index("Sticks") < titles("similar", "slow river").index("Sticks")


def test_similar_to_another_file(titles, music, tmp_path):
    other = shutil.copy(music / "Doug/Sticks.wav", tmp_path / "unknown.wav")
    with open(other, "ab") as file:
        file.write(b"x")
    assert "Sticks" not in titles("similar", other, "-k", 3)  # a copy of it


def test_from_one_track_to_another(found):
    rows = found("playlist", "--from", "slow river", "--to", "night shift", "-k", 4, "--smooth", "tempo,key")
    assert [rows[0]["title"], rows[-1]["title"], len(rows)] == ["Slow River", "Night Shift", 4]


def test_tempo_key_and_loudness(kobza, found):
    made = {piece.title: piece for piece in album()}
    for row in found("list", "--where", "album != live"):  # the parts of a file are not analysed
        assert row["loudness"] < 0 <= row["energy"] and row["key"]
    row = found("list", "--where", "title = 'Night Shift'")[0]
    assert row["bpm"] == pytest.approx(made["Night Shift"].tempo, rel=0.04)
    assert found("search", "drums", "--where", "bpm 125..135 and title = 'night shift'")
    head, line = kobza("list", "--where", "title = 'Night Shift'", "--columns", "title,bpm,key,loudness,energy")[
        1
    ].splitlines()
    assert head.split() == ["title", "bpm", "key", "loudness", "energy"] and "130" in line and "LUFS" in line


def test_play_and_queue_here(kobza, music, tmp_path, monkeypatch):
    player = tmp_path / "bin" / "mpv"
    player.parent.mkdir()
    player.write_text(f'#!/bin/sh\necho "$@" >> {tmp_path}/played\n')
    player.chmod(0o755)
    monkeypatch.setenv("PATH", str(player.parent), prepend=":")
    code, _, err = kobza("play", "music", "-k", 9, "--match", "sound", "--per-artist", 1, "--player", "mpv")
    played = (tmp_path / "played").read_text().splitlines()
    assert code == 0 and len(played) == 4 and "1/4" in err and "4/4" in err
    assert sum("/live.flac" in line and ("--end=14" in line or "--start=14" in line) for line in played) == 1
    turn = PlayQueue.of_this_user().begin()  # as if another one were playing
    code, out, _ = kobza("play", "tin teapot", "-k", 1, "--match", "tags", "--queue", "--player", "mpv")
    assert (code, out) == (0, "1 track sent to the queue of what is playing\n")
    (entry,) = turn.take_or_end()
    turn.end()
    assert entry.track.file == str(music / "Live/live.flac") and entry.start == pytest.approx(14.0)


def test_a_playlist_file(kobza, music):
    lines = kobza("search", "tin teapot", "-k", 1, "--m3u", "--relative-to", music)[1].splitlines()
    assert lines == [
        "#EXTM3U",
        "#EXTINF:14,The Buskers - The Tin Teapot",
        "#EXTVLCOPT:start-time=14",
        "#EXTVLCOPT:stop-time=28",
        "Live/live.flac",
    ]


@pytest.fixture(scope="module")
def served(music, tmp_path_factory):
    """The servers' own copy of the music."""
    return shutil.copytree(music, tmp_path_factory.mktemp("served") / "m")


def test_saved_playlists_are_refreshed_in_their_files_and_on_servers(kobza, music, served, tmp_path, monkeypatch):
    monkeypatch.setenv("KOBZA_SUBSONIC_PASSWORD", PASSWORD)
    with mpd_server(tmp_path / "mpd", served) as (mpd, _), supysonic(tmp_path / "supysonic", served) as (url, _):
        code, out, err = kobza("play", "tin teapot", "-k", 1, "--match", "tags", "--mpd", mpd)
        assert (code, out, err) == (0, f"1 track sent to the queue of MPD at {mpd}\n", "")
        code, out, _ = kobza("search", "Doug Kaufman", "-k", 2, "--playlist", "Doug", "--subsonic", url)
        assert code == 0 and sorted(playlists(url)["Doug"]) == ["Doug/Sticks.wav", "Doug/Swallows.m4a"]
        with mpd_client(mpd) as client:
            (queued,) = client.playlistinfo()
            assert queued["title"] == "The Tin Teapot" and queued["range"].startswith("14.000-")
            assert client.status()["state"] == "play"
            client.stop()

        file = tmp_path / "ann.m3u8"
        options = ("--match", "tags", "--per-album", 1, "--file", file, "--mpd", mpd, "--subsonic", url)
        assert kobza("playlist", "save", "Ann", "Ann Hill", "-k", 5, "--where", "album != ''", *options)[0] == 0
        listed = kobza("playlist", "list")[1]
        assert "--match tags --per-album 1 ->" in listed
        kept = [line for line in file.read_text().splitlines() if not line.startswith("#")]
        assert len(kept) == 2 and {Path(path).parent.name for path in kept} == {"Quiet", "Strings"}
        away = music / "Ann/Strings/01.ogg"
        away.rename(tmp_path / "01.ogg")
        assert "Saved playlists refreshed: 1" in kobza("sync")[2]
        (tmp_path / "01.ogg").rename(away)
        assert [line for line in file.read_text().splitlines() if not line.startswith("#")] == [
            path for path in kept if path != str(away)
        ]
        assert len(playlists(url)["Ann"]) == 1
        with mpd_client(mpd) as client:
            assert len(client.listplaylist("Ann")) == 1
    code, out, _ = kobza("sync")
    assert code == 0 and out.startswith("1 added")
    assert kobza("playlist", "delete", "Ann")[0] == 0


def test_settings(kobza):
    assert kobza("config", "set", "k", 2)[0] == kobza("config", "set", "columns", "year,title")[0] == 0
    head, *lines = kobza("search", "slow sad piano")[1].splitlines()
    assert head.split() == ["year", "title"] and len(lines) == 2
    assert len(kobza("search", "slow sad piano", "-k", 3)[1].splitlines()) == 4  # an option is stronger
    assert "config.toml" in kobza("config")[1]
    for key in ("k", "columns"):
        assert kobza("config", "unset", key)[0] == 0
