"""Searching by description and by example."""

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query

from kobza.webui.collection import Collection
from kobza.webui.records import hit_record

Text = Annotated[str, Query(max_length=400)]
Count = Annotated[int, Query(ge=1, le=100)]
Offset = Annotated[int, Query(ge=0, le=1000)]


def router(collection: Collection) -> APIRouter:
    routes = APIRouter(prefix="/api")

    @routes.get("/search")
    def search(
        q: Text,
        where: Text = "",
        by: Literal["track", "moment"] = "track",
        match: Literal["sound", "tags", "both"] | None = None,
        k: Count = 10,
        offset: Offset = 0,
    ) -> dict[str, Any]:
        hits = collection.search(q, offset + k, where or None, by, match)
        return {"hits": [hit_record(hit, collection.link) for hit in hits[offset:]], "note": ""}

    @routes.get("/similar")
    def similar(
        link: str, minus: str = "", but: Text = "", where: Text = "", k: Count = 10, offset: Offset = 0
    ) -> dict[str, Any]:
        hits = collection.like_track(link, offset + k, where or None, but or None, [minus] if minus else [])
        return {"hits": [hit_record(hit, collection.link) for hit in hits[offset:]], "note": ""}

    return routes
