"""What the page is told of a hit, as JSON: never a path of the server."""

from collections.abc import Callable
from pathlib import PurePath
from typing import Any

from kobza.audio import printable
from kobza.library import Hit, Track
from kobza.library.search.explanations import explanation

Link = Callable[[Track], str]


def tags(track: Track) -> list[str]:
    """Up to three genres of a track, and its year.

    >>> tags(Track("a.mp3", genre="Jazz; Blues", year=1962))
    ['Jazz', 'Blues', '1962']
    """
    genres = [genre.strip() for genre in track.genre.replace(";", ",").split(",")][:3]
    years = [str(track.year)] if track.year else []
    return [tag for tag in genres if tag] + years


def track_record(track: Track, link: Link) -> dict[str, Any]:
    """A track as the page shows it; `start` is where it begins in its file, None if it is a whole file.

    >>> track_record(Track("/music/Night/bus.mp3", "Bus", genre="Jazz"), lambda track: "1f")["folder"]
    'Night'
    """
    return {
        "link": link(track),
        "title": printable(track.title),
        "artist": printable(track.artist),
        "album": printable(track.album),
        "folder": printable(PurePath(track.file).parent.name),
        "tags": [printable(tag) for tag in tags(track)],
        "duration": track.duration,
        "start": None if track.end is None else track.start,
    }


def hit_record(hit: Hit, link: Link) -> dict[str, Any]:
    """A hit as the page shows it; `match` is strong, fair, weak, none or, for an example, None."""
    return {
        "track": track_record(hit.track, link) | {"away": not hit.available, "copies": len(hit.copies)},
        "score": hit.score,
        "match": hit.match,
        "moment": hit.moment,
        "words": [found._asdict() for found in hit.words],
        "why": "" if hit.z_score is None else printable(explanation(hit)),
    }
