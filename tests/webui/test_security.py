"""What other sites, other names and other servers of the same machine ask for is refused."""

import json
import socket
import urllib.parse
from pathlib import Path

import pytest
from asgi import ask, hello
from requesting import get

from kobza.webui.security import Gate, Hosts, comes_from_elsewhere, host_name

EVIL = "evil.example"


def gate(bound: str = "127.0.0.1", *allowed: str) -> Gate:
    made = Gate(hello, Hosts.of(bound, allowed))
    made.is_starting = False
    return made


@pytest.mark.parametrize("host", ["localhost:7860", "LOCALHOST", "127.0.0.1:1", "[::1]:7860"])
def test_this_machine_is_answered(host):
    assert ask(gate(), "/api/search", ("host", host)).status == 200


@pytest.mark.parametrize(
    "host", [EVIL, f"{EVIL}:7860", "192.168.1.5", "localhost.evil.example", "evil.example@localhost", "", "a b", "[::1"]
)
def test_another_name_for_this_machine_is_refused(host):
    answer = ask(gate(), "/api/search", ("host", host))
    assert answer.status == 403 and b"--allow-host" in answer.body and b"hello" not in answer.body


def test_a_request_has_one_host():
    assert ask(gate(), "/", ("host", "localhost"), ("host", EVIL)).status == 403


def test_further_names_are_allowed_by_name():
    allowed = gate("192.168.1.5", "Music.example.org")
    assert ask(allowed, "/", ("host", "music.example.org")).status == 200
    assert ask(allowed, "/", ("host", "192.168.1.5:7860")).status == 200
    assert ask(allowed, "/", ("host", "192.168.1.6:7860")).status == 403


def test_on_all_addresses_numbers_and_the_machines_name_are_answered(monkeypatch):
    monkeypatch.setattr(socket, "gethostname", lambda: "Musicbox")
    for host in ("192.168.1.6:7860", "[fe80::1]:7860", "musicbox:7860", "musicbox.local"):
        assert ask(gate("0.0.0.0"), "/", ("host", host)).status == 200, host
    assert ask(gate("0.0.0.0"), "/", ("host", EVIL)).status == 403  # a name can be rebound, a number cannot


def test_a_space_answers_for_its_name_within_the_hubs_page(monkeypatch):
    monkeypatch.setenv("SPACE_HOST", "kobza-kobza.hf.space")
    monkeypatch.setenv("SPACE_ID", "kobza/kobza")
    answer = ask(gate(), "/", ("host", "kobza-kobza.hf.space"))
    assert answer.status == 200
    assert answer.headers["content-security-policy"].endswith("frame-ancestors https://huggingface.co")


@pytest.mark.parametrize(
    "header",
    [
        ("origin", f"http://{EVIL}"),
        ("origin", "http://localhost:9999"),
        ("origin", "https://localhost:78600"),
        ("origin", "null"),
        ("origin", ""),
        ("sec-fetch-site", "cross-site"),
        ("sec-fetch-site", "same-site"),
        ("referer", f"http://{EVIL}/localhost:7860"),
    ],
)
@pytest.mark.parametrize("method, path", [("GET", "/api/search"), ("POST", "/api/clips"), ("GET", "/track/1f")])
def test_other_sites_and_ports_are_refused(header, method, path):
    answer = ask(gate(), path, header, method=method)
    assert answer.status == 403 and b"hello" not in answer.body


@pytest.mark.parametrize(
    "header",
    [
        ("origin", "http://localhost:7860"),
        ("sec-fetch-site", "same-origin"),
        ("sec-fetch-site", "none"),
        ("referer", "http://localhost:7860/?q=piano"),
        ("user-agent", "curl/8"),
    ],
)
def test_the_page_itself_and_programs_are_answered(header):
    assert ask(gate(), "/api/clips", header, method="POST").status == 200


def test_a_link_from_another_site_opens_the_page():
    assert ask(gate(), "/", ("sec-fetch-site", "cross-site"), ("referer", f"http://{EVIL}/")).status == 200


@pytest.mark.parametrize("path", ["/", "/api/search", "/static/main.js", "/track/1f", "/nowhere"])
def test_every_answer_says_what_a_browser_may_do(path):
    headers = ask(gate(), path).headers
    policy = headers["content-security-policy"]
    assert policy.startswith("default-src 'none'; script-src 'self';") and "frame-ancestors 'none'" in policy
    assert "unsafe" not in policy and "http" not in policy
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["cross-origin-resource-policy"] == "same-origin"
    assert not any(name.startswith("access-control-") for name in headers)
    refused = ask(gate(), path, ("host", EVIL)).headers
    assert {name: headers[name] for name in refused if name in headers and "content-" not in name}
    assert refused["content-security-policy"] == policy


CLOSED = (
    *("config", "monitoring", "monitoring/summary", "openapi.json", "docs", "redoc", "gradio_api/info"),
    *("gradio_api/queue/join", "login", "token", "gradio_api/queue/data", "gradio_api/upload"),
    *("gradio_api/run/predict", "gradio_api/api/predict", "gradio_api/call/predict"),
    *("gradio_api/openapi.json", "gradio_api/app_id", "gradio_api/heartbeat/x"),
    *("gradio_api/startup-events", "gradio_api/token", "gradio_api/vibe-edit", "gradio_api/runs"),
    *("gradio_api/file=/etc/passwd", "manifest.json", "theme.css", "logout", "assets/index.js"),
    *("svelte/x.js", "gradio_api/deep_link", "gradio_api/stream/x", "pwa_icon", "robots.txt"),
)


@pytest.mark.parametrize("path", CLOSED)
def test_gradios_own_routes_are_closed(served, path):
    for data in (None, b"{}"):
        answer = get(f"{served}{path}", data)
        assert answer.status == 404 and answer.text == "There is no such page.", (path, data)


def test_an_attacker_reads_no_title_and_no_sound(served):
    """DNS rebinding, another site's form, another port's queue: each as it was done."""
    link = json.loads(get(f"{served}api/search?q=drums").body)["hits"][0]["track"]["link"]
    for headers in ({"Host": EVIL}, {"Origin": f"http://{EVIL}"}, {"Sec-Fetch-Site": "same-site"}):
        for path in ("api/search?q=drums", f"track/{link}", "api/library", f"api/similar?link={link}"):
            answer = get(f"{served}{path}", **headers)
            assert answer.status == 403 and "Sticks" not in answer.text and not answer.body.startswith(b"fLaC")
        assert get(f"{served}api/clips", b"RIFF", **headers).status == 403
        assert get(f"{served}api/clips/x", method="DELETE", **headers).status == 403


def test_no_answer_names_a_folder_of_the_server(served, music):
    links = [hit["track"]["link"] for hit in json.loads(get(f"{served}api/search?q=drums").body)["hits"]]
    where = urllib.parse.quote('path = "/nowhere/x.flac"')
    asked = ["library", "values?field=genre", "values?field=path", "search?q=drums", f"search?q=drums&where={where}"]
    asked += [f"similar?link={links[0]}", f"similar?link={links[0]}&where={where}", f"search?q=flac&where={where}"]
    for path in asked:
        text = get(f"{served}api/{path}").text
        assert str(music) not in text and str(Path.home()) not in text, path


def test_names_of_hosts():
    assert host_name("user:secret@localhost") == "" and host_name("localhost.") == "localhost"
    assert not comes_from_elsewhere({"host": "localhost:7860"})
