"""What the page is told of a hit, as JSON: never a path of the server."""

from collections.abc import Callable
from typing import Any

from kobza.audio import printable
from kobza.library import Hit, Track
from kobza.library.calibration import match_label
from kobza.webui.folders import Folders

Link = Callable[[Track], str]


def tags(track: Track) -> list[str]:
    """Up to three genres of a track, and its year.

    >>> tags(Track("a.mp3", genre="Jazz; Blues", year=1962))
    ['Jazz', 'Blues', '1962']
    """
    genres = [genre.strip() for genre in track.genre.replace(";", ",").split(",")][:3]
    years = [str(track.year)] if track.year else []
    return [tag for tag in genres if tag] + years


def track_record(track: Track, link: Link, folders: Folders) -> dict[str, Any]:
    """A track as the page shows it; `start` is where it begins in its file, None if it is a whole file.

    >>> track_record(Track("/m/Night/bus.mp3", "Bus"), lambda track: "1f", Folders(["/m"]))["folder"]
    'Night'
    """
    return {
        "link": link(track),
        "title": printable(track.title),
        "artist": printable(track.artist),
        "album": printable(track.album),
        "folder": folders.name(track),
        "tags": [printable(tag) for tag in tags(track)],
        "duration": track.duration,
        "start": None if track.end is None else track.start,
    }


def hit_record(hit: Hit, link: Link, folders: Folders) -> dict[str, Any]:
    """A hit as the page shows it.

    `match` is strong, fair, weak, none or, for an example, None; `sound` is the same for the sound alone, None where
    it was not looked at beside the tags; `words` are those of the query that stand in the tags.
    """
    copies = [folders.file_name(path) for path in hit.copies]
    return {
        "track": track_record(hit.track, link, folders) | {"away": not hit.available, "copies": copies},
        "score": hit.score,
        "match": hit.match,
        "moment": hit.moment,
        "sound": None if hit.sound is None else match_label(hit.sound),
        "words": [{name: printable(text) for name, text in found._asdict().items()} for found in hit.words],
    }
