"""The command line with real servers: play, queue, playlists there, and saved searches that `kobza sync` refreshes."""

import shutil
import sys

import pytest
from music_servers import PASSWORD, free_port, mpd_client, mpd_server, playlists, supysonic
from recordings import tone, write


@pytest.fixture
def music(kobza, tmp_path, monkeypatch):
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.delenv("MPD_HOST", raising=False)
    import numpy as np

    write(tmp_path / "m" / "low.flac", tone(300, 4), title="Low", artist="Ann")
    write(tmp_path / "m" / "mix.flac", np.concatenate([tone(4000, 20), tone(300, 10)]), title="Mix", artist="Ann")
    assert kobza("index", tmp_path / "m")[0] == 0
    return tmp_path / "m"


@pytest.fixture
def served(music, tmp_path):
    """The servers' own copy of the music."""
    return shutil.copytree(music, tmp_path / "served" / "m")


@pytest.fixture
def mpd(served, tmp_path):
    with mpd_server(tmp_path / "mpd", served) as (address, _):
        yield address


def queued(address) -> list[tuple[str, str | None]]:
    with mpd_client(address) as client:
        return [(song["file"], song.get("range")) for song in client.playlistinfo()]


def state(address) -> tuple[str, str | None]:
    with mpd_client(address) as client:
        return client.status()["state"], client.status().get("song")


def test_play_and_queue_on_mpd(kobza, mpd, monkeypatch, music, tmp_path):
    code, out, err = kobza("play", "tone 300", "--queue", "--mpd", mpd)
    assert (code, out, err) == (0, f"2 tracks sent to the queue of MPD at {mpd}\n", "")
    both = [("low.flac", None), ("mix.flac", None)]
    assert queued(mpd) == both and state(mpd) == ("stop", None)
    monkeypatch.setenv("KOBZA_PLAYER", "mpd")  # and where, as for other programs of MPD
    monkeypatch.setenv("MPD_HOST", "127.0.0.1")
    monkeypatch.setenv("MPD_PORT", mpd.rpartition(":")[2])
    music.rename(tmp_path / "away")  # on this machine the files need not be there
    code, out, err = kobza("play", "tone 300", "--where", "title = mix")
    (tmp_path / "away").rename(music)
    no_good_match = "No track is a good match; the closest are:\n"
    assert (code, out, err) == (0, f"1 track sent to the queue of MPD at {mpd}\n", no_good_match)
    assert queued(mpd) == [*both, ("mix.flac", "20.000-")] and state(mpd) == ("play", "2")
    with mpd_client(mpd) as client:
        client.stop()
        client.clear()
    kobza("search", "tone 300", "-k", 1, "--by", "moment", "--queue", "--where", "title = mix")
    kobza("similar", music / "mix.flac", "--queue")
    kobza("playlist", "--from", music / "low.flac", "--to", music / "mix.flac", "--queue")
    assert queued(mpd) == [("mix.flac", "20.000-"), ("low.flac", None), *both]


def test_a_saved_search_on_both_servers_is_refreshed_by_sync(kobza, mpd, music, served, tmp_path, monkeypatch):
    monkeypatch.setenv("KOBZA_SUBSONIC_PASSWORD", PASSWORD)
    with supysonic(tmp_path / "supysonic", served) as (url, _):
        for wrong in (("--mpd", f"secret@{mpd}"), ("--subsonic", url.replace("ann@", "ann:secret@"))):
            code, _, err = kobza("playlist", "save", "x", "tone 300", *wrong)
            assert code == 1 and "keeps no passwords" in err and "secret" not in err
        assert kobza("playlist", "list")[1] == ""
        where = ("--mpd", mpd, "--subsonic", url, "--skip-missing")
        code, out, err = kobza("playlist", "save", "Ой", "tone 300", "-k", 5, *where)
        assert (code, err) == (0, "")
        places = (f"of MPD at {mpd}", f"on {url.replace('ann@', '')}")
        assert out == "".join(f'2 tracks sent to the playlist "Ой" {place}\n' for place in places)
        listed = kobza("playlist", "list")[1]
        assert listed == f"Ой: kobza search 'tone 300' -k 5 --by track -> {mpd}, {url}\n"
        (music / "low.flac").unlink()
        code, _, err = kobza("sync")
        assert code == 0 and err == "Saved playlists refreshed: 1\n"
        assert playlists(url)["Ой"] == ["mix.flac"]
        with mpd_client(mpd) as client:
            assert client.listplaylist("Ой") == ["mix.flac"]
    code, out, err = kobza("sync")  # the server is away
    assert code == 0 and "The playlist 'Ой' could not be refreshed: " in err and "cannot be reached" in err


def test_a_playlist_on_a_server_from_any_search(kobza, mpd, music):
    code, out, _ = kobza("search", "tone 300", "-k", 1, "--playlist", "Low", "--mpd", mpd)
    assert (code, out) == (0, f'1 track sent to the playlist "Low" of MPD at {mpd}\n')
    write(music / "new.flac", tone(310, 4), title="New")
    kobza("sync")
    code, out, err = kobza("search", "tone 300", "-k", 2, "--playlist", "Low", "--mpd", mpd)
    assert (
        code == 0
        and out.startswith("1 track ")
        and err == f"Not known there, and left out: 1 track\n  {music}/new.flac\n"
    )
    with mpd_client(mpd) as client:
        assert client.listplaylist("Low") == ["low.flac"]


@pytest.mark.parametrize(
    ("argv", "sentence"),
    [
        (["--playlist", "Low"], "is on a server; name one with --mpd or --subsonic, or write a file with --m3u"),
        (["--play", "--mpd", "127.0.0.1:{port}"], "cannot be reached"),
        (["--queue", "--mpd", "nas:port"], "'port' is not a port"),
        (["--queue", "--player", "subsonic"], "No Subsonic server is known; name one with --subsonic URL."),
        (["--queue", "--subsonic", "http://ann@127.0.0.1:{port}"], "kobza config set subsonic.password"),
        (
            ["--play", "--player", "winamp"],
            "'winamp' is not a player that Kobza knows; use one of mpv, vlc, ffplay, mpd",
        ),
    ],
)
def test_errors(kobza, music, argv, sentence, monkeypatch):
    monkeypatch.setattr("shutil.which", lambda name: f"/usr/bin/{name}")
    monkeypatch.setattr("kobza.players.choice.find_player", lambda name=None: name or "mpv")
    code, _, err = kobza("search", "tone 300", *[word.format(port=free_port()) for word in argv])
    assert code == 1 and sentence in err and len(err.splitlines()) == 1


@pytest.mark.parametrize(("module", "option"), [("mpd", "nas"), ("libsonic", "http://ann:x@nas")])
def test_a_missing_client_is_one_sentence(kobza, music, module, option, monkeypatch):
    for name in (module, "kobza.players.mpd", "kobza.players.subsonic"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    monkeypatch.setitem(sys.modules, module, None)
    server = {"mpd": "--mpd", "libsonic": "--subsonic"}[module]
    code, _, err = kobza("search", "tone 300", "--queue", server, option)
    assert code == 1 and "pip install 'kobza[players]'" in err
