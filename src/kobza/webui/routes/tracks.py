"""The recordings, by the links that answers have; a request cannot name a file."""

import mimetypes

from fastapi import APIRouter
from fastapi.responses import FileResponse

from kobza.webui.collection import Collection
from kobza.webui.errors import PageError

# Of extensions that `mimetypes` does not know, or names in a way that browsers do not
MEDIA_TYPES = {
    ".flac": "audio/flac",
    ".m4a": "audio/mp4",
    ".m4b": "audio/mp4",
    ".oga": "audio/ogg",
    ".opus": "audio/ogg",
}


def router(collection: Collection) -> APIRouter:
    routes = APIRouter()

    @routes.get("/track/{link}")
    @routes.head("/track/{link}")
    def track(link: str) -> FileResponse:
        path = collection.file(link)
        if path is None:
            raise PageError("file_gone", 404)
        media_type = MEDIA_TYPES.get(path.suffix.lower()) or mimetypes.guess_type(path.name)[0] or ""
        if not media_type.startswith("audio/"):
            media_type = "application/octet-stream"
        return FileResponse(path, media_type=media_type)

    return routes
