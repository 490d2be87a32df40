"""Which files of a folder are music, by their names or first bytes, and why others are passed over."""

import re
from functools import lru_cache

from kobza.audio_formats import AUDIO_EXTENSIONS, UNSUPPORTED_EXTENSIONS

TRASH_FOLDERS = frozenset(
    (
        *("$recycle.bin", "recycler", "recycled", "#recycle", "@recycle", "recycle bin", "lost+found", "found.000"),
        *(".trash", ".trashes", ".stversions", ".recycle", ".recycle.bin"),
    )
)
# Of systems, network storage and programs. Snapshots hold every recording once more.
SYSTEM_FOLDERS = frozenset(
    (
        *("@eadir", "@tmp", "@sharesnap", "#snapshot", ".snapshot", ".snapshots", ".zfs", ".@__thumb", "@__thumb"),
        *("system volume information", ".spotlight-v100", ".fseventsd", ".temporaryitems", ".documentrevisions-v100"),
        *(".appledouble", ".apdisk", "__macosx", ".thumbnails", ".cache", ".config", ".local", ".git", ".hg", ".svn"),
        *(".stfolder", ".sync", ".dropbox.cache", ".venv", ".wine", ".steam", ".mozilla", ".npm", ".cargo", ".var"),
    )
)
UNFINISHED_EXTENSIONS = frozenset((".part", ".partial", ".crdownload", ".download", ".!ut", ".!qb", ".filepart"))
FIRST_BYTES = 64  # that `is_audio_content` needs
# The first bytes of the formats that FFmpeg reads here
SIGNATURES = re.compile(
    rb"fLaC|OggS|ID3[\x02-\x04]|RIFF....WAVE|RF64....WAVE|riff\x2e\x91\xcf\x11|FORM....AIF[FC]|MAC |wvpk|TTA[12]|caff"
    rb"|\.snd|\x1aE\xdf\xa3|DSD |FRM8.{8}DSD |MPCK|MP\+|\x30\x26\xb2\x75\x8e\x66\xcf\x11|....ftyp(M4[AB]|mp4|isom|dash)"
    rb"|#!AMR|tBaK|ajkg|Creative Voice File|\x0b\x77.{3}[\x00-\x5f]",
    re.DOTALL,
)
# An mp3 (or mp2) without a tag: a frame's header of layer 2 or 3 with a possible bit rate and sampling rate
MPEG_FRAME = re.compile(rb"\xff[\xe2-\xe7\xf2-\xf7\xfa-\xfd][\x10-\xeb]")


def extension(name: str) -> str:
    """The file's extension in lower case; "" if what follows the last dot is no extension but part of a title.

    >>> extension("a.FLAC"), extension("...Baby One More Time.oga"), extension("Mr. Brightside"), extension(".hack")
    ('.flac', '.oga', '', '')
    """
    stem, dot, end = name.rpartition(".")
    return _as_extension(end) if dot and stem.strip(".") else ""


@lru_cache(maxsize=1000)  # a library has few
def _as_extension(end: str) -> str:
    return f".{end.lower()}" if re.fullmatch(r"[A-Za-z0-9!]{1,10}", end) else ""


def is_audio_content(start: bytes) -> bool:
    """Whether a file that begins with these `FIRST_BYTES` is one of the formats that FFmpeg reads.

    >>> is_audio_content(b"fLaC" + bytes(60)), is_audio_content(b"#!/bin/sh")
    (True, False)
    """
    return bool(SIGNATURES.match(start) or MPEG_FRAME.match(start))


def folder_skip_reason(name: str) -> str | None:
    """Why a folder of this name is not music; None if it may be.

    >>> folder_skip_reason("$RECYCLE.BIN"), folder_skip_reason("...And Justice for All")
    ('trash folder', None)
    """
    lower = name.lower()
    if lower in TRASH_FOLDERS or lower.startswith(".trash-"):
        return "trash folder"
    return "system folder" if lower in SYSTEM_FOLDERS else None


def file_skip_reason(name: str) -> str | None:
    """Why a file that seems to be music by its name is passed over; None if it is not, or it is no music at all.

    >>> file_skip_reason("._a.mp3"), file_skip_reason("a.mod"), file_skip_reason("..Hits.mp3")
    ('macOS metadata file', 'unsupported format .mod', None)
    """
    end = extension(name)
    if name.startswith("._"):
        return "macOS metadata file" if end in AUDIO_EXTENSIONS else None
    if end in UNFINISHED_EXTENSIONS and extension(name[: -len(end)]) in AUDIO_EXTENSIONS:
        return "unfinished download"
    return f"unsupported format {end}" if end in UNSUPPORTED_EXTENSIONS else None


def begins_as_recording(path: str) -> bool:
    """Whether the file's first bytes are those of a recording, whatever its name."""
    try:
        with open(path, "rb") as file:
            return is_audio_content(file.read(FIRST_BYTES))
    except OSError:
        return False  # it may be anything
