"""The columns of a table of hits, by name. A new column is one entry of `COLUMNS`."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from kobza.audio import printable
from kobza.cells import cut_end, cut_path, one_line
from kobza.library.records import Hit
from kobza.suggestions import unknown


@dataclass(frozen=True)
class Column:
    """What a column shows of a hit.

    Attributes:
        text: the whole cell, one line.
        share: 0 if the column is always as wide as its longest cell; otherwise its share of a narrow terminal.
        head: its heading, if that is not its name.
    """

    text: Callable[[Hit], str]
    share: int = 0
    right: bool = False
    cut: Callable[[str, int], str] = cut_end
    head: str = ""


def clock(seconds: float) -> str:
    """Seconds as minutes and seconds, and hours if there are any.

    >>> clock(75.3), clock(3675.3)
    ('1:15', '1:01:15')
    """
    minutes, hours = int(seconds) // 60 % 60, int(seconds) // 3600
    return (f"{hours}:{minutes:02d}" if hours else f"{minutes}") + f":{int(seconds) % 60:02d}"


def iso_time(seconds: float | None) -> str:
    """A time in seconds since 1970 as ISO 8601, with the offset of this machine's time zone; "" for None."""
    return "" if seconds is None else datetime.fromtimestamp(seconds).astimezone().isoformat(timespec="seconds")


def _number(name: str, form: str = "g", unit: str = "", head: str = "") -> Column:
    """A column of the track's field `name`, empty where it is unknown."""

    def text(hit: Hit) -> str:
        value = getattr(hit.track, name)
        return "" if value is None else f"{value:{form}}{unit}"

    return Column(text, right=True, head=head)


def _text(name: str, share: int) -> Column:
    return Column(lambda hit: one_line(getattr(hit.track, name)), share)


def title_and_copies(hit: Hit) -> str:
    """
    >>> from kobza.library.records import Track
    >>> title_and_copies(Hit(1.0, Track("/a.mp3", title="Rain"), 0.0, copies=("/b.mp3",)))
    'Rain +1 copy'
    """
    count = len(hit.copies)
    note = f" +{count} {'copy' if count == 1 else 'copies'}" if count else ""
    return one_line(hit.track.title) + note


COLUMNS = {
    "score": Column(lambda hit: f"{hit.score:.3f}", right=True),
    "match": Column(lambda hit: hit.match or ""),
    "sound": Column(lambda hit: "" if hit.sound is None else f"{hit.sound:.3f}", right=True),
    "title": Column(title_and_copies, 3),
    "artist": _text("artist", 2),
    "album": _text("album", 2),
    "album_artist": _text("album_artist", 2),
    "composer": _text("composer", 2),
    "genre": _text("genre", 2),
    "comment": _text("comment", 2),
    "year": _number("year", "d"),
    "track_number": _number("track_number", "d", head="no."),
    "duration": Column(lambda hit: clock(hit.track.duration), right=True),
    "start": Column(lambda hit: "" if hit.track.end is None else clock(hit.track.start), right=True),
    "end": Column(lambda hit: "" if hit.track.end is None else clock(hit.track.end), right=True),
    "moment": Column(lambda hit: clock(hit.moment), right=True),
    "bpm": _number("bpm", ".0f"),
    "key": _text("key", 0),
    "loudness": _number("loudness", ".1f", " LUFS"),
    "energy": _number("energy", ".2f"),
    "format": _text("format", 0),
    "bitrate": _number("bitrate", "d", " kbit/s"),
    "sample_rate": _number("sample_rate", "d", " Hz"),
    "added": Column(lambda hit: iso_time(hit.track.added)[:10]),
    "available": Column(lambda hit: "yes" if hit.available else "no"),
    "path": Column(lambda hit: printable(hit.track.path), 3, cut=cut_path),
}


def column_names(text: str) -> list[str]:
    """The names in a comma-separated list, as in `COLUMNS`.

    >>> column_names("Title, album artist")
    ['title', 'album_artist']

    Raises:
        ValueError: there is no such column, or no name at all.
    """
    names = [word.strip().lower().replace(" ", "_").replace("-", "_") for word in text.split(",")]
    names = [name for name in names if name]
    if not names:
        raise ValueError(f"no column is named; choose from {', '.join(COLUMNS)}")
    for name in names:
        if name not in COLUMNS:
            raise ValueError(unknown(name, COLUMNS, "column"))
    return list(dict.fromkeys(names))
