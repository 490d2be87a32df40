"""What the library holds."""

from typing import Annotated, Any

from fastapi import APIRouter, Query, Request

from kobza.webui.collection import Collection
from kobza.webui.facets import values_like
from kobza.webui.routes.playlists import players

Where = Annotated[str, Query(max_length=4000)]


def router(collection: Collection) -> APIRouter:
    routes = APIRouter(prefix="/api")

    @routes.get("/library")
    def library(request: Request) -> dict[str, Any]:
        """How much there is. `version` changes with the library; `fields` are those with values to filter by."""
        collection.follow()
        totals = collection.totals
        return {
            "tracks": totals.tracks,
            "seconds": totals.seconds,
            "is_demo": collection.is_demo,
            "is_empty": totals.tracks == 0,
            "version": collection.version,
            "fields": collection.fields(),
            "players": players(request),
        }

    @routes.get("/values")
    def values(field: str, where: Where = "", like: str = "") -> list[tuple[str, int]]:
        """The values of a field with their numbers of tracks, those with the text `like` in them."""
        return values_like(collection.values(field, collection.filter(where)), like)

    return routes
