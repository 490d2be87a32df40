"""The files of the page: compressed once, and kept by browsers under addresses that change with them.

    static/VERSION/main.js     kept for ever: another version of the page has other addresses
    static/main.js             asked for again each time, with its ETag

The modules and style sheets name each other by relative addresses, so all that a page loads is of its own version. A
page that stayed open while Kobza was upgraded gets the current files under its old addresses, which are not kept.
"""

import gzip
import hashlib
import mimetypes
from pathlib import Path
from typing import NamedTuple

from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

FOLDER = Path(__file__).parent / "static"
FOR_EVER = "public, max-age=31536000, immutable"
ASK_AGAIN = "no-cache"
MIN_SAVING = 0.9  # fonts do not get smaller
mimetypes.add_type("text/javascript", ".js")  # browsers run no module of another type, which some systems give it
mimetypes.add_type("font/woff2", ".woff2")


class File(NamedTuple):
    content: bytes
    compressed: bytes | None  # gzip; None where it saves nothing
    media_type: str
    etag: str


class StaticFiles:
    """An ASGI app with the files of a folder, which it reads now. `version` is of all of them."""

    def __init__(self, folder: Path = FOLDER):
        paths = sorted(path for path in folder.rglob("*") if path.is_file())
        self.files = {path.relative_to(folder).as_posix(): _read(path) for path in paths}
        digest = hashlib.sha256(repr([(name, file.etag) for name, file in self.files.items()]).encode())
        self.version = digest.hexdigest()[:12]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["method"] not in ("GET", "HEAD"):
            raise HTTPException(405)
        name = scope["path"].removeprefix(scope.get("root_path", "")).lstrip("/")
        version, _, rest = name.partition("/")
        is_current = version == self.version
        file = self.files.get(name) or self.files.get(rest)
        if file is None:
            raise HTTPException(404)
        await _response(file, Headers(scope=scope), is_current)(scope, receive, send)


def _read(path: Path) -> File:
    content = path.read_bytes()
    compressed = gzip.compress(content, mtime=0)
    media_type = mimetypes.guess_type(path.name)[0] or "application/octet-stream"
    etag = hashlib.sha256(content).hexdigest()[:16]
    return File(content, compressed if len(compressed) < MIN_SAVING * len(content) else None, media_type, f'"{etag}"')


def _response(file: File, headers: Headers, is_current: bool) -> Response:
    shared = {"Cache-Control": FOR_EVER if is_current else ASK_AGAIN, "ETag": file.etag, "Vary": "Accept-Encoding"}
    if file.etag in (tag.strip().removeprefix("W/") for tag in headers.get("if-none-match", "").split(",")):
        return Response(status_code=304, headers=shared)
    if file.compressed is not None and "gzip" in headers.get("accept-encoding", ""):
        return Response(file.compressed, headers=shared | {"Content-Encoding": "gzip"}, media_type=file.media_type)
    return Response(file.content, headers=shared, media_type=file.media_type)


FILES = StaticFiles()
