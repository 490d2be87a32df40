"""`kobza remove`, `undo`, `exclude`, and hits whose disc is not there."""

import io
import json
import shutil

import pytest
from recordings import tone, write

from kobza.commands import removal


@pytest.fixture
def music(kobza, tmp_path):
    for i in range(3):
        write(tmp_path / "music" / f"{i}.flac", tone(300 * (i + 1), 3))
    assert kobza("index", tmp_path / "music")[0] == 0
    return tmp_path / "music"


def tracks(kobza) -> int:
    return int(kobza("info")[1].split("tracks")[1].split()[0])


class TestTooMany:
    @pytest.fixture(autouse=True)
    def limit(self, monkeypatch):
        monkeypatch.setattr(removal, "MAX_UNCONFIRMED_TRACKS", 2)

    def answer(self, monkeypatch, text):
        answers = io.StringIO(text)
        answers.isatty = lambda: True
        monkeypatch.setattr("sys.stdin", answers)

    def test_without_a_terminal_nothing_is_removed(self, kobza, music, monkeypatch):
        monkeypatch.setattr("sys.stdin", io.StringIO("y\n"))
        for path in ("/", music, music.parent):
            code, out, err = kobza("remove", path)
            assert code == 1 and not out and err.count("\n") == 1
            assert "would remove 3 of 3 tracks; nothing was removed" in err and "--yes" in err
        assert tracks(kobza) == 3

    @pytest.mark.parametrize(("text", "left"), [("y\n", 0), ("n\n", 3), ("\n", 3), ("", 3)])
    def test_on_a_terminal_it_asks(self, kobza, music, monkeypatch, text, left):
        self.answer(monkeypatch, text)
        _, _, err = kobza("remove", "/")
        assert "Remove 3 of 3 tracks? [y/N]" in err and tracks(kobza) == left

    def test_yes(self, kobza, music):
        assert kobza("remove", "/", "--yes")[:2] == (0, "3 removed\n")
        assert kobza("undo")[:2] == (0, "3 back\n") and tracks(kobza) == 3

    def test_a_dry_run_removes_nothing(self, kobza, music):
        code, out, err = kobza("remove", "/", "--dry-run")
        assert code == 0 and out.splitlines() == [str(music / f"{i}.flac") for i in range(3)]
        assert "3 tracks of 3 would be removed" in err and tracks(kobza) == 3


def test_remove_undo_and_sync(kobza, music):
    code, out, err = kobza("remove", music / "0.flac")
    assert (code, out) == (0, "1 removed\n") and "kobza undo" in err
    assert "0 added, 0 changed, 2 unchanged" in kobza("sync")[1]
    assert f"excluded     {music / '0.flac'}" in kobza("info")[1]
    assert kobza("undo")[:2] == (0, "1 back\n") and tracks(kobza) == 3
    code, _, err = kobza("undo")
    assert code == 1 and "Nothing was removed in the last hour" in err


def test_exclude(kobza, music):
    assert "Nothing is excluded" in kobza("exclude")[2]
    code, out, err = kobza("exclude", "0.*", music / "1.flac", "--max-length", "1h30m")
    assert (code, out) == (0, f"{music / '1.flac'}\n0.*\nlonger than 1:30:00\n") and "kobza sync" in err
    _, out_of_sync, skipped = kobza("sync")
    assert "2 excluded" in out_of_sync and tracks(kobza) == 1
    assert "skipped: excluded by 0.* (1), excluded (" in skipped
    assert kobza("exclude")[1] == out and "excluded     longer than 1:30:00" in kobza("info")[1]
    assert kobza("exclude", "--remove", "0.*")[0] == 0 and "1 added" in kobza("sync")[1]
    assert kobza("exclude", "--max-length", "2s", "--remove", music / "1.flac")[0] == 0
    assert "2 excluded" in kobza("sync")[1]
    assert kobza("exclude", "--max-length", "off")[1] == "" and "3 added" in kobza("sync")[1]
    assert kobza("index", music, "--max-length", "2s")[1].count("3 excluded") == 1
    assert kobza("exclude", "--remove")[0] == 2
    code, _, err = kobza("exclude", "[z-a]")
    assert code == 1 and "not a pattern" in err and err.count("\n") == 1
    assert kobza("exclude", "--remove", "nothing")[0] == 1


def test_hits_that_are_not_there(kobza, music, tmp_path):
    (music / "1.flac").rename(tmp_path / "away.flac")
    code, out, err = kobza("search", "tone 600", "--columns", "title,available,path")
    assert code == 0 and f"Not there now: {music / '1.flac'};" in err and out.split("\n")[1].split()[1] == "no"
    rows = json.loads(kobza("search", "tone 600", "--json")[1])
    assert {row["path"]: row["available"] for row in rows}[str(music / "1.flac")] is False
    for k in ("1", "2", "9"):
        out = kobza("search", "tone 600", "--skip-missing", "--m3u", "-k", k)[1]
        assert out.count(".flac") == min(int(k), 2) and "1.flac" not in out
    ends = ("--from", music / "0.flac", "--to", music / "2.flac")
    assert "1.flac" in kobza("playlist", *ends)[1] and "1.flac" not in kobza("playlist", *ends, "--skip-missing")[1]
    assert "1.flac" not in kobza("similar", music / "0.flac", "--skip-missing")[1]
    shutil.rmtree(music)
    code, _, err = kobza("search", "tone 600", "--skip-missing")
    assert code == 1 and "no file is there now" in err


def test_watch_without_folders(kobza):
    code, _, err = kobza("watch")
    assert code == 1 and "kobza index" in err
