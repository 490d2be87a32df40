"""A queue of the page as a playlist: as a file, and on real music servers."""

import socket
import threading
from urllib.parse import unquote

import pytest
from music_servers import PASSWORD, mpd_client, mpd_server, playlists, supysonic
from requesting import get, post

FROM_AFAR = {"X-Forwarded-For": "203.0.113.7"}


@pytest.fixture
def links(served) -> dict[str, str]:
    """{title: link}"""
    hits = get(f"{served}api/search?q=fast+drum+solo&k=50").json["hits"]
    return {hit["track"]["title"]: hit["track"]["link"] for hit in hits}


@pytest.fixture
def settings(tmp_path, monkeypatch):
    """Writes the user's configuration file, which is empty at first."""
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    for name in ("MPD_HOST", "KOBZA_MPD_HOST", "KOBZA_PLAYER", "KOBZA_SUBSONIC_URL"):
        monkeypatch.delenv(name, raising=False)
    (tmp_path / "config" / "kobza").mkdir(parents=True)
    return (tmp_path / "config" / "kobza" / "config.toml").write_text


def test_who_sits_here_gets_a_file_that_plays_without_this_server(served, links, music):
    wanted = [links["Sticks"], "gone", links["Swallows"]]
    answer = post(f"{served}api/playlist", {"links": wanted, "name": 'Дощ/"; a'})
    assert answer.status == 200 and answer.headers["Content-Type"].startswith("audio/x-mpegurl")
    assert unquote(answer.headers["Content-Disposition"]).endswith("utf-8''Дощ/\"; a.m3u8")
    lines = answer.text.splitlines()
    assert lines[0] == "#EXTM3U"
    assert lines[2::2] == [str(music / "drum solo.flac"), str(music / "flute solo.flac")]


def test_others_get_addresses_and_no_path(served, links, music):
    answer = post(f"{served}api/playlist", {"links": list(links.values())}, **FROM_AFAR)
    addresses = [line for line in answer.text.splitlines() if not line.startswith("#")]
    assert addresses == [f"{served}track/{link}" for link in links.values()]
    assert str(music) not in answer.text
    assert get(addresses[0]).body.startswith(b"fLaC")


@pytest.mark.parametrize(
    ("body", "sentence"),
    [
        ({"links": ["gone"]}, "no longer in the library"),
        ({"links": []}, "links"),
        ({"links": ["x"] * 1001}, "links"),
        ({"links": ["x"], "name": "n" * 201}, "name"),
    ],
)
def test_what_is_no_playlist_gets_a_sentence(served, body, sentence):
    answer = post(f"{served}api/playlist", body)
    assert answer.status == 400 and sentence in answer.json["error"]


def test_mpd_gets_the_queue_and_a_playlist(served, links, music, settings, tmp_path):
    assert get(f"{served}api/library").json["players"] == []
    wanted = {"to": "mpd", "links": [links["Sticks"], links["Swallows"]], "name": "Rain"}
    refused = post(f"{served}api/send", wanted | {"action": "queue"})
    assert refused.status == 400 and "no mpd server" in refused.text
    with mpd_server(tmp_path / "mpd", music) as (address, _):
        host, _, port = address.rpartition(":")
        settings(f'[mpd]\nhost = "{host}"\nport = {port}')
        assert get(f"{served}api/library").json["players"] == ["mpd"]
        sent = post(f"{served}api/send", wanted | {"action": "queue"}).json
        assert sent == {"count": 2, "place": f"the queue of MPD at {address}", "unknown": []}
        nameless = post(f"{served}api/send", wanted | {"action": "playlist", "name": " "})
        assert nameless.status == 400 and "no name" in nameless.text
        assert post(f"{served}api/send", wanted | {"action": "playlist"}).status == 200
        with mpd_client(address) as client:
            files = ["drum solo.flac", "flute solo.flac"]
            assert [song["file"] for song in client.playlistinfo()] == files
            assert client.listplaylist("Rain") == files and client.status()["state"] == "stop"


def test_subsonic_gets_a_playlist(served, links, music, settings, tmp_path):
    with supysonic(tmp_path / "supysonic", music) as (url, _):
        settings(f'[subsonic]\nurl = "{url}"\npassword = "{PASSWORD}"')
        assert get(f"{served}api/library").json["players"] == ["subsonic"]
        wanted = {"to": "subsonic", "action": "playlist", "links": [links["Sticks"]], "name": "Rain"}
        assert post(f"{served}api/send", wanted).json["count"] == 1
        assert [len(songs) for songs in playlists(url).values()] == [1]


def test_one_playlist_is_sent_at_a_time(served, links, settings):
    """A server that accepts and never answers keeps one visitor waiting, not all."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        settings(f'[mpd]\nhost = "127.0.0.1"\nport = {silent.getsockname()[1]}')
        wanted = {"to": "mpd", "action": "queue", "links": list(links.values())}
        answers = []
        first = threading.Thread(target=lambda: answers.append(post(f"{served}api/send", wanted)))
        first.start()
        connection, _ = silent.accept()
        second = post(f"{served}api/send", wanted)
        connection.close()
        first.join()
    assert second.status == 429 and "Another playlist" in second.text
    assert answers[0].status == 400 and "cannot be reached" in answers[0].text


def test_nobody_afar_sends_to_the_players_of_this_machine(served, links, settings):
    settings('[mpd]\nhost = "127.0.0.1"')
    assert get(f"{served}api/library", **FROM_AFAR).json["players"] == []
    wanted = {"to": "mpd", "action": "queue", "links": list(links.values())}
    answer = post(f"{served}api/send", wanted, **FROM_AFAR)
    assert answer.status == 400 and "no mpd server" in answer.text


def test_who_knows_the_password_sends_from_anywhere(collection, settings):
    from kobza.webui.app import Access, launch

    settings('[mpd]\nhost = "127.0.0.1"')
    page = launch(collection, Access("127.0.0.1", password="opensesame"))
    try:
        let_in = post(f"{page.local_url}api/login", {"password": "opensesame"}, **FROM_AFAR)
        cookie = let_in.headers["Set-Cookie"].partition(";")[0]
        assert get(f"{page.local_url}api/library", Cookie=cookie, **FROM_AFAR).json["players"] == ["mpd"]
    finally:
        page.close()
