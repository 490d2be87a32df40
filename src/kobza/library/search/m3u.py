"""Playlist files in the format M3U8: extended M3U in UTF-8, which most players read."""

import os
import urllib.parse
from collections.abc import Callable, Sequence

from kobza.library.paths import is_url
from kobza.library.records import Track
from kobza.library.search.entries import Entry


def as_m3u(
    entries: Sequence[Entry],
    relative_to: str | os.PathLike[str] | None = None,
    url_of: Callable[[Track], str] | None = None,
) -> bytes:
    """An extended M3U playlist in UTF-8.

    Where an entry begins or ends inside its file, a line `#EXTVLCOPT` says so. VLC obeys it; other players take it for
    a comment and play the whole file.

    Args:
        relative_to: the folder in which the playlist will be; paths are relative to it. Without it they are absolute.
        url_of: the address of a track's file, to be there in place of its path.

    >>> low = Track("/music/low.mp3", "Low", "Ann", duration=95.4)
    >>> print(as_m3u([Entry(low, start=70.0)], relative_to="/music/lists").decode(), end="")
    #EXTM3U
    #EXTINF:95,Ann - Low
    #EXTVLCOPT:start-time=70
    ../low.mp3
    """
    lines = ["#EXTM3U"]
    for entry in entries:
        length = round(entry.track.duration) or -1  # -1 is the format's word for unknown
        lines.append(f"#EXTINF:{length},{' '.join(entry.name.split())}")
        if entry.start:
            lines.append(f"#EXTVLCOPT:start-time={seconds(entry.start)}")
        if entry.end is not None:
            lines.append(f"#EXTVLCOPT:stop-time={seconds(entry.end)}")
        lines.append(url_of(entry.track) if url_of is not None else _location(entry.track.file, relative_to))
    return ("\n".join(lines) + "\n").encode("utf-8", "replace")


def file_url(path: str) -> str:
    """The URL of an absolute path, or the URL that it is.

    >>> file_url("/music/a b.mp3")
    'file:///music/a%20b.mp3'
    """
    return path if is_url(path) else f"file://{urllib.parse.quote(os.fsencode(path))}"


def seconds(value: float) -> str:
    """A time as players read it on their command lines and in playlists: to the millisecond, without an exponent.

    >>> seconds(70.0), seconds(1234567.25)
    ('70', '1234567.25')
    """
    return f"{value:.3f}".rstrip("0").rstrip(".")


def _location(path: str, relative_to: str | os.PathLike[str] | None) -> str:
    """The line that names a file: its path or, where a path would not be understood, its URL."""
    if is_url(path):
        return path
    location = os.fsencode(path)
    if relative_to is not None:
        location = os.path.relpath(location, os.fsencode(os.path.abspath(relative_to)))
    try:
        text = location.decode()
    except UnicodeDecodeError:
        return file_url(path)
    if not text.isprintable() or text != text.rstrip():
        return file_url(path)
    if relative_to is None:
        # VLC reads every path as a part of a URL, in which these have a meaning.
        return file_url(path) if set(text) & set("#?%") else text
    # A line that begins with # is a comment, one that begins with "word:" a URL, and leading spaces are dropped.
    plain = not text.startswith(("#", " ")) and ":" not in text.split("/")[0]
    return text if plain else f"./{text}"
