"""Visitors' clips: they come, are tagged and go. What is like them is in `search`, their moments are in `moments`."""

import asyncio
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request, Response

from kobza.webui.clips import KEPT_SECONDS
from kobza.webui.collection import Collection
from kobza.webui.limits import visitor
from kobza.webui.uploads import Uploads


def router(collection: Collection) -> APIRouter:
    routes = APIRouter(prefix="/api/clips")
    uploads = Uploads(collection.embed_clip, lambda: not collection.is_closing.is_set())

    @routes.post("")
    async def send(request: Request, name: Annotated[str, Query(max_length=300)] = "") -> dict[str, Any]:
        """Listen to the file in the request's body. `note` is "cut" if only its beginning was listened to."""
        clip = await uploads.listen(request, visitor(request.scope), name)
        asyncio.get_running_loop().call_later(KEPT_SECONDS + 1, collection.clips.forget_old)  # if nobody else comes
        seconds = round(clip.windows[-1].end, 2)
        return {"clip": collection.clips.put(clip), "seconds": seconds, "note": "cut" if clip.is_cut else ""}

    @routes.delete("/{clip}", status_code=204)
    def remove(clip: str) -> Response:
        collection.clips.remove(clip)
        return Response(status_code=204)

    @routes.get("/{clip}/tags")
    def tags(clip: str, labels: Annotated[str, Query(max_length=2000)]) -> list[tuple[str, float]]:
        """How well each label fits, best first."""
        return collection.tag(collection.clip(clip), labels)

    return routes
