"""Clips on their way to the model: how many, how much, how they leave."""

import asyncio
import threading

import numpy as np
import pytest
from asgi import run_apart
from starlette.requests import Request

from kobza.folders import temporary_folder
from kobza.webui import uploads as module
from kobza.webui.clips import Clip, ClipError
from kobza.webui.uploads import MAX_CLIPS_AT_ONCE, MAX_OF_A_VISITOR, Uploads

CLIP = Clip((), np.ones(3))


class Listener:
    """Stands for the model: notes what it heard, and goes on when it may."""

    def __init__(self):
        self.heard, self.wanted = [], []
        self.may_go_on = threading.Event()
        self.is_open = True

    def uploads(self) -> Uploads:
        return Uploads(self.embed, lambda: self.is_open)

    def embed(self, file, name, is_wanted):
        assert self.may_go_on.wait(30)
        self.wanted.append(is_wanted())
        self.heard.append((name, file.read()))
        return CLIP


@pytest.fixture
def listener():
    made = Listener()
    yield made
    made.may_go_on.set()


def request(*parts: bytes, leaves: bool = False, **headers: str) -> Request:
    """A request with a body in parts; its visitor then waits, or leaves (at once if there is no last part)."""
    messages = [{"type": "http.request", "body": part, "more_body": True} for part in parts]
    if messages:
        messages[-1]["more_body"] = False

    async def receive():
        await asyncio.sleep(0)
        if messages:
            return messages.pop(0)
        if not leaves:
            await asyncio.sleep(60)
        return {"type": "http.disconnect"}

    sent = [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()]
    return Request({"type": "http", "method": "POST", "path": "/api/clips", "headers": sent}, receive)


async def settle() -> None:
    for _ in range(50):
        await asyncio.sleep(0.001)


def test_a_clip_comes_raw_or_in_a_form(listener):
    listener.may_go_on.set()
    form = b'--x\r\nContent-Disposition: form-data; name="f"; filename="b.wav"\r\n\r\nsound\r\n--x--\r\n'

    async def run():
        uploads = listener.uploads()
        assert await uploads.listen(request(b"so", b"und"), "ann", r"C:\clips\a.wav") is CLIP
        assert await uploads.listen(request(form, content_type="multipart/form-data; boundary=x"), "ann", "") is CLIP
        assert uploads._bytes == 0 and not uploads._visitors

    run_apart(run())
    assert listener.heard == [("a.wav", b"sound"), ("b.wav", b"sound")] and listener.wanted == [True, True]


@pytest.mark.parametrize(
    "body, headers, status, sentence",
    [
        ((b"",), {}, 400, "Drop a recording"),
        ((b"--x--\r\n",), {"content_type": "multipart/form-data; boundary=x"}, 400, "Drop a recording"),
        ((b"x",), {"content_type": "multipart/form-data"}, 400, "form with the clip cannot be read"),
        ((bytes(60), bytes(60)), {}, 413, "larger than"),
        ((bytes(10),), {"content_length": "99999999"}, 413, "larger than"),
        ((), {"leaves": True}, 400, "did not arrive whole"),
    ],
)
def test_what_is_no_clip_gets_a_sentence(listener, monkeypatch, body, headers, status, sentence):
    monkeypatch.setattr(module, "MAX_CLIP_BYTES", 100)

    async def run():
        uploads = listener.uploads()
        with pytest.raises(ClipError) as caught:
            await uploads.listen(request(*body, **headers), "ann", "a.wav")
        assert sentence in str(caught.value) and caught.value.status == status
        assert uploads._bytes == 0 and not uploads._visitors

    run_apart(run())
    assert not listener.heard


def test_so_many_clips_at_once(listener):
    async def run():
        uploads = listener.uploads()

        async def send(who: str):
            return await uploads.listen(request(b"sound"), who, "a.wav")

        own = [asyncio.create_task(send("ann")) for _ in range(MAX_OF_A_VISITOR)]
        await settle()
        with pytest.raises(ClipError, match="Your last clip") as caught:
            await send("ann")
        assert caught.value.status == 429 and caught.value.headers["Retry-After"]
        others = [asyncio.create_task(send(f"visitor {i}")) for i in range(MAX_CLIPS_AT_ONCE - MAX_OF_A_VISITOR)]
        await settle()
        with pytest.raises(ClipError, match="Too many clips") as caught:
            await send("bob")
        assert caught.value.status == 429
        listener.may_go_on.set()
        assert await asyncio.gather(*own, *others) == [CLIP] * MAX_CLIPS_AT_ONCE
        assert await send("bob") is CLIP and uploads._bytes == 0

    run_apart(run())


def test_so_much_on_the_disc(listener, monkeypatch):
    monkeypatch.setattr(module, "MAX_BYTES", 100)

    async def run():
        uploads = listener.uploads()
        first = asyncio.create_task(uploads.listen(request(bytes(80)), "ann", "a.wav"))
        await settle()
        with pytest.raises(ClipError, match="Too many clips"):
            await uploads.listen(request(bytes(30)), "bob", "b.wav")
        assert uploads._bytes == 80
        listener.may_go_on.set()
        await first

    run_apart(run())


def test_the_sound_has_no_name_that_could_stay_behind(listener):
    async def run():
        task = asyncio.create_task(listener.uploads().listen(request(bytes(100_000)), "ann", "a.wav"))
        await settle()
        assert not list(temporary_folder("clips").rglob("*"))
        listener.may_go_on.set()
        await task

    run_apart(run())
    assert len(listener.heard[0][1]) == 100_000


def test_nobody_listens_for_a_visitor_who_left_or_a_server_that_ends(listener):
    async def run():
        uploads = listener.uploads()
        left = asyncio.create_task(uploads.listen(request(b"sound", leaves=True), "ann", "a.wav"))
        waits = asyncio.create_task(uploads.listen(request(b"sound"), "bob", "b.wav"))
        await settle()
        listener.is_open = False
        listener.may_go_on.set()
        await left
        with pytest.raises(ClipError, match="Nobody waits"):
            await waits
        with pytest.raises(ClipError, match="Too many clips"):
            await uploads.listen(request(b"sound"), "ann", "a.wav")

    run_apart(run())
    assert listener.wanted == [False]


def test_a_clip_that_comes_too_slowly_is_refused(listener, monkeypatch):
    monkeypatch.setattr(module, "MAX_SECONDS", 0.05)
    monkeypatch.setattr(module, "DRAIN_SECONDS", 0.05)

    async def run():
        with pytest.raises(ClipError, match="did not arrive within") as caught:
            await listener.uploads().listen(request(), "ann", "a.wav")
        assert caught.value.status == 408

    run_apart(run())
