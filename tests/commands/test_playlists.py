"""Saved searches on the command line, refreshed by `kobza sync`; and tracks whose files are away."""

import json
import shlex
import shutil

import pytest
from recordings import tone, write


@pytest.fixture
def music(kobza, tmp_path):
    for hertz in (300, 1200, 4000):
        write(tmp_path / "m" / f"{hertz}.flac", tone(hertz, 4), title=f"Tone {hertz}", date=str(hertz))
    assert kobza("index", tmp_path / "m")[0] == 0
    return tmp_path / "m"


def entries(file) -> list[str]:
    return [line for line in file.read_text().splitlines() if not line.startswith("#")]


def test_saved_shown_listed_deleted(kobza, music, tmp_path):
    where = ("--where", "title != 'Tone 4000'")
    code, out, err = kobza("playlist", "save", "Low & slow", "tone", "300", "-drums", "-k", 2, *where)
    file = tmp_path / "library" / "playlists" / "Low & slow.m3u8"
    assert (code, out, err) == (0, f"the playlist is in {file}\n", "")
    assert entries(file) == [str(music / "300.flac"), str(music / "1200.flac")]
    name, line = kobza("playlist", "list")[1].removesuffix(f" -> {file}\n").split(": ", 1)
    words = ["kobza", "search", "tone 300 -drums", "-k", "2", *where, "--by", "track"]
    assert name == "Low & slow" and shlex.split(line) == words

    rows = json.loads(kobza("playlist", "show", "Low & slow", "--json")[1])
    assert [row["title"] for row in rows] == ["Tone 300", "Tone 1200"]
    assert kobza("playlist", "show", "Low & slow", "--m3u")[1] == file.read_text()
    assert kobza("playlist", "delete", "Low & slow")[:2] == (0, f"deleted; {file} stays\n")
    assert file.exists()
    for command in ("show", "delete"):
        code, _, err = kobza("playlist", command, "Low & slow")
        assert code == 1 and "has no saved playlist 'Low & slow'" in err
    code, out, err = kobza("playlist", "list")
    assert (code, out) == (0, "") and "kobza playlist save" in err


def test_sync_refreshes_and_says_so(kobza, music, tmp_path):
    file, relative = tmp_path / "lists" / "low.m3u8", tmp_path / "lists" / "relative.m3u8"
    assert kobza("playlist", "save", "low", "tone 300", "-k", 2, "--file", file)[0] == 0
    options = ("--by", "moment", "--relative-to", tmp_path / "lists")
    assert kobza("playlist", "save", "relative", "tone 300", "--file", relative, *options)[0] == 0
    before = file.stat()
    code, out, err = kobza("sync")
    assert code == 0 and err == "Saved playlists refreshed: 2\n" and out.startswith("0 added")
    assert file.stat().st_mtime_ns == before.st_mtime_ns  # nothing has changed, so nothing is written
    write(music / "310.flac", tone(310, 4), title="Tone 310")
    (music / "1200.flac").unlink()
    kobza("sync")
    assert entries(file) == [str(music / "300.flac"), str(music / "310.flac")]
    assert entries(relative) == ["../m/300.flac", "../m/310.flac", "../m/4000.flac"]


def test_a_playlist_that_cannot_be_refreshed_is_named_and_the_others_are(kobza, music, tmp_path):
    for name in ("bad", "good"):
        assert kobza("playlist", "save", name, "tone 300", "--file", tmp_path / f"{name}.m3u8", "-k", 1)[0] == 0
    (tmp_path / "bad.m3u8").unlink()
    (tmp_path / "bad.m3u8").mkdir()
    (tmp_path / "good.m3u8").unlink()
    code, out, err = kobza("sync")
    assert code == 0 and "0 failed" in out
    assert "The playlist 'bad' could not be refreshed: " in err and "Saved playlists refreshed: 1" in err
    assert len(entries(tmp_path / "good.m3u8")) == 1


def test_a_file_of_somebody_else_is_not_replaced(kobza, music, tmp_path):
    other = tmp_path / "mine.m3u8"
    other.write_text("/my/own.mp3\n")
    code, _, err = kobza("playlist", "save", "new", "tone 300", "--file", other)
    assert code == 1 and "exists; delete it" in err and other.read_text() == "/my/own.mp3\n"
    assert kobza("playlist", "list")[1] == ""
    own = tmp_path / "own.m3u8"
    for text in ("tone 300", "tone 4000"):  # its own file is
        assert kobza("playlist", "save", "new", text, "-k", 1, "--file", own)[0] == 0
    assert entries(own) == [str(music / "4000.flac")]
    assert kobza("playlist", "list")[1].startswith("new: kobza search 'tone 4000' -k 1")


def test_options_may_stand_before_the_sub_command(kobza, music, tmp_path):
    library = ("--library", tmp_path / "other")
    assert kobza("index", music, *library)[0] == 0
    assert kobza("playlist", *library, "-k", 1, "save", "a/b", "tone 300")[0] == 0
    assert entries(tmp_path / "other" / "playlists" / "a_b.m3u8") == [str(music / "300.flac")]
    assert "a/b" in kobza("playlist", "list", *library)[1] and kobza("playlist", "list")[1] == ""


def test_saving_creates_no_library(kobza, tmp_path):
    code, _, err = kobza("playlist", "save", "a", "tone 300")
    assert code == 1 and "There is no library at" in err and not (tmp_path / "library").exists()
    code, _, err = kobza("playlist")
    assert code == 2 and "needs --from TRACK and --to TRACK, or one of: save, show, list, delete" in err


def test_missing_files_are_left_out_on_request(kobza, music, tmp_path):
    shutil.move(music / "300.flac", tmp_path / "away.flac")
    titles = lambda *options: [  # noqa: E731
        row["title"] for row in json.loads(kobza("search", "tone 300", "--json", *options)[1])
    ]
    assert titles() == ["Tone 300", "Tone 1200", "Tone 4000"] and titles("--skip-missing") == ["Tone 1200", "Tone 4000"]
    code, out, err = kobza("search", "tone 300", "--m3u", "-k", 1, "--skip-missing")
    assert out.splitlines()[2] == str(music / "1200.flac") and "files are not there now: 1 track\n" in err
    assert kobza("search", "tone 300", "--m3u", "-k", 1)[1].splitlines()[2] == str(music / "300.flac")
    assert kobza("playlist", "save", "a", "tone 300", "-k", 2, "--skip-missing")[0] == 0
    file = tmp_path / "library" / "playlists" / "a.m3u8"
    assert entries(file) == [str(music / "1200.flac"), str(music / "4000.flac")]
    shutil.move(tmp_path / "away.flac", music / "300.flac")
    kobza("sync")
    assert entries(file) == [str(music / "300.flac"), str(music / "1200.flac")]
    shutil.move(music, tmp_path / "m-away")
    code, out, err = kobza("search", "tone 300", "--m3u", "--skip-missing")
    assert code == 1 and "Of the tracks that were found (3), no file is there now" in err


def test_nothing_to_play_is_said(kobza, music, monkeypatch):
    monkeypatch.setattr("kobza.players.choice.find_player", lambda name=None: name or "mpv")
    code, out, err = kobza("play", "tone 300", "--where", "title = none")
    assert (code, out) == (1, "") and "No track passes the filter" in err
    shutil.rmtree(music)
    code, out, err = kobza("play", "tone 300")
    assert (code, out) == (1, "") and "Of the tracks that were found (3), no file is there now" in err


def test_m3u_begins_at_the_moment_only_if_moments_are_ranked(kobza, tmp_path):
    import numpy as np

    write(tmp_path / "m" / "a.flac", np.concatenate([tone(300, 70), tone(3000, 10)]))
    kobza("index", tmp_path / "m")
    assert "#EXTVLCOPT:start-time=70\n" in kobza("search", "tone 3000", "--m3u", "--by", "moment")[1]
    assert "EXTVLCOPT" not in kobza("search", "tone 3000", "--m3u")[1]
    assert kobza("search", "tone 3000", "--m3u", "--relative-to", tmp_path)[1].splitlines()[2] == "m/a.flac"


def test_limits_and_what_is_matched_are_kept(kobza, tmp_path):
    for hertz in (300, 320, 1200):
        write(tmp_path / "m" / f"{hertz}.flac", tone(hertz, 4 + hertz / 100), title=f"Tone {hertz}", artist="Ann; Bo")
    assert kobza("index", tmp_path / "m")[0] == 0
    kept = ("--match", "sound", "--per-artist", 1)
    assert kobza("playlist", "save", "a", "tone 300", *kept)[0] == 0
    file = tmp_path / "library" / "playlists" / "a.m3u8"
    assert entries(file) == [str(tmp_path / "m" / "300.flac")]
    assert "--match sound --per-artist 1 ->" in kobza("playlist", "list")[1]
    rows = json.loads(kobza("playlist", "show", "a", "--json")[1])
    assert [row["title"] for row in rows] == ["Tone 300"] and rows[0]["words"] == []
    (tmp_path / "m" / "300.flac").unlink()
    kobza("sync")
    assert entries(file) == [str(tmp_path / "m" / "320.flac")]
