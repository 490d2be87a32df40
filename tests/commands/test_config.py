"""Settings: from options, the environment, the file; shown, changed, and refused in one sentence."""

import json
import os
import stat
import tomllib
from pathlib import Path

import pytest
from recordings import tone, write

from kobza.config import SETTINGS, ConfigError, environment_name, password, value_of


@pytest.fixture
def file(tmp_path, monkeypatch) -> Path:
    """Where the configuration file of this test belongs; it is not there yet."""
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    for variable in ("MPD_HOST", "MPD_PORT"):
        monkeypatch.delenv(variable, raising=False)
    (tmp_path / "config" / "kobza").mkdir(parents=True)
    return tmp_path / "config" / "kobza" / "config.toml"


@pytest.fixture
def music(kobza, tmp_path):
    for n in range(2):
        write(tmp_path / "m" / f"{n}.wav", tone(300 + 50 * n, 1), title=f"Tone {n}")
    assert kobza("index", tmp_path / "m")[0] == 0
    return tmp_path / "m"


def test_an_option_is_above_the_environment_above_the_file(kobza, music, file, monkeypatch, tmp_path):
    def rows(*options) -> int:
        return len(kobza("search", "tone 300", *options)[1].splitlines()) - 1

    for n in range(10):
        write(tmp_path / "more" / f"{n}.wav", tone(300 + 50 * n, 1), title=f"Tone {n}")
    kobza("index", tmp_path / "more")
    assert rows() == 10
    file.write_text("k = 4")
    assert rows() == 4
    monkeypatch.setenv("KOBZA_K", "3")
    assert rows() == 3
    assert rows("-k", "2") == 2
    file.write_text('columns = ["title", "duration"]')
    assert kobza("search", "tone 300")[1].splitlines()[0].split() == ["title", "duration"]
    monkeypatch.setenv("KOBZA_COLUMNS", "year,title")
    assert kobza("search", "tone 300")[1].splitlines()[0].split() == ["year", "title"]
    assert kobza("search", "tone 300", "--columns", "path")[1].splitlines()[0].split() == ["path"]


def test_the_library_of_the_file(kobza, music, file, monkeypatch, tmp_path):
    monkeypatch.delenv("KOBZA_LIBRARY")
    os.rename(tmp_path / "library", file.parent / "own")
    file.write_text('library = "own"')  # beside the file, wherever the command is run
    assert kobza("search", "tone 300")[0] == 0
    monkeypatch.setenv("HOME", str(file.parent))
    file.write_text('library = "~/own"')
    assert kobza("info")[1].splitlines()[0].split()[1] == str(file.parent / "own")


def test_the_model_of_the_file(kobza, music, file):
    file.write_text('model = "/absent"')
    code, _, err = kobza("search", "tone 300")
    assert code == 1 and "/absent" in err
    assert kobza("info")[0] == 0


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ('libary = "/x"', "there is no setting 'libary'; did you mean library?"),
        ("[subsonic]\nusr = 'a'", "there is no setting 'subsonic.usr'; did you mean subsonic.user?"),
        ("k = 0", "k cannot be 0: it must be a whole number of 1 or more."),
        ("k = true", "k cannot be True: it must be a whole number"),
        ("k = 1.5", "k cannot be 1.5"),
        ('k = "many"', "k cannot be 'many'"),
        ("columns = 'titel'", "there is no column 'titel'; did you mean title?"),
        ("columns = [1]", "it must be a list of names"),
        ("player = 3", "player cannot be 3: it must be text."),
        ("subsonic.password = 3", "subsonic.password cannot be that value"),
        ("k = ", "cannot be read: "),
        ("mpd = 3", "there is no setting 'mpd'; choose from library, model"),
    ],
)
def test_a_mistake_in_the_file_is_one_sentence(kobza, music, file, text, sentence):
    file.write_text(text)
    for argv in (["search", "tone 300"], ["config"]):
        code, _, err = kobza(*argv)
        assert code == 1 and sentence in err and err.count("\n") == 1, argv
    if "titel" not in text:  # names of columns are compared when they are used
        assert kobza("config", "set", "player", "mpv")[0] == 1 and file.read_text() == text


def test_bytes_that_are_no_text(kobza, file):
    file.write_bytes(b"\xff\xfe")
    code, _, err = kobza("config")
    assert code == 1 and str(file) in err


def test_mistakes_in_the_environment(kobza, music, file, monkeypatch):
    monkeypatch.setenv("KOBZA_K", "many")
    code, _, err = kobza("search", "tone 300")
    assert code == 1 and "$KOBZA_K: k cannot be 'many'" in err
    assert kobza("search", "tone 300", "-k", "1")[0] == 0  # not asked


def test_config_shows_where_each_value_is_from(kobza, file, monkeypatch):
    file.write_text('k = 7\n[subsonic]\npassword = "s3cret"\n')
    monkeypatch.setenv("KOBZA_PLAYER", "mpv")
    monkeypatch.setenv("MPD_HOST", "attic")
    code, out, _ = kobza("config")
    lines = {line.split()[0]: line for line in out.splitlines()}
    assert code == 0 and lines["file:"] == f"file: {file}" and "s3cret" not in out
    assert lines["k"].split(maxsplit=1)[1] == f"7  (from {file})"
    assert lines["player"].endswith("mpv  (from $KOBZA_PLAYER)") and lines["mpd.host"].endswith("(from $MPD_HOST)")
    assert lines["mpd.port"].split() == ["mpd.port", "6600"] and "not set" in lines["columns"]
    settings = json.loads(kobza("config", "--json")[1])["settings"]
    assert set(settings) == set(SETTINGS) and settings["k"] == {"value": 7, "from": str(file)}
    assert settings["subsonic.password"]["value"] == "(hidden)" and settings["columns"]["value"] is None


def test_set_and_unset_keep_what_the_file_says_besides(kobza, file):
    assert kobza("config", "set", "k", "25")[:2] == (0, f"k is set in {file}\n")
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    file.write_text("# mine\nk = 25 # many\n")
    for key, value in (("columns", "title, year"), ("subsonic.url", "http://x"), ("subsonic.user", "ann"), ("k", "30")):
        assert kobza("config", "set", key, value)[0] == 0
    assert "# mine" in file.read_text() and "# many" in file.read_text()
    assert tomllib.loads(file.read_text()) == {
        "k": 30,
        "columns": ["title", "year"],
        "subsonic": {"url": "http://x", "user": "ann"},
    }
    for key in ("subsonic.url", "subsonic.user", "k", "player"):
        assert kobza("config", "unset", key)[0] == 0
    assert tomllib.loads(file.read_text()) == {"columns": ["title", "year"]}


def test_set_through_a_link_changes_the_file_that_it_leads_to(kobza, file, tmp_path):
    (tmp_path / "dotfiles").mkdir()
    (tmp_path / "dotfiles" / "kobza.toml").write_text("k = 5\n")
    file.symlink_to(tmp_path / "dotfiles" / "kobza.toml")
    assert kobza("config", "set", "k", "6")[0] == 0
    assert file.is_symlink() and (tmp_path / "dotfiles" / "kobza.toml").read_text() == "k = 6\n"


@pytest.mark.parametrize(
    ("argv", "code", "sentence"),
    [
        (["set", "libary", "x"], 2, "did you mean library?"),
        (["set", "k", "zero"], 1, "k cannot be 'zero'"),
        (["set", "columns", "titel"], 1, "did you mean title?"),
        (["set", "k"], 2, "VALUE"),
        (["unset", "colums"], 2, "did you mean columns?"),
        (["sett", "k", "3"], 2, "did you mean kobza config set?"),
    ],
)
def test_what_cannot_be_set(kobza, file, argv, code, sentence):
    got, _, err = kobza("config", *argv)
    assert got == code and sentence in err and not file.exists()


def test_without_a_home_there_is_no_file(kobza, monkeypatch):
    monkeypatch.delenv("XDG_CONFIG_HOME")
    monkeypatch.setattr("kobza.config.has_home", lambda _: False)
    assert kobza("config")[1].splitlines()[0] == "file: none, because HOME is not set"
    assert "HOME" in kobza("config", "set", "k", "3")[2]


def test_passwords(file, tmp_path):
    assert password("subsonic") is None
    file.write_text("subsonic.password_command = \"printf 'a b\\\\nc\\\\n'\"")
    assert password("subsonic") == "a b"
    file.write_text('subsonic.password = "own"\nsubsonic.password_command = "false"')
    assert password("subsonic") == "own"
    for command in ("false", "/absent/program", "'"):
        file.write_text(f'mpd.password_command = "{command}"')
        with pytest.raises(ConfigError, match=r"mpd\.password_command failed"):
            password("mpd")


def test_the_names_of_variables_differ():
    assert len(set(map(environment_name, SETTINGS))) == len(SETTINGS)
    assert value_of("k").value == 10


def test_every_setting_is_documented():
    page = (Path(__file__).parents[2] / "docs" / "reference" / "configuration.md").read_text(encoding="utf-8")
    for key in SETTINGS:
        assert f"`{key}`" in page and f"`${environment_name(key)}`" in page, key
