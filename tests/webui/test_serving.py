"""The server as a visitor without a browser meets it: what it gives, and what it must not give."""

import http.client
import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.parse
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest
from hostile import SECRET
from recordings import ToneEmbedder, tone, write
from requesting import Answer, ask, get

from kobza import MusicLibrary
from kobza.cli import main

SPACES = Path(__file__).resolve().parents[2] / "spaces"


def links(served: str) -> list[str]:
    """The tracks that a search shows."""
    return [hit["track"]["link"] for hit in ask(served, "search", q="fast drum solo")["hits"]]


def test_a_search_finds(served):
    hits = ask(served, "search", q="fast drum solo")["hits"]
    assert len(hits) == 5 and hits[0]["track"]["title"] == "Sticks" and hits[0]["match"] == "strong"
    assert [hit["score"] for hit in hits] == sorted((hit["score"] for hit in hits), reverse=True)
    assert ask(served, "search", q="fast drum solo", k=2, offset=1)["hits"] == hits[1:3]
    only = ask(served, "search", q="fast drum solo", where="genre = sacred")["hits"]
    assert [hit["track"]["title"] for hit in only] == ["Stone and Light"]
    alike = ask(served, "similar", link=hits[0]["track"]["link"])["hits"]
    assert len(alike) == 4 and "Sticks" not in [hit["track"]["title"] for hit in alike]


def test_the_library_is_described(served):
    described = ask(served, "library")
    assert described["tracks"] == 5 and not described["is_empty"] and not described["is_demo"]
    assert described["version"] == ask(served, "library")["version"]
    assert ["Rock", 2] in ask(served, "values", field="genre")


def test_the_page_needs_nothing_from_elsewhere(served):
    page = get(served)
    assert page.status == 200 and "<title>Kobza" in page.text
    for name in re.findall(r'(?:src|href)="([^"]+)"', page.text):
        assert get(urllib.parse.urljoin(served, name)).status == 200, name
        assert urllib.parse.urljoin(served, name).startswith(served)


def test_a_track_is_served_as_audio_in_ranges(served, music):
    for link in links(served):
        whole = get(f"{served}track/{link}")
        assert whole.status == 200 and whole.headers["Content-Type"] == "audio/flac"
        assert whole.body in [path.read_bytes() for path in music.glob("*.flac")]
    part = get(f"{served}track/{link}", Range="bytes=100-199")
    assert part.status == 206 and part.body == whole.body[100:200]
    assert get(f"{served}track/{link}", method="HEAD").status == 200


def test_what_is_no_track_is_not_served(served, music):
    paths = [music / "secret.txt", music.parent / "elsewhere.flac", music / "rock.flac", Path("/etc/passwd")]
    names = ["", "x", *map(str, paths), "../music/secret.txt", "..", "../../../../etc/passwd"]
    for name in names:
        for quoted in (name, urllib.parse.quote(name, safe=""), urllib.parse.quote(urllib.parse.quote(name, safe=""))):
            answer = get(f"{served}track/{quoted}")
            assert answer.status == 404 or "text/html" in answer.headers["Content-Type"], quoted
            assert SECRET not in answer.text and "root:" not in answer.text and not answer.body.startswith(b"fLaC")


@pytest.mark.parametrize("route", ["gradio_api/file=", "file=", "kobza/", "static/", "assets/", "gradio_api/proxy="])
def test_gradios_own_ways_to_files_lead_nowhere(served, music, route):
    package = Path(__file__).resolve().parents[2] / "src" / "kobza" / "webui" / "app.py"
    files = [music / "secret.txt", music / "rock.flac", music.parent / "secret.txt", Path("/etc/passwd"), package]
    for file in files:
        up = "../" * 12
        relative = os.path.relpath(file)
        for name in (
            str(file),
            f"{up}{file}",
            relative,
            f"{music}/../music/{file.name}",
            f"//{file}",
            f"file://{file}",
        ):
            for quoted in (name, urllib.parse.quote(name, safe=""), name.replace("..", "%2e%2e")):
                answer = get(f"{served}{route}{urllib.parse.quote(quoted, safe='/%:=')}")
                assert SECRET not in answer.text and "root:" not in answer.text, quoted
                assert not answer.body.startswith(b"fLaC") and "def launch(" not in answer.text, quoted


@pytest.fixture
def inside():
    """A server that only this machine is meant to reach."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(200)
            self.end_headers()
            self.wfile.write(SECRET.encode())

        def log_message(self, *_):
            pass

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/"
        server.shutdown()


def test_the_server_fetches_nothing_for_a_visitor(served, inside):
    for route in ("gradio_api/file=", "gradio_api/proxy="):
        assert SECRET not in get(f"{served}{route}{inside}").text


def upload(served: str, body: bytes, **values: str) -> Answer:
    return get(f"{served}api/clips?{urllib.parse.urlencode(values)}", body, "POST")


def test_a_clip_finds_its_like_and_is_tagged_until_it_is_removed(served, music):
    answer = json.loads(upload(served, (music / "flute solo.flac").read_bytes(), name="flute.flac").body)
    assert answer["note"] == "" and answer["seconds"] == pytest.approx(16.35, abs=0.1)
    clip = answer["clip"]
    hits = ask(served, "similar", clip=clip)["hits"]
    assert hits[0]["track"]["title"] == "Swallows" and hits[0]["score"] > 0.999 and len(hits) == 5
    assert ask(served, "similar", clip=clip, k=2, offset=1)["hits"] == hits[1:3]
    rock = ask(served, "similar", clip=clip, where="genre = rock", but="fast drum solo")["hits"]
    assert rock[0]["track"]["title"] == "Sticks" and len(rock) == 2
    tags = ask(served, f"clips/{clip}/tags", labels="church organ, flute, <u>drums</u>, flute")
    assert tags[0][0] == "flute" and len(tags) == 3
    assert get(f"{served}api/clips/{clip}", method="DELETE").status == 204
    for path in (f"similar?clip={clip}", f"clips/{clip}/tags?labels=flute"):
        answer = get(f"{served}api/{path}")
        assert answer.status == 400 and "choose it again" in json.loads(answer.body)["error"]


def test_of_a_long_clip_the_beginning_is_listened_to(served, tmp_path):
    path = write(tmp_path / "long.flac", tone(440, 200))
    assert json.loads(upload(served, path.read_bytes()).body)["note"] == "cut"


def test_a_bad_clip_gets_a_sentence_and_leaves_nothing(served, monkeypatch, tmp_path):
    answer = upload(served, b"These are my notes.\n" * 99, name="my notes.mp3")
    assert answer.status == 400 and "my notes.mp3 cannot be read as a recording" in json.loads(answer.body)["error"]
    assert "Drop a recording here first" in json.loads(upload(served, b"").body)["error"]
    connection = http.client.HTTPConnection(urllib.parse.urlsplit(served).netloc, timeout=60)
    connection.putrequest("POST", "/api/clips")
    connection.putheader("Content-Length", str(61 << 20))
    connection.endheaders()
    refused = connection.getresponse()
    assert refused.status == 413 and "larger than 60 MB" in json.loads(refused.read())["error"]
    connection.close()


@pytest.mark.parametrize(
    "path, sentence",
    [
        ("search?q=", "The description is empty"),
        ("search?q=%20%0a", "The description is empty"),
        ("search?q=x&k=0", "k: "),
        ("search", "The description is empty"),
        ("similar", "Name a track"),
        ("search?q=x&where=year%20%3E", ""),
        ("similar?link=..", "no longer in the library"),
        ("values?field=nothing", "There are no values"),
        ("values?field=path", "There are no values"),
    ],
)
def test_a_bad_request_gets_a_sentence(served, path, sentence):
    answer = get(f"{served}api/{path}")
    assert answer.status == 400 and sentence in json.loads(answer.body)["error"]


@pytest.fixture
def bare(tmp_path):
    """The address of an empty library's page."""
    from kobza.webui.app import launch
    from kobza.webui.collection import Collection

    class NamedEmbedder(ToneEmbedder):
        def embed_text(self, texts):
            return super().embed_text(["tone 440"] * len(texts))

    with MusicLibrary.open(tmp_path / "library", NamedEmbedder()) as library:
        page = launch(Collection(library))
        yield page.local_url
        page.close()


def test_an_empty_library_says_so(bare):
    assert ask(bare, "library")["is_empty"] and ask(bare, "search", q="anything")["hits"] == []


def test_bad_arguments_get_a_sentence(tmp_path, tiny_checkpoint, capsys, monkeypatch):
    assert main(["serve", "--library", str(tmp_path / "nowhere")]) == 1
    assert "There is no library at" in capsys.readouterr().err
    MusicLibrary.open(tmp_path / "library", tiny_checkpoint).close()
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        assert main(["serve", "--library", str(tmp_path / "library"), "--model", tiny_checkpoint, "--port", port]) == 1
    assert "choose with --host and --port" in capsys.readouterr().err
    assert main(["serve", "--library", str(tmp_path / "library"), "--model", tiny_checkpoint, "--port", "99999"]) == 1
    assert "port 99999" in capsys.readouterr().err
    assert main(["serve", "--password", ""]) == 1
    assert "The password is empty" in capsys.readouterr().err
    monkeypatch.setitem(sys.modules, "gradio", None)
    monkeypatch.delitem(sys.modules, "kobza.webui.app")
    assert main(["serve", "--library", str(tmp_path / "library")]) == 1
    assert "kobza serve needs gradio: run `pip install 'kobza[space]'`." in capsys.readouterr().err


@pytest.mark.parametrize(
    "host, password, is_open",
    [
        (None, "", False),
        ("localhost", "", False),
        ("[::1]", "", False),
        ("0.0.0.0", "", True),
        ("192.168.1.5", "", True),
        ("0.0.0.0", "x", False),
    ],
)
def test_who_is_let_in_without_a_password(host, password, is_open, monkeypatch):
    from kobza.webui.app import Access

    monkeypatch.delenv("GRADIO_SERVER_NAME", raising=False)
    assert Access(host, password=password).is_open is is_open
    monkeypatch.setenv("GRADIO_SERVER_NAME", "0.0.0.0")  # as on the Hub and in its Docker images
    assert Access(None, password=password).is_open is not bool(password)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_the_file_for_the_hub_serves_until_it_is_stopped(tmp_path, tiny_checkpoint, number):
    """By Ctrl-C, or by Docker and systemd, while a visitor listens and another sends a clip; nothing is left behind."""
    write(tmp_path / "music" / "one.flac", tone(300, 3))
    with MusicLibrary.open(tmp_path / "library", tiny_checkpoint) as library:
        library.add(tmp_path / "music")
    command = [sys.executable, SPACES / "app.py", "--library", tmp_path / "library", "--model", tiny_checkpoint]
    (tmp_path / "tmp").mkdir()
    environment = os.environ | {"TMPDIR": str(tmp_path / "tmp")}
    run = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=environment)
    try:
        line = next(line for line in run.stderr if "http" in line)
        port = int(re.search(r"1 tracks are at http://127\.0\.0\.1:(\d+)/ now", line).group(1))
        link = json.loads(get(f"http://127.0.0.1:{port}/api/search?q=x").body)["hits"][0]["track"]["link"]
        with (
            socket.create_connection(("127.0.0.1", port)) as listens,
            socket.create_connection(("127.0.0.1", port)) as sends,
        ):
            listens.sendall(f"GET /track/{link} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
            assert listens.recv(12) == b"HTTP/1.1 200"
            sends.sendall(
                b"POST /api/clips HTTP/1.1\r\nHost: localhost\r\nContent-Length: 900000\r\n\r\n" + bytes(9000)
            )
            time.sleep(0.2)
            run.send_signal(number)
            told = time.monotonic()
            assert next(line for line in run.stderr if "Stopped" in line) == "Stopped.\n"
            assert time.monotonic() - told < 10  # half a second on a machine that has nothing else to do
            assert run.wait(60) == 0
        assert not [path for path in (tmp_path / "tmp").rglob("*") if path.is_file()]
    finally:
        run.kill()
        run.stderr.close()
