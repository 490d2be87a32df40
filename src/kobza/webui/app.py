"""Assemble the page's server, and run it."""

import contextlib
import mimetypes
import os
import threading
from pathlib import Path

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException
from starlette.staticfiles import StaticFiles

from kobza.errors import KobzaError
from kobza.folders import temporary_folder
from kobza.terminal import say
from kobza.webui.collection import Collection
from kobza.webui.routes import clips, library, map, moments, pages, playlists, search, tracks

# Set before Gradio is imported: no analytics, and no folder that belongs to whichever user ran Gradio first.
os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"
os.environ.setdefault("GRADIO_TEMP_DIR", str(temporary_folder("gradio")))

import gradio

STATIC = Path(__file__).parent / "static"
ROUTERS = (pages, tracks, library, search, moments, clips, map, playlists)
mimetypes.add_type("text/javascript", ".js")  # browsers run no module of another type, which some systems give it


class Page:
    """The page while it is served: `local_url` says where."""

    def __init__(self, app: gradio.Server, local_url: str):
        self.app = app
        self.local_url = local_url

    def close(self) -> None:
        """Stop serving."""
        self.app.get_blocks().close(verbose=False)


def create_app(collection: Collection) -> gradio.Server:
    """The page and its API. Gradio is only the frame that the Hub's Spaces expect: see docs/design.md."""
    app = gradio.Server(title="Kobza", openapi_url=None, docs_url=None, redoc_url=None)
    for routes in ROUTERS:
        app.include_router(routes.router(collection))
    app.mount("/static", StaticFiles(directory=STATIC))
    _answer_errors_with_sentences(app)
    return app


def _answer_errors_with_sentences(app: FastAPI) -> None:
    @app.exception_handler(KobzaError)
    def refused(request: Request, error: KobzaError) -> JSONResponse:
        return JSONResponse({"error": str(error)}, 400)

    @app.exception_handler(RequestValidationError)
    def invalid(request: Request, error: RequestValidationError) -> JSONResponse:
        first = error.errors()[0]
        return JSONResponse({"error": f"{first['loc'][-1]}: {first['msg']}."}, 400)

    @app.exception_handler(HTTPException)
    def failed(request: Request, error: HTTPException) -> JSONResponse:
        return JSONResponse({"error": error.detail}, error.status_code, error.headers)


def launch(collection: Collection, host: str | None = None, port: int | None = None) -> Page:
    """Serve the page without waiting; `Page.local_url` says where, `Page.close()` ends it.

    Args:
        host, port: by default $GRADIO_SERVER_NAME and $GRADIO_SERVER_PORT, as on the Hub's Spaces, or else 127.0.0.1
            and the first free port from 7860.

    Raises:
        ValueError: the port is in use, or there is no such host.
    """
    app = create_app(collection)
    try:
        _, local_url, _ = app.launch(
            server_name=host,
            server_port=port,
            prevent_thread_lock=True,
            quiet=True,
            share=False,
            ssr_mode=False,
            pwa=False,
            run_history=False,
            enable_monitoring=False,
            footer_links=[],
            allowed_paths=[],
            favicon_path=STATIC / "mark.svg",
        )
    except (OSError, OverflowError):  # Gradio's message names arguments that users of `kobza serve` do not have
        address = f"{host or '127.0.0.1'}, port {port or '7860 and the next hundred'}"
        raise ValueError(
            f"The page cannot be served at {address}: it is in use or does not exist; choose with --host and --port."
        ) from None
    return Page(app, local_url)


def run(collection: Collection, host: str | None = None, port: int | None = None) -> None:
    """Serve the page until Ctrl-C. Arguments and errors are those of `launch`."""
    page = launch(collection, host, port)
    say(f"{collection.totals.tracks} tracks are at {page.local_url} now; Ctrl-C stops it.")
    with contextlib.suppress(KeyboardInterrupt):
        threading.Event().wait()
    page.close()
    collection.library.close()
