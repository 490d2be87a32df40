"""What the library holds."""

from typing import Any

from fastapi import APIRouter, Request

from kobza.library import LibraryError
from kobza.library.catalog import FIELDS, known_field
from kobza.webui.collection import Collection
from kobza.webui.routes.playlists import players

SHOWN_FIELDS = [field for field in FIELDS if field != "path"]  # no path of the server is shown


def router(collection: Collection) -> APIRouter:
    routes = APIRouter(prefix="/api")

    @routes.get("/library")
    def library(request: Request) -> dict[str, Any]:
        totals = collection.totals
        return {
            "tracks": totals.tracks,
            "seconds": totals.seconds,
            "is_demo": collection.is_demo,
            "is_empty": totals.tracks == 0,
            "version": collection.version,
            "fields": SHOWN_FIELDS,
            "players": players(request),
        }

    @routes.get("/values")
    def values(field: str, where: str = "") -> list[tuple[str | float, int]]:
        if known_field(field) not in SHOWN_FIELDS:
            raise LibraryError(f'There is no field "{field}" here; the fields are {", ".join(SHOWN_FIELDS)}.')
        return collection.library.values(field, where or None)

    return routes
