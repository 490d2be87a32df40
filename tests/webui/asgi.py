"""A request to an ASGI app, without a server."""

import asyncio
from collections.abc import Coroutine
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple

Header = tuple[str, str]


class Answer(NamedTuple):
    status: int
    headers: dict[str, str]
    body: bytes


def run_apart(coroutine: Coroutine) -> Any:
    """Its result, from a thread of its own: playwright's event loop may run in this one."""
    with ThreadPoolExecutor(1) as thread:
        return thread.submit(asyncio.run, coroutine).result()


def ask(app, path: str, *headers: Header, method: str = "GET", body: bytes = b"", client: str = "127.0.0.1") -> Answer:
    """What the app answers; its Host is localhost:7860 unless `headers` name another."""
    return run_apart(asking(app, path, *headers, method=method, body=body, client=client))


async def asking(app, path: str, *headers: Header, method: str = "GET", body: bytes = b"", client: str = "127.0.0.1"):
    if not any(name == "host" for name, _ in headers):
        headers = (("host", "localhost:7860"), *headers)
    scope = {
        "type": "http",
        "method": method,
        "path": path,
        "query_string": b"",
        "scheme": "http",
        "server": ("127.0.0.1", 7860),
        "client": (client, 1),
        "headers": [(name.encode(), value.encode("latin-1")) for name, value in headers],
    }
    sent = []
    received = iter([{"type": "http.request", "body": body, "more_body": False}])

    async def receive():
        return next(received, {"type": "http.disconnect"})

    async def send(message):
        sent.append(message)

    await app(scope, receive, send)
    text = {name.decode().lower(): value.decode() for name, value in sent[0]["headers"]}
    return Answer(sent[0]["status"], text, b"".join(message.get("body", b"") for message in sent[1:]))


async def hello(scope, receive, send):
    """An app that answers everything, as Gradio would: with headers for other sites."""
    headers = [(b"access-control-allow-origin", b"*"), (b"access-control-allow-credentials", b"true")]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": b"hello"})
