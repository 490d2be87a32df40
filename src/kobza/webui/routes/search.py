"""Searching by description, by filters alone, and by example."""

from typing import Annotated, Any

from fastapi import APIRouter, Query

from kobza.library import Hit
from kobza.library.search.options import By, Match
from kobza.library.search.query import parse_query
from kobza.webui.collection import Collection
from kobza.webui.notes import denial_note, filter_notes, match_note
from kobza.webui.records import hit_record, track_record

Text = Annotated[str, Query(max_length=400)]
Where = Annotated[str, Query(max_length=4000)]
Count = Annotated[int, Query(ge=1, le=100)]
Offset = Annotated[int, Query(ge=0, le=1000)]


def router(collection: Collection) -> APIRouter:
    routes = APIRouter(prefix="/api")

    def page_of(hits: list[Hit], k: int, offset: int) -> dict[str, Any]:
        """`hits` has one more than are asked for, if there are more."""
        shown = hits[offset : offset + k]
        folders = collection.folders
        records = [hit_record(hit, collection.link, folders) for hit in shown]
        return {"hits": records, "more": len(hits) > offset + k}

    @routes.get("/search")
    def search(
        q: Text = "",
        where: Where = "",
        by: By = "track",
        match: Match | None = None,
        k: Count = 10,
        offset: Offset = 0,
    ) -> dict[str, Any]:
        """The tracks that fit a description; without one, those that pass the filter, in the order of their paths."""
        tree = collection.filter(where)
        if not q.strip() and tree is not None:
            hits = collection.browse(tree, offset + k + 1)
            return page_of(hits, k, offset) | {"kind": "plain", "notes": filter_notes(collection.library, tree, hits)}
        terms = [{"text": term.text, "weight": term.weight} for term in parse_query(q)]
        hits = collection.search(q, offset + k + 1, tree, by, match)
        notes = denial_note(q) + filter_notes(collection.library, tree, hits) + match_note(hits)
        return page_of(hits, k, offset) | {"kind": "text", "terms": terms, "notes": notes}

    @routes.get("/similar")
    def similar(
        link: str, minus: str = "", but: Text = "", where: Where = "", k: Count = 10, offset: Offset = 0
    ) -> dict[str, Any]:
        """The tracks that sound like one of the library; `but` says what should be different, in the query language."""
        tree = collection.filter(where)
        track = collection.track(link)
        hits = collection.like_track(link, offset + k + 1, tree, but or None, [minus] if minus else [])
        terms = [{"text": term.text, "weight": term.weight} for term in parse_query(but)] if but.strip() else []
        notes = filter_notes(collection.library, tree, hits)
        record = track_record(track, collection.link, collection.folders)
        return page_of(hits, k, offset) | {"kind": "sound", "track": record, "terms": terms, "notes": notes}

    return routes
