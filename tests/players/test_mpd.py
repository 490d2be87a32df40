"""MPD, against Debian's real mpd."""

import dataclasses

import pytest
from music_servers import free_port, mpd_client, mpd_server

from kobza.library import Track
from kobza.library.search.entries import Entry
from kobza.players.local import PlayerError
from kobza.players.mpd import MPDServer, mpd_address

PATHS = ["blue/01.flac", "red/01.flac", "Пісні/Ой у лузі.ogg", "untagged.wav", 'it\'s "so"\\ odd #1.flac']


@pytest.fixture(scope="module")
def servers(music, tmp_path_factory):
    with mpd_server(tmp_path_factory.mktemp("mpd") / "mpd", music) as addresses:
        yield addresses


@pytest.fixture(params=["port", "socket"])
def server(servers, request):
    with mpd_client(servers[0]) as client:
        client.clear()
    server = MPDServer(mpd_address(servers[request.param == "socket"], {}.get))
    yield server
    server.close()


def queued(servers) -> list[dict]:
    with mpd_client(servers[0]) as client:
        return client.playlistinfo()


def test_every_track_is_found_though_its_path_is_another(servers, server, tracks):
    sent = server.queue([Entry(track) for track in tracks], play=False)
    assert [song["file"] for song in queued(servers)] == PATHS
    assert sent.count == len(PATHS) and not sent.unknown and sent.place.startswith("the queue of MPD at ")
    with mpd_client(servers[0]) as client:
        assert client.status()["state"] == "stop"


def test_playing_begins_with_the_first_new_one_at_its_moment(servers, server, tracks):
    server.queue([Entry(tracks[2])], play=False)
    server.queue([Entry(tracks[0], start=2.5), Entry(tracks[1], start=1.0, end=2.0)], play=True)
    before, first, part = queued(servers)
    assert "range" not in before
    assert first["range"] == "2.500-" and part["range"] == "1.000-2.000"
    with mpd_client(servers[0]) as client:
        assert client.status()["songid"] == first["id"] and client.status()["state"] == "play"
        client.stop()


def test_what_it_does_not_know_is_left_out_and_named(servers, server, tracks):
    unknown = [
        Track("/mnt/nas/none.flac", "None"),
        Track("/mnt/nas/\udcff.flac", "x"),
        Track("/mnt/nas/two\nlines.flac", "two\nlines"),
        dataclasses.replace(tracks[0], duration=100.0),
    ]
    sent = server.queue([Entry(track) for track in [unknown[0], tracks[1], *unknown[1:]]], play=False)
    assert sent.count == 1 and list(sent.unknown) == unknown
    assert [song["file"] for song in queued(servers)] == PATHS[1:2]
    with pytest.raises(PlayerError, match=r"knows none of the tracks that were found \(4\)"):
        server.replace_playlist("all", [Entry(track) for track in unknown])


def test_a_playlist_is_created_then_replaced(servers, server, tracks):
    for name, chosen in (("Дощ (1)", tracks[:3]), ("Дощ (1)", tracks[1:2]), ("other", tracks[3:4])):
        sent = server.replace_playlist(name, [Entry(track, start=1.0) for track in chosen])
        assert sent.count == len(chosen) and name in sent.place
    with mpd_client(servers[0]) as client:
        assert client.listplaylist("Дощ (1)") == PATHS[1:2] and client.listplaylist("other") == PATHS[3:4]
    with pytest.raises(PlayerError, match="refuses this: Bad playlist name"):
        server.replace_playlist("a/b", [Entry(tracks[0])])
    assert server.queue([Entry(tracks[0])], play=False).count == 1  # the connection is still good


def test_a_password(music, tracks, tmp_path):
    with mpd_server(tmp_path / "mpd", music, "se:cret") as (address, _):
        settings = {"mpd.host": address}
        with pytest.raises(PlayerError, match="you don't have permission"):
            MPDServer(mpd_address(None, settings.get)).queue([Entry(tracks[0])], play=False)
        with pytest.raises(PlayerError, match="incorrect password") as error:
            MPDServer(mpd_address(f"wrong@{address}", settings.get))
        assert "wrong" not in str(error.value)
        for text, more in ((f"se:cret@{address}", {}), (None, {"mpd.password": "se:cret"})):
            server = MPDServer(mpd_address(text, (settings | more).get))
            assert server.queue([Entry(tracks[0])], play=False).count == 1
            server.close()


def test_no_server_is_one_sentence():
    port = free_port()
    with pytest.raises(PlayerError, match=f"MPD at 127.0.0.1:{port} cannot be reached .*--mpd HOST:PORT"):
        MPDServer(mpd_address(f"127.0.0.1:{port}", {}.get))
    with pytest.raises(PlayerError, match="MPD at /nowhere/socket cannot be reached"):
        MPDServer(mpd_address("/nowhere/socket", {}.get))


@pytest.mark.parametrize("text", ["nas:", "nas:x", "nas:70000", "[::1]:x", "nas:0"])
def test_no_port(text):
    with pytest.raises(PlayerError, match="is not a port"):
        mpd_address(text, {}.get)


def test_addresses():
    address = mpd_address("pa@ss@[::1]:6601", {}.get)
    assert (address.host, address.port, address.password, address.text) == ("::1", 6601, "pa@ss", "[::1]:6601")
    assert mpd_address("nas", {"mpd.port": "6601"}.get).port == 6601
    assert mpd_address("nas", {"mpd.host": "nas", "mpd.password": "p"}.get).password == "p"
    assert mpd_address("other", {"mpd.host": "nas", "mpd.password": "p"}.get).password == ""
    assert "pa@ss" not in repr(address)
