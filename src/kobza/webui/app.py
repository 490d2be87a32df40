"""Assemble the page's server, and run it."""

import gc
import logging
import os
import shutil
import signal
import socket
import threading
from dataclasses import dataclass

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from filelock import FileLock
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp

from kobza.errors import KobzaError
from kobza.folders import cache_folder, temporary_folder
from kobza.terminal import say
from kobza.webui import static_files
from kobza.webui.collection import Collection
from kobza.webui.errors import PageError, error_response
from kobza.webui.limits import Limits
from kobza.webui.login import Login
from kobza.webui.routes import clips, library, map, moments, pages, playlists, search, tracks
from kobza.webui.security import LOOPBACK, Gate, Hosts

# Set before Gradio is imported: no analytics, and no folder that belongs to whichever user ran Gradio first.
os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"
os.environ.setdefault("GRADIO_TEMP_DIR", str(temporary_folder("gradio")))

import gradio

ROUTERS = (pages, tracks, library, search, moments, clips, map, playlists)
GRACE_SECONDS = 0  # for answers that are under way when the page is closed: who listens would keep it open


@dataclass(frozen=True)
class Access:
    """Who may use the page.

    Attributes:
        host, port: where it is served. By default $GRADIO_SERVER_NAME and $GRADIO_SERVER_PORT, as on the Hub's Spaces,
            or else 127.0.0.1 and the first free port from 7860.
        allowed_hosts: further names that visitors reach it by.
        password: what visitors must know; "" if all may listen.
    """

    host: str | None = None
    port: int | None = None
    allowed_hosts: tuple[str, ...] = ()
    password: str = ""

    @property
    def bound(self) -> str:
        return (self.host or os.environ.get("GRADIO_SERVER_NAME") or "127.0.0.1").strip("[]")

    @property
    def is_open(self) -> bool:
        """Whether other machines are let in without a password."""
        return self.bound not in LOOPBACK and not self.password


class Server(gradio.Server):
    """Gradio's server mode, which the Hub's Spaces expect, behind our own gate: see docs/design.md."""

    def __init__(self, access: Access):
        super().__init__(title="Kobza", openapi_url=None, docs_url=None, redoc_url=None)
        self._access = access
        self.gate: Gate | None = None

    def build_middleware_stack(self) -> ASGIApp:
        """Around all that Gradio adds."""
        stack: ASGIApp = Limits(super().build_middleware_stack())
        if self._access.password:
            stack = Login(stack, self._access.password, pages.LOGIN.render())
        self.gate = Gate(stack, Hosts.of(self._access.bound, self._access.allowed_hosts))
        return self.gate


class Page:
    """The page while it is served: `local_url` says where."""

    def __init__(self, app: Server, local_url: str):
        self.app = app
        self.local_url = local_url

    def close(self) -> None:
        """Stop serving at once: who is still listening to a recording is cut off."""
        served = self.app.get_blocks()
        if served.server is not None:
            served.server.config.timeout_graceful_shutdown = GRACE_SECONDS
        served.close(verbose=False)


def create_app(collection: Collection, access: Access = Access()) -> Server:
    """The page and its API."""
    app = Server(access)
    for routes in ROUTERS:
        app.include_router(routes.router(collection))
    app.mount("/static", static_files.FILES)
    _answer_errors_with_sentences(app)
    return app


def _answer_errors_with_sentences(app: FastAPI) -> None:
    @app.exception_handler(KobzaError)
    def refused(request: Request, error: KobzaError) -> JSONResponse:
        return error_response(error)

    @app.exception_handler(RequestValidationError)
    def invalid(request: Request, error: RequestValidationError) -> JSONResponse:
        first = error.errors()[0]
        return error_response(PageError("value_invalid", name=str(first["loc"][-1]), reason=first["msg"]))

    @app.exception_handler(HTTPException)
    def failed(request: Request, error: HTTPException) -> JSONResponse:
        return JSONResponse({"error": error.detail}, error.status_code, error.headers)

    @app.exception_handler(Exception)
    def unexpected(request: Request, error: Exception) -> JSONResponse:
        return error_response(PageError("unexpected", 500))


def launch(collection: Collection, access: Access = Access()) -> Page:
    """Serve the page without waiting; `Page.local_url` says where, `Page.close()` ends it.

    Raises:
        ValueError: the port is in use, or there is no such host.
    """
    _remove_old_uploads()
    app = create_app(collection, access)
    bound = f"[{access.bound}]" if ":" in access.bound else access.bound
    try:
        _check_host(access.bound)
        with FileLock(cache_folder() / "serve.lock"):  # or two servers that start at once would choose the same port
            _, local_url, _ = app.launch(
                server_name=bound,
                server_port=access.port,
                prevent_thread_lock=True,
                quiet=True,
                share=False,
                ssr_mode=False,
                pwa=False,
                run_history=False,
                enable_monitoring=False,
                footer_links=[],
                allowed_paths=[],
                favicon_path=static_files.FOLDER / "mark.svg",
            )
    except (OSError, OverflowError, UnicodeError):  # Gradio's message names arguments that `kobza serve` does not have
        address = f"{access.bound}, port {access.port or '7860 and the next hundred'}"
        raise ValueError(
            f"The page cannot be served at {address}: it is in use or does not exist; choose with --host and --port."
        ) from None
    if app.gate is not None:
        app.gate.is_starting = False
    return Page(app, local_url)


def _check_host(host: str) -> None:
    """OSError, UnicodeError: nothing can be served there. Gradio would try a hundred ports for 5 seconds each."""
    family, _, _, _, address = socket.getaddrinfo(host, 0, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0]
    socket.create_server(address, family=family).close()


def _remove_old_uploads() -> None:
    """Delete the clips that versions before 0.3 left behind when they were ended by a signal."""
    for left in temporary_folder("gradio").iterdir():
        shutil.rmtree(left, ignore_errors=True)


def run(collection: Collection, access: Access = Access()) -> None:
    """Serve the page until Ctrl-C or SIGTERM. Errors are those of `launch`."""
    is_over = threading.Event()
    page = launch(collection, access)
    gc.freeze()  # the models and modules stay: looking through them for garbage would hold up searches
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: is_over.set())
    say(f"{collection.totals.tracks} tracks are at {page.local_url} now; Ctrl-C stops it.")
    if access.is_open:
        say("Everyone who reaches this address can listen to all of it; --password asks visitors for a password.")
    while not is_over.wait(0.5):  # a wait without an end would keep Python from calling the handler on Windows
        pass
    collection.is_closing.set()
    logging.getLogger("uvicorn.error").setLevel(logging.CRITICAL)  # which calls an answer that is cut off an error
    page.close()
    collection.close()
    gc.freeze()  # nor is there a need to look through it before the process ends, which takes two seconds
    say("Stopped.")
