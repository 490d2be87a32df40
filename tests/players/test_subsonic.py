"""Subsonic, against the real server supysonic."""

import dataclasses
import http.server
import threading
import time

import pytest
from music_servers import PASSWORD, USER, free_port, playlists, subsonic_client, supysonic

from kobza.library import Track
from kobza.library.search.entries import Entry
from kobza.players.local import PlayerError
from kobza.players.subsonic import SubsonicServer, subsonic_address

SETTINGS = {"subsonic.password": PASSWORD}.get


@pytest.fixture(autouse=True)
def _no_proxy(monkeypatch):
    monkeypatch.setenv("no_proxy", "127.0.0.1")


@pytest.fixture(scope="module")
def running(music, tmp_path_factory):
    """(its URL, what its jukebox played)"""
    with supysonic(tmp_path_factory.mktemp("supysonic") / "s", music, jukebox=True) as found:
        yield found


@pytest.fixture
def server(running):
    server = SubsonicServer(subsonic_address(running[0], SETTINGS))
    yield server
    server.close()


def test_a_playlist_is_created_then_replaced(running, server, tracks):
    paths = [track.path.removeprefix("/mnt/nas/") for track in tracks]
    sent = server.replace_playlist("Дощ & вітер", [Entry(track) for track in tracks])
    assert sent.count == len(tracks) and not sent.unknown and "Дощ & вітер" in sent.place
    assert playlists(running[0])["Дощ & вітер"] == paths
    server.replace_playlist("Дощ & вітер", [Entry(tracks[1]), Entry(tracks[0])])
    server.replace_playlist("other", [Entry(tracks[2])])
    found = playlists(running[0])
    assert found["Дощ & вітер"] == [paths[1], paths[0]] and found["other"] == [paths[2]]


def test_what_it_does_not_know_is_left_out_and_named(running, server, tracks):
    unknown = [Track("/mnt/nas/none.flac", "None", "Ann"), dataclasses.replace(tracks[0], duration=100.0)]
    sent = server.replace_playlist("known", [Entry(track) for track in [unknown[0], tracks[1], unknown[1]]])
    assert sent.count == 1 and list(sent.unknown) == unknown
    with pytest.raises(PlayerError, match=r"knows none of the tracks that were found \(2\)"):
        server.replace_playlist("known", [Entry(track) for track in unknown])
    assert playlists(running[0])["known"] == ["red/01.flac"]


def test_the_jukebox_queues_and_plays_from_the_moment(running, server, tracks):
    """It is the queue here, because supysonic has no play queues."""
    sent = server.queue([Entry(tracks[2])], play=False)
    assert "jukebox" in sent.place
    server.queue([Entry(tracks[1], start=2.0), Entry(tracks[0])], play=True)
    connection = subsonic_client(running[0])
    state = connection.jukeboxControl("get")["jukeboxPlaylist"]
    assert [song["path"] for song in state["entry"]] == ["Пісні/Ой у лузі.ogg", "red/01.flac", "blue/01.flac"]
    assert state["playing"] and state["currentIndex"] == 1
    while not running[1].exists() or not running[1].read_text().endswith("red/01.flac\n"):
        time.sleep(0.02)
    assert running[1].read_text().splitlines()[-1].startswith("2 ")
    connection.jukeboxControl("stop")


def test_without_a_jukebox_it_says_what_to_do(running, tracks):
    server = SubsonicServer(subsonic_address(running[0].replace(USER, "bob:bob"), {}.get))
    with pytest.raises(PlayerError, match="no play queue and no jukebox for bob; make a playlist there"):
        server.queue([Entry(tracks[0])], play=False)
    with pytest.raises(PlayerError, match="has no jukebox for bob"):
        server.queue([Entry(tracks[0])], play=True)
    server.close()


def test_a_wrong_password_and_no_server(running):
    with pytest.raises(PlayerError, match="refuses this") as error:
        SubsonicServer(subsonic_address(running[0], {"subsonic.password": "wr0ng"}.get))
    assert "wr0ng" not in str(error.value)
    port = free_port()
    with pytest.raises(PlayerError, match=f"http://127.0.0.1:{port} cannot be reached"):
        SubsonicServer(subsonic_address(f"http://ann@127.0.0.1:{port}", SETTINGS))


class Page(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b'<p>{"subsonic": 1}')

    def log_message(self, *_):
        pass


def test_another_kind_of_server():
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Page) as web:
        threading.Thread(target=web.serve_forever, daemon=True).start()
        with pytest.raises(PlayerError, match="does not answer as a Subsonic server does"):
            SubsonicServer(subsonic_address(f"http://ann@127.0.0.1:{web.server_port}", SETTINGS))
        web.shutdown()


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        (None, "No Subsonic server is known"),
        ("music.example.org", "is a URL"),
        ("ftp://ann@music.example.org", "is a URL"),
        ("https://ann@music.example.org:port", "is a URL"),
        ("https://", "is a URL"),
        ("https://music.example.org", "needs a user and a password"),
        ("https://ann@music.example.org", "kobza config set subsonic.password"),
    ],
)
def test_incomplete_addresses(text, sentence):
    with pytest.raises(PlayerError, match=sentence):
        subsonic_address(text, {}.get)


def test_addresses():
    address = subsonic_address("https://a%40b:p%2Fw@[::1]:8443/sonic/?x=1", {}.get)
    assert (address.url, address.user, address.password) == ("https://[::1]:8443/sonic", "a@b", "p/w")
    assert address.text == "https://a%40b@[::1]:8443/sonic" and "p/w" not in repr(address)
    settings = {"subsonic.url": "http://nas", "subsonic.user": "ann", "subsonic.password": "p"}
    assert subsonic_address(None, settings.get).text == "http://ann@nas"
    with pytest.raises(PlayerError, match="needs a user and a password"):  # its password is not for another server
        subsonic_address("http://ann@other", settings.get)
