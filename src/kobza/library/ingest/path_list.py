"""Lists of recordings as input: M3U and PLS playlists, or plain text with a path a line."""

import os
import re
import urllib.parse
from pathlib import Path

from kobza.library.ingest.cue import decode_text
from kobza.library.paths import is_url
from kobza.library.records import LibraryError

PLAYLIST_EXTENSIONS = (".m3u", ".m3u8", ".pls")
UTF8_MARK = b"\xef\xbb\xbf"


def read_path_list(path: str | os.PathLike[str]) -> list[str]:
    """The paths and URLs that a list names. In playlists, relative paths are relative to the playlist's folder.

    Comments, a byte order mark, ends of lines of any system, `file://` URLs and backslashes are understood. Text in
    other encodings than UTF-8 is guessed, unless a file of exactly these bytes exists.

    Raises:
        LibraryError: it cannot be read.
    """
    try:
        data = Path(path).read_bytes()
    except OSError as error:
        raise LibraryError(f"The list {os.fspath(path)} cannot be read ({error.strerror}); check its path.") from error
    is_playlist = Path(path).suffix.lower() in PLAYLIST_EXTENSIONS or data.removeprefix(UTF8_MARK).startswith(
        b"#EXTM3U"
    )
    folder = os.path.dirname(os.path.abspath(path)) if is_playlist else os.getcwd()
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        data = decode_text(data).encode("utf-8", "surrogatepass")
    lines = data.removeprefix(UTF8_MARK).splitlines()
    if Path(path).suffix.lower() == ".pls":
        lines = [match[1] for line in lines if (match := re.match(rb"File\d+=(.*)", line.strip(), re.IGNORECASE))]
    entries = (_entry(line, folder) for line in lines)
    return [entry for entry in entries if entry is not None]


def _entry(line: bytes, folder: str) -> str | None:
    """The path or URL of a line; None for an empty line or a comment."""
    if not line.strip():
        return None
    names = [os.fsdecode(line), os.fsdecode(line.strip()), decode_text(line.strip())]
    if names[1].lower().startswith("file:"):
        url = urllib.parse.urlsplit(names[1])
        return os.path.join(folder, os.fsdecode(urllib.parse.unquote_to_bytes(url.path)))
    if is_url(names[1]):
        return names[1]
    names += [name.replace("\\", "/") for name in names]
    paths = [os.path.join(folder, name) for name in names if "\0" not in name]
    existing = next((path for path in paths if os.path.exists(path)), None)
    if existing is None and line.lstrip().startswith(b"#"):
        return None
    return existing or os.path.join(folder, names[1])
