import asyncio

import pytest
from asgi import Answer, ask, asking, hello, run_apart

from kobza.webui import limits
from kobza.webui.limits import Limits, RateLimit, visitor


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def test_a_visitor_who_asks_too_fast_waits_and_others_do_not():
    clock = Clock()
    limit = RateLimit(2, 3, 100, 100, clock)
    assert [limit.wait("ann") for _ in range(4)] == [0, 0, 0, 0.5]
    assert limit.wait("bob") == 0
    clock.now = 0.5
    assert limit.wait("ann") == 0 and limit.wait("ann") > 0
    clock.now = 1e9  # a burst and no more, however long one was away
    assert [limit.wait("ann") for _ in range(4)] == [0, 0, 0, 0.5]


def test_all_together_have_a_limit_too():
    limit = RateLimit(10, 10, 1, 5, Clock())
    assert [limit.wait(f"visitor {i}") for i in range(6)] == [0, 0, 0, 0, 0, 1]


def test_visitors_are_forgotten_before_they_fill_the_memory(monkeypatch):
    monkeypatch.setattr(limits, "MAX_VISITORS", 10)
    limit = RateLimit(1, 1, 1e9, 1e9, Clock())
    for i in range(1000):
        limit.wait(str(i))
    assert len(limit._left) == 10


def test_over_the_rate_there_is_a_sentence_and_a_time():
    app = Limits(hello)
    app.rate = RateLimit(0.5, 2, 100, 100, Clock())
    answers = [ask(app, "/api/search") for _ in range(3)]
    assert [answer.status for answer in answers] == [200, 200, 429]
    assert answers[2].headers["retry-after"] == "2" and b"try again in 2 seconds" in answers[2].body
    assert ask(app, "/api/search", client="127.0.0.2").status == 200
    assert ask(app, "/static/main.js").status == 200


@pytest.mark.parametrize("own, total, expected", [(3, 100, 3), (100, 4, 4)])
def test_so_many_at_once(own, total, expected):
    """Of 10 requests, and the next when these are answered."""
    go_on = asyncio.Event()

    async def slow(scope, receive, send):
        await go_on.wait()
        await hello(scope, receive, send)

    app = Limits(slow, own, total)

    async def run() -> list[Answer]:
        asked = [asyncio.create_task(asking(app, "/api/search")) for _ in range(10)]
        await asyncio.sleep(0)
        go_on.set()
        answers = await asyncio.gather(*asked)
        return [*answers, await asking(app, "/api/search")]

    answers = run_apart(run())
    assert [answer.status for answer in answers].count(200) == expected + 1
    assert answers[-1].status == 200 and not app._now


def test_a_large_body_is_refused_before_it_is_read():
    answer = ask(Limits(hello), "/api/playlist", ("content-length", "999999"), method="POST")
    assert answer.status == 413 and b"send less" in answer.body
    assert ask(Limits(hello), "/api/clips", ("content-length", "999999"), method="POST").status == 200


def test_a_body_without_a_length_ends_when_it_is_too_large():
    seen = []

    async def reading(scope, receive, send):
        seen.append(await receive())
        await hello(scope, receive, send)

    ask(Limits(reading), "/api/playlist", method="POST", body=bytes(limits.MAX_BODY_BYTES + 1))
    ask(Limits(reading), "/api/playlist", method="POST", body=b"{}")
    assert [message["type"] for message in seen] == ["http.disconnect", "http.request"]


def test_who_is_one_visitor(monkeypatch):
    def scope(address: str, **headers: str) -> dict:
        sent = [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()]
        return {"client": (address, 1), "headers": sent}

    assert visitor(scope("192.168.1.5")) != visitor(scope("192.168.1.6"))
    assert visitor(scope("2001:db8::1")) == visitor(scope("2001:db8::ffff")) != visitor(scope("2001:db9::1"))
    assert visitor(scope("10.0.0.1", x_forwarded_for="1.2.3.4")) == "10.0.0.1"  # anyone can write that
    monkeypatch.setenv("SPACE_ID", "kobza/kobza")
    assert visitor(scope("10.0.0.1", x_forwarded_for="1.2.3.4, 10.0.0.9")) == "1.2.3.4"
    assert len(visitor(scope("10.0.0.1", x_forwarded_for="x" * 10_000))) < 100
