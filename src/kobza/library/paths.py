"""Paths and URLs of recordings, and their text form that is the same under every locale.

Python decodes a path's bytes by the locale: the folder that is "é" under UTF-8 is "Ã©" under ISO-8859-1. What is stored
or given to other programs is therefore the bytes decoded as UTF-8; an invalid byte becomes a lone surrogate.
"""

import json
import os
import re
import shlex
from collections.abc import Collection, Container, Iterable
from pathlib import PurePath

from kobza.audio import AUDIO_EXTENSIONS, printable

PART = re.compile(r"(.+)#(\d+)", re.DOTALL)  # a track within a file, see `ingest.parts`
UTF8 = ("utf-8", "surrogateescape")

PathLike = str | os.PathLike[str]


def is_url(path: str | os.PathLike[str]) -> bool:
    """Whether it names a recording outside this machine's file system.

    >>> is_url("s3://bucket/a.mp3"), is_url("/music/a.mp3")
    (True, False)
    """
    return isinstance(path, str) and "://" in path


def absolute(path: str | os.PathLike[str]) -> str:
    """The absolute path; a URL without the slashes at its end.

    >>> absolute("/music/../music/jazz/"), absolute("s3://bucket/jazz/")
    ('/music/jazz', 's3://bucket/jazz')
    """
    text = os.fspath(path)
    return text.rstrip("/") if is_url(text) else os.path.abspath(text)


def is_available(path: str) -> bool:
    """Whether the file is there now: it is not on a disc that is away, nor deleted since. Of a URL this is assumed.

    >>> is_available("/unplugged/a.mp3"), is_available("s3://bucket/a.mp3")
    (False, True)
    """
    return is_url(path) or os.path.isfile(path)


def under(path: str, folder: str) -> bool:
    """Whether `path` is `folder` or is inside it; both absolute.

    >>> under("/music/jazz/a.mp3", "/music/jazz"), under("/music/jazzy.mp3", "/music/jazz")
    (True, False)
    """
    return path == folder or path.startswith(folder.rstrip(os.sep) + os.sep)


def file_of(path: str, files: Container[str] = ()) -> str:
    """The file of a track; `files` are known to be files, whatever their names.

    >>> file_of("/music/album.flac#3"), file_of("/music/song #3.flac")
    ('/music/album.flac', '/music/song #3.flac')
    """
    match = PART.fullmatch(path)
    if match and path not in files and has_parts(match[1]):
        return match[1]
    return path


def has_parts(path: str) -> bool:
    """Whether tracks within this file can be in a library: whether its name is that of a recording.

    >>> has_parts("/music/album.flac"), has_parts("/music/jazz")
    (True, False)
    """
    return PurePath(path).suffix.lower() in AUDIO_EXTENSIONS


def under_or_part(path: str, folder: str) -> bool:
    """Whether `path` is `folder`, is inside it, or is a track within it, if it is a file.

    >>> under_or_part("/music/album.flac#3", "/music/album.flac"), under_or_part("/music/a#3.mp3", "/music/a")
    (True, False)
    """
    return under(path, folder) or (
        has_parts(folder) and re.match(r"#[0-9]", path[len(folder) :]) is not None and path.startswith(folder)
    )


def shell_word(path: str | os.PathLike[str]) -> str:
    """The path as a word to paste into a shell.

    >>> shell_word("/music/a b.mp3"), shell_word("/music/a\\n.mp3")
    ("'/music/a b.mp3'", "$'/music/a\\\\n.mp3'")
    """
    if printable(path) == path_to_text(path):
        return shlex.quote(printable(path))
    escaped = os.fsencode(path).replace(b"\\", rb"\\").replace(b"'", rb"\'")
    return f"$'{printable(os.fsdecode(escaped))}'"  # bash and zsh undo the escapes of `printable` in such a word


def enclosing(path: str, folders: Collection[str]) -> str | None:
    """The innermost of `folders` that is `path` or contains it; None if none does.

    >>> enclosing("/music/jazz/a.mp3", {"/music", "/music/jazz"}), enclosing("/musical.mp3", {"/music"})
    ('/music/jazz', None)
    """
    while path not in folders:
        parent = path.rpartition("/")[0] if is_url(path) else os.path.dirname(path)
        if parent in (path, ""):
            return None
        path = parent
    return path


def outermost(paths: Iterable[str]) -> list[str]:
    """Without those that are inside another one.

    >>> outermost(["/music/jazz", "/music", "/more"])
    ['/more', '/music']
    """
    kept: list[str] = []
    for path in sorted(set(paths), key=len):
        if not any(under(path, other) for other in kept):
            kept.append(path)
    return sorted(kept)


def path_to_text(path: str | os.PathLike[str]) -> str:
    return os.fsencode(path).decode(*UTF8)


def path_from_text(text: str) -> str:
    """The inverse of `path_to_text`, as this process's locale decodes paths."""
    return os.fsdecode(text.encode(*UTF8))


def paths_to_json(paths: Iterable[str]) -> str:
    return json.dumps(sorted(map(path_to_text, paths)))


def paths_from_json(text: str) -> list[str]:
    return [path_from_text(path) for path in json.loads(text)]


def merge_paths_json(*texts: str) -> str:
    """
    >>> merge_paths_json('["/b"]', '["/a", "/b"]')
    '["/a", "/b"]'
    """
    return json.dumps(sorted({path for text in texts for path in json.loads(text)}))
