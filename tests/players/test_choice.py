"""Which servers the settings name."""

import pytest

from kobza.config import config_file
from kobza.players.choice import configured_servers


@pytest.fixture
def config(tmp_path, monkeypatch):
    """Writes the user's configuration file."""
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    for name in ("MPD_HOST", "KOBZA_MPD_HOST", "KOBZA_PLAYER", "KOBZA_SUBSONIC_URL"):
        monkeypatch.delenv(name, raising=False)
    config_file().parent.mkdir(parents=True)
    return config_file().write_text


@pytest.mark.parametrize(
    ("text", "servers"),
    [
        ("", []),
        ('player = "mpv"', []),
        ('player = "mpd"', ["mpd"]),
        ('[mpd]\nhost = "nas"', ["mpd"]),
        ('player = "mpd"\n[subsonic]\nurl = "https://ann@nas"', ["mpd", "subsonic"]),
    ],
)
def test_servers_of_the_configuration(config, text, servers):
    config(text)
    assert configured_servers() == servers


def test_the_variable_of_other_programs_names_one(config, monkeypatch):
    monkeypatch.setenv("MPD_HOST", "nas")
    assert configured_servers() == ["mpd"]
