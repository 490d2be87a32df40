"""Searching by description, by filters alone, and by example."""

from typing import Annotated, Any

from fastapi import APIRouter, Query

from kobza.library import Hit, Track
from kobza.library.search.copies import Limits
from kobza.library.search.interpretation import Interpretation
from kobza.library.search.options import By, Match
from kobza.webui.collection import Collection
from kobza.webui.notes import filter_notes, match_note, query_notes
from kobza.webui.records import hit_record, track_record

Text = Annotated[str, Query(max_length=400)]
Where = Annotated[str, Query(max_length=4000)]
Links = Annotated[str, Query(max_length=1000)]
AtMost = Annotated[int | None, Query(ge=1, le=100)]
Count = Annotated[int, Query(ge=1, le=100)]
Offset = Annotated[int, Query(ge=0, le=1000)]


def router(collection: Collection) -> APIRouter:
    routes = APIRouter(prefix="/api")

    def terms_of(query: Interpretation) -> list[dict[str, Any]]:
        return [{"text": term.text, "weight": term.weight} for term in query.terms]

    def records_of(tracks: list[Track]) -> list[dict[str, Any]]:
        return [track_record(track, collection.link, collection.folders) for track in tracks]

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
        per_artist: AtMost = None,
        per_album: AtMost = None,
        k: Count = 10,
        offset: Offset = 0,
    ) -> dict[str, Any]:
        """The tracks that fit a description; without one, those that pass the filter, in the order of their paths."""
        tree = collection.filter(where)
        if not q.strip() and tree is not None:
            hits = collection.browse(tree, offset + k + 1)
            return page_of(hits, k, offset) | {"kind": "plain", "notes": filter_notes(collection.library, tree, hits)}
        hits, query = collection.search(q, offset + k + 1, tree, by, match, Limits(per_artist, per_album))
        notes = query_notes(query) + filter_notes(collection.library, tree, hits) + match_note(hits)
        return page_of(hits, k, offset) | {"kind": "text", "terms": terms_of(query), "notes": notes}

    @routes.get("/similar")
    def similar(
        link: Links = "",
        clip: str = "",
        minus: Links = "",
        but: Text = "",
        where: Where = "",
        by: By = "track",
        per_artist: AtMost = None,
        per_album: AtMost = None,
        k: Count = 10,
        offset: Offset = 0,
    ) -> dict[str, Any]:
        """The tracks that sound like some of the library, or like a visitor's clip, and not like those of `minus`;
        `but` says what should be different, in the query language. Links have commas between them."""
        tree = collection.filter(where)
        examples, unwanted = collection.tracks(link), collection.tracks(minus)
        hits = collection.like(
            collection.clip(clip) if clip else examples,
            offset + k + 1,
            tree,
            by,
            but or None,
            unwanted,
            Limits(per_artist, per_album),
        )
        query = collection.library.interpret(but, changes=True) if but.strip() else Interpretation([])
        notes = query_notes(query) + filter_notes(collection.library, tree, hits)
        return page_of(hits, k, offset) | {
            "kind": "sound",
            "tracks": records_of(examples),
            "minus": records_of(unwanted),
            "terms": terms_of(query),
            "notes": notes,
        }

    return routes
