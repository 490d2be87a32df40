"""The map of the library: its points, what lights up on it, and paths across it."""

from collections.abc import Sequence
from typing import Annotated, Any

import numpy as np
from fastapi import APIRouter, Query, Response

from kobza.embedding.embedder import normalized_mean
from kobza.library import Hit, Track
from kobza.library.calibration import STRONG_Z_SCORE, WEAK_Z_SCORE
from kobza.library.search.options import By, Match
from kobza.webui.collection import Collection
from kobza.webui.errors import PageError
from kobza.webui.map.document import LibraryMap
from kobza.webui.records import hit_record

MAX_LIT = 300  # tracks that a search lights up
MIN_LIT = 10  # of these at least, however poor the matches are
MIN_STRENGTH = 0.1  # of the light of the weakest
MAX_LINKS = 50  # in one request
FOR_EVER = {"Cache-Control": "private, max-age=31536000, immutable"}

Text = Annotated[str, Query(max_length=400)]
Where = Annotated[str, Query(max_length=4000)]


def router(collection: Collection) -> APIRouter:
    """`map`, and below it its `points`, the `tracks` of some of them, the `matches` of a search, and a `path`."""
    routes = APIRouter(prefix="/api")
    keeper = collection.map_keeper
    kept_points: dict[str, bytes] = {}

    @routes.get("/map")
    def about() -> dict[str, Any]:
        """What is drawn besides the points; `version` is "" until there is a map. A newer one may be on its way."""
        shown = keeper.current()
        progress = {"is_computing": keeper.is_computing, "is_old": keeper.is_old, "error": keeper.error}
        progress["code"] = "map_failed" if keeper.error else ""
        if shown is None:
            return progress | {"version": "", "tracks": 0}
        return progress | {
            "version": shown.version,
            "tracks": len(shown),
            "best": shown.best_colouring,
            "colourings": [{"by": one.by, "names": one.names, "counts": one.counts} for one in shown.colourings],
            "regions": [region.record() for region in shown.regions],
        }

    @routes.get("/map/points")
    def points(version: str) -> Response:
        """For n tracks: positions, float32 (n, 2), little-endian; links, 12 bytes each; a byte for each colouring."""
        shown = current()
        if version != shown.version:
            raise PageError("map_changed", 409)
        if version not in kept_points:
            kept_points.clear()
            kept_points[version] = points_as_bytes(shown, [collection.link(Track(path)) for path in shown.paths])
        return Response(kept_points[version], media_type="application/octet-stream", headers=FOR_EVER)

    @routes.get("/map/tracks")
    def tracks(links: str) -> dict[str, Any]:
        """The tracks of these links, which have commas between them, each from its most typical moment."""
        wanted = links.split(",")
        if len(wanted) > MAX_LINKS:
            raise PageError("links_many", n=len(wanted), most=MAX_LINKS)
        hits = []
        for path in filter(None, map(collection.path, wanted)):
            for track, _, starts, vectors in collection.library.store.scan(path):
                moment = starts[int(np.argmax(vectors @ normalized_mean(vectors)))]
                hits.append(Hit(0.0, track, moment))
        folders = collection.folders
        return {"hits": [hit_record(hit, collection.link, folders) for hit in hits]}

    @routes.get("/map/matches")
    def matches(
        version: str, q: Text = "", where: Where = "", by: By = "track", match: Match | None = None
    ) -> dict[str, Any]:
        """Which points a description finds, by their numbers, with the strengths of the matches in (0, 1]; and which
        pass the filter, None without one."""
        shown = current()
        if version != shown.version:
            raise PageError("map_changed", 409)
        tree = collection.filter(where)
        passing = None
        if tree is not None:
            passing = shown.numbers(track.path for track in collection.library.store.select(tree))
        hits = collection.search(q, MAX_LIT, tree, by, match).hits if q.strip() else []
        lit: dict[int, float] = {}
        for hit in lit_hits(hits):
            number = shown.number(hit.track.path)
            if number is not None:
                lit.setdefault(number, round(strength(hit.score), 2))  # the best of a track's moments comes first
        return {
            "points": list(lit),
            "strengths": list(lit.values()),
            "passing": passing,
            "is_poor": bool(hits) and hits[0].match == "none",
        }

    @routes.get("/map/path")
    def path(start: str, end: str, k: Annotated[int, Query(ge=2, le=50)] = 10, where: Where = "") -> dict[str, Any]:
        """k tracks that lead gradually from one to another."""
        first, last = collection.track(start), collection.track(end)
        hits = collection.library.playlist(first, last, k, collection.filter(where))
        folders = collection.folders
        return {"hits": [hit_record(hit, collection.link, folders) for hit in hits]}

    def current() -> LibraryMap:
        shown = keeper.current()
        if shown is None:
            raise PageError("map_computing")
        return shown

    return routes


def points_as_bytes(shown: LibraryMap, links: Sequence[str]) -> bytes:
    """What `api/map/points` sends."""
    colours = b"".join(one.colours.astype(np.uint8).tobytes() for one in shown.colourings)
    return shown.positions.astype("<f4").tobytes() + bytes.fromhex("".join(links)) + colours


def lit_hits(hits: Sequence[Hit]) -> list[Hit]:
    """The hits that are matches, and at least the first few."""
    return [hit for i, hit in enumerate(hits) if i < MIN_LIT or hit.match != "none"]


def strength(score: float) -> float:
    """How brightly a match of this score lights up: 1 for a strong one.

    >>> strength(-1.0), strength(1.5), strength(3.0)
    (0.1, 0.5, 1.0)
    """
    return min(1.0, max(MIN_STRENGTH, (score - WEAK_Z_SCORE) / (STRONG_Z_SCORE - WEAK_Z_SCORE)))
