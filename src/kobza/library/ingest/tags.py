"""What a file says of itself: title, artist, album, genre, year. Bad tags are no tags, never an error."""

import re
from pathlib import Path
from typing import NamedTuple

import mutagen

from kobza.internal_error import BAD_FILE_ERRORS, raised_by_kobza
from kobza.library.paths import path_to_text

# The same thing by its name in Vorbis comments and easy ID3/MP4, in raw ID3 (wav, aiff), in ASF (wma).
NAMES = {
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
    seconds: float = 0.0  # as the header has it, 0 if unknown: good enough for a progress bar


def _text(value) -> str:
    """A tag's value, of whatever kind its format has, as one line of text."""
    if isinstance(value, (list, tuple)):
        return ", ".join(filter(None, dict.fromkeys(map(_text, value))))  # some writers say the same twice
    if getattr(value, "genres", None):  # ID3 writes "(17)" for Rock
        return _text(value.genres)
    if isinstance(getattr(value, "text", None), list):  # an ID3 frame
        return _text(value.text)
    text = str(value).encode("utf-8", "replace").decode("utf-8")
    return " ".join("".join(c if c.isprintable() else " " for c in text).split())


def read_tags(path: str | Path) -> Tags:
    """The tags of the file at `path`; the title falls back to the file's name without its extension."""
    found: dict[str, str] = {}
    seconds = 0.0
    try:
        file = mutagen.File(path, easy=True)
        seconds = float(getattr(file.info, "length", None) or 0.0) if file else 0.0
        for field, names in NAMES.items():
            for name in names:
                if (
                    file is not None
                    and file.tags is not None
                    and name in file.tags
                    and (text := _text(file.tags[name]))
                ):
                    found.setdefault(field, text)
    except Exception as error:  # mutagen's parsers fail on odd bytes in many ways: none is worth losing a track
        if raised_by_kobza(error) and not isinstance(error, BAD_FILE_ERRORS):
            raise
    year = re.search(r"\d{4}", found.pop("year", ""))
    title = found.pop("title", "") or _text(path_to_text(Path(path).stem))
    return Tags(title, **found, year=int(year.group()) if year else None, seconds=seconds)
