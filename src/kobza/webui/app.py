"""Serve the Space's page and the recordings that it shows."""

import contextlib
import mimetypes
import threading
from pathlib import Path

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import FileResponse
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

from kobza.terminal import say
from kobza.webui.collection import Collection
from kobza.webui.page import build, gr
from kobza.webui.theme import theme

STATIC = Path(__file__).parent / "static"
MAX_UPLOAD_BYTES = 60 * 1024 * 1024
# Of extensions that `mimetypes` does not know, or names in a way that browsers do not
MEDIA_TYPES = {
    ".flac": "audio/flac",
    ".m4a": "audio/mp4",
    ".m4b": "audio/mp4",
    ".oga": "audio/ogg",
    ".opus": "audio/ogg",
}


def _track_route(collection: Collection) -> Route:
    """Serves recordings by the links that the page shows; a request cannot name a file."""

    def track(request: Request) -> FileResponse:
        path = collection.file(request.path_params["link"])
        if path is None:
            raise HTTPException(404, "There is no such track.")
        media_type = MEDIA_TYPES.get(path.suffix.lower()) or mimetypes.guess_type(path.name)[0] or ""
        if not media_type.startswith("audio/"):
            media_type = "application/octet-stream"
        return FileResponse(path, media_type=media_type, headers={"X-Content-Type-Options": "nosniff"})

    return Route("/track/{link}", track)


def launch(collection: Collection, host: str | None = None, port: int | None = None) -> gr.Blocks:
    """Serve the page without waiting; `page.local_url` says where, `page.close()` ends it.

    Args:
        host, port: by default $GRADIO_SERVER_NAME and $GRADIO_SERVER_PORT, as on the Hub's Spaces, or else 127.0.0.1
            and the first free port from 7860.

    Raises:
        ValueError: the port is in use, or there is no such host.
    """
    page = build(collection)
    routes = [_track_route(collection), Mount("/kobza", StaticFiles(directory=STATIC))]
    try:
        page.launch(
            server_name=host,
            server_port=port,
            prevent_thread_lock=True,
            quiet=True,
            share=False,
            ssr_mode=False,
            pwa=False,
            run_history=False,
            footer_links=[],
            allowed_paths=[],
            max_file_size=MAX_UPLOAD_BYTES,
            favicon_path=STATIC / "mark.svg",
            theme=theme(),
            head='<link rel="stylesheet" href="kobza/style.css"><script defer src="kobza/player.js"></script>',
            app_kwargs={"routes": routes},
        )
    except (OSError, OverflowError):  # Gradio's message names arguments that users of `kobza serve` do not have
        address = f"{host or '127.0.0.1'}, port {port or '7860 and the next hundred'}"
        raise ValueError(
            f"The page cannot be served at {address}: it is in use or does not exist; choose with --host and --port."
        ) from None
    return page


def run(collection: Collection, host: str | None = None, port: int | None = None) -> None:
    """Serve the page until Ctrl-C. Arguments and errors are those of `launch`."""
    page = launch(collection, host, port)
    say(f"{collection.totals.tracks} tracks are at {page.local_url} now; Ctrl-C stops it.")
    with contextlib.suppress(KeyboardInterrupt):
        threading.Event().wait()
    page.close(verbose=False)
    collection.library.close()
