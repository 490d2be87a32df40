import json
from http.cookies import SimpleCookie

import pytest
from asgi import ask, hello

from kobza.webui.login import SESSION_SECONDS, Login, Sessions


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def login(clock):
    return Login(hello, "pass wörd", "<form>", clock)


def try_password(login, password: object, client: str = "127.0.0.1", **headers: str):
    body = json.dumps({"password": password}).encode()
    return ask(login, "/api/login", *headers.items(), method="POST", body=body, client=client)


def cookie(answer) -> SimpleCookie:
    return SimpleCookie(answer.headers["set-cookie"])


def test_without_the_password_nothing_of_the_library_is_given(login):
    page = ask(login, "/")
    assert page.status == 401 and page.body == b"<form>" and page.headers["cache-control"] == "no-store"
    for path in ("/api/library", "/track/1f", "/api/clips", "/api/login/../library", "/API/login", "/api/login/"):
        answer = ask(login, path)
        assert answer.status == 401 and b"hello" not in answer.body, path
    assert ask(login, "/static/login.js").status == 200


def test_who_knows_the_password_is_let_in(login):
    answer = try_password(login, "pass wörd")
    assert answer.status == 200
    (morsel,) = cookie(answer).values()
    assert morsel["httponly"] and morsel["samesite"] == "lax" and morsel["path"] == "/"
    sent = ("cookie", f"other=1; {morsel.key}={morsel.value}")
    assert ask(login, "/api/library", sent).body == b"hello" and ask(login, "/", sent).body == b"hello"


@pytest.mark.parametrize("password", ["", "pass word", "pass wörd ", "PASS WÖRD", None, 7, ["pass wörd"], "\ud800"])
def test_another_password_is_refused(login, password):
    answer = try_password(login, password)
    assert answer.status in (400, 401) and "set-cookie" not in answer.headers


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"7", b'"x"', b"x" * 10_000])
def test_what_is_no_password_gets_a_sentence(login, body):
    answer = ask(login, "/api/login", method="POST", body=body)
    assert answer.status == 400 and b"Send the password as JSON" in answer.body
    assert ask(login, "/api/login").status == 405


def test_guessing_is_slow_even_with_the_right_guess(login, clock):
    assert [try_password(login, str(i)).status for i in range(6)] == [401] * 5 + [429]
    assert try_password(login, "pass wörd").status == 429
    assert try_password(login, "pass wörd", "192.168.1.5").status == 200  # others are not locked out
    clock.now = 21
    assert try_password(login, "pass wörd").status == 200


@pytest.mark.parametrize("change", ["x", "", ".", "99999999999.abc", "é.é", "0" * 64])
def test_a_forged_cookie_is_refused(login, change):
    name = next(iter(cookie(try_password(login, "pass wörd"))))
    assert ask(login, "/api/library", ("cookie", f"{name}={change}")).status == 401


def test_a_cookie_ends(clock):
    sessions = Sessions(clock)
    value = sessions.new()
    end, _, signature = value.partition(".")
    assert sessions.is_valid(value) and not sessions.is_valid(f"{int(end) + 1}.{signature}")
    assert not Sessions(clock).is_valid(value)
    clock.now = SESSION_SECONDS
    assert not sessions.is_valid(value)


def test_over_https_the_cookie_is_never_sent_without():
    async def run_over_https(scope, receive, send):
        await Login(hello, "x", "")(scope | {"scheme": "https"}, receive, send)

    assert cookie(try_password(run_over_https, "x")).popitem()[1]["secure"]
