"""Where in a recording a description fits, or another recording sounds like it: its curve of match over time."""

import contextlib
from collections.abc import Sequence
from typing import Annotated, Any

import numpy as np
from fastapi import APIRouter, Query

from kobza.embedding.embedder import EmbeddedWindow, normalized_mean
from kobza.library import LibraryError, MomentScores, Track
from kobza.webui.collection import Collection
from kobza.webui.errors import PageError

FULL_SCORE = 4.0  # of a curve's full height: a strong match of the sound and a word, as of a full bar of the answers
MAX_CURVES = 50  # in one request
BEST_MOMENTS = 5

Description = Annotated[str, Query(max_length=400)]


def router(collection: Collection) -> APIRouter:
    """`moments` of a track or a clip, and the `curves` of many tracks."""
    routes = APIRouter(prefix="/api")

    @routes.get("/moments")
    def moments(q: Description, link: str = "", clip: str = "") -> dict[str, Any]:
        """The curve of a track, or of an uploaded clip, and its best moments."""
        if clip:
            return moments_record(collection.library.locate_in_windows(collection.clip(clip).windows, q))
        track = collection.track(link)
        for scores in collection.library.locate_in_tracks([track], q):
            return moments_record(scores)
        raise PageError("track_gone")

    @routes.get("/curves")
    def curves(links: str, q: Description = "", like: str = "", clip: str = "") -> dict[str, dict[str, Any]]:
        """{link: curve} of `links`, which have commas between them, without the tracks that are gone: how well a
        description fits, or how much they resemble the track `like` or a clip."""
        tracks = _tracks(collection, links.split(","))
        if q:
            found = collection.library.locate_in_tracks(list(tracks.values()), q)
            by_path = {scores.path: match_curve(scores) for scores in found}
            return {link: by_path[track.path] for link, track in tracks.items() if track.path in by_path}
        if not (like or clip):
            raise LibraryError("A curve is that of a description or an example; give q, like or clip.")
        example = collection.clip(clip).windows if clip else _windows(collection, collection.track(like))
        vector = normalized_mean(np.stack([window.vector for window in example]))
        stored = {link: _windows(collection, track) for link, track in tracks.items()}
        return {link: likeness_curve(windows, vector) for link, windows in stored.items() if windows}

    return routes


def _tracks(collection: Collection, links: Sequence[str]) -> dict[str, Track]:
    """The tracks of these links that are still in the library."""
    if len(links) > MAX_CURVES:
        raise PageError("links_many", n=len(links), most=MAX_CURVES)
    tracks = {}
    for link in links:
        with contextlib.suppress(PageError):
            tracks[link] = collection.track(link)
    return tracks


def _windows(collection: Collection, track: Track) -> list[EmbeddedWindow]:
    return collection.library.stored_windows(track) or []


def likeness_curve(windows: Sequence[EmbeddedWindow], vector: np.ndarray) -> dict[str, Any]:
    """The curve of an example (dim,), for JSON, as `match_curve`; its scores are cosines."""
    return {
        "starts": [round(window.start, 2) for window in windows],
        "scores": [round(float(window.vector @ vector), 3) for window in windows],
        "end": round(windows[-1].end, 2),
        "full": 1.0,
    }


def match_curve(scores: MomentScores) -> dict[str, Any]:
    """The curve of a description, for JSON: the start and score of each window, where the last one ends, and the score
    of the full height.

    >>> from kobza.library import Moment
    >>> match_curve(MomentScores("", (Moment(0.0, 10.0, 0.25, 0.25), Moment(10.0, 15.5, 2.0, 2.0))))
    {'starts': [0.0, 10.0], 'scores': [0.25, 2.0], 'end': 15.5, 'full': 4.0}
    """
    return {
        "starts": [round(moment.start, 2) for moment in scores.moments],
        "scores": [round(moment.score, 3) for moment in scores.moments],
        "end": round(scores.moments[-1].end, 2),
        "full": FULL_SCORE,
    }


def moments_record(scores: MomentScores) -> dict[str, Any]:
    """`match_curve`, with the best moments in `best`, best first."""
    best = [
        {"start": round(one.start, 2), "end": round(one.end, 2), "score": round(one.score, 3), "match": one.match}
        for one in scores.best(BEST_MOMENTS)
    ]
    return match_curve(scores) | {"best": best}
