"""Reading the tags of a file: title, artist, album, genre, year. Unreadable tags count as absent."""

import re
from pathlib import Path
from typing import NamedTuple

import mutagen

from kobza.internal_error import BAD_FILE_ERRORS, raised_by_kobza
from kobza.library.paths import path_to_text

# The names of each tag in Vorbis comments and mutagen's easy ID3/MP4, in raw ID3 (wav, aiff), in ASF (wma).
TAG_NAMES = {
    "title": ("title", "TIT2", "Title"),
    "artist": ("artist", "TPE1", "Author"),
    "album": ("album", "TALB", "WM/AlbumTitle"),
    "genre": ("genre", "TCON", "WM/Genre"),
    "year": ("date", "year", "TDRC", "WM/Year"),
}


class Tags(NamedTuple):
    title: str
    artist: str = ""
    album: str = ""
    genre: str = ""
    year: int | None = None
    seconds: float = 0.0  # the duration in the header, 0 if unknown; may be wrong, used for progress only


def _text(value: object) -> str:
    """A tag's value, of any of mutagen's types, as one line of text.

    >>> _text(["Jazz", "Jazz", "Blues"])
    'Jazz, Blues'
    """
    if isinstance(value, (list, tuple)):
        return ", ".join(filter(None, dict.fromkeys(map(_text, value))))  # some programs write a value twice
    if genres := getattr(value, "genres", None):  # ID3 writes "(17)" for Rock
        return _text(genres)
    if isinstance(frame_text := getattr(value, "text", None), list):  # an ID3 frame
        return _text(frame_text)
    text = str(value).encode("utf-8", "replace").decode("utf-8")
    return " ".join("".join(c if c.isprintable() else " " for c in text).split())


def read_tags(path: str | Path) -> Tags:
    """The tags of the file at `path`; without a title, it is the file's name without extension."""
    found: dict[str, str] = {}
    seconds = 0.0
    try:
        file = mutagen.File(path, easy=True)
        seconds = float(getattr(file.info, "length", None) or 0.0) if file else 0.0
        tags = file.tags if file is not None and file.tags is not None else {}
        for field, names in TAG_NAMES.items():
            for name in names:
                if name in tags and (text := _text(tags[name])):
                    found.setdefault(field, text)
    except Exception as error:  # mutagen's parsers raise many kinds of errors; the track is indexed without tags
        if raised_by_kobza(error) and not isinstance(error, BAD_FILE_ERRORS):
            raise
    year = re.search(r"\d{4}", found.get("year", ""))
    return Tags(
        title=found.get("title") or _text(path_to_text(Path(path).stem)),
        artist=found.get("artist", ""),
        album=found.get("album", ""),
        genre=found.get("genre", ""),
        year=int(year.group()) if year else None,
        seconds=seconds,
    )
