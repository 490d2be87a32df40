"""Visitors' clips: what sounds like one, and how well labels fit it."""

import asyncio
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request, Response

from kobza.webui.clips import KEPT_SECONDS, MAX_CLIP_SECONDS
from kobza.webui.collection import Collection
from kobza.webui.limits import visitor
from kobza.webui.records import hit_record
from kobza.webui.uploads import Uploads

CUT_NOTE = f"A long clip: its first {MAX_CLIP_SECONDS // 60} minutes were listened to."
Where = Annotated[str, Query(max_length=4000)]
Count = Annotated[int, Query(ge=1, le=100)]
Offset = Annotated[int, Query(ge=0, le=1000)]


def router(collection: Collection) -> APIRouter:
    routes = APIRouter(prefix="/api/clips")
    uploads = Uploads(collection.embed_clip, lambda: not collection.is_closing.is_set())

    @routes.post("")
    async def send(request: Request, name: Annotated[str, Query(max_length=300)] = "") -> dict[str, Any]:
        clip = await uploads.listen(request, visitor(request.scope), name)
        asyncio.get_running_loop().call_later(KEPT_SECONDS + 1, collection.clips.forget_old)  # if nobody else comes
        return {"clip": collection.clips.put(clip), "note": CUT_NOTE if clip.is_cut else ""}

    @routes.delete("/{clip}", status_code=204)
    def remove(clip: str) -> Response:
        collection.clips.remove(clip)
        return Response(status_code=204)

    @routes.get("/{clip}/similar")
    def similar(clip: str, where: Where = "", k: Count = 10, offset: Offset = 0) -> dict[str, Any]:
        """The tracks that sound like a clip."""
        hits = collection.like(collection.clip(clip), offset + k + 1, collection.filter(where))
        folders = collection.folders
        records = [hit_record(hit, collection.link, folders) for hit in hits[offset : offset + k]]
        return {"hits": records, "more": len(hits) > offset + k, "kind": "sound", "notes": []}

    @routes.get("/{clip}/tags")
    def tags(clip: str, labels: Annotated[str, Query(max_length=2000)]) -> list[tuple[str, float]]:
        return collection.tag(collection.clip(clip), labels)

    return routes
