"""Files that are there whole or not at all: written under a temporary name beside their own, flushed, then renamed."""

import contextlib
import os
import secrets
from collections.abc import Iterator
from pathlib import Path

PARTIAL_SUFFIX = ".part"  # what a temporary name ends with; it begins with a dot, so that whoever lists a folder passes it by


@contextlib.contextmanager
def atomic_path(path: str | os.PathLike) -> Iterator[Path]:
    """The path to write to, in the same folder. After the block the file has its own name; if the block fails, what
    was written is deleted and a file that was there before is as it was."""
    path = Path(path)
    part = path.with_name(f".{path.name[:60]}.{secrets.token_hex(4)}{PARTIAL_SUFFIX}")
    try:
        yield part
        move_into_place(part, path)
    except OSError as error:
        if error.filename == str(part):  # a sentence about it should name what the user knows
            error.filename, error.filename2 = str(path), None
        raise
    finally:
        part.unlink(missing_ok=True)


def atomic_write(path: str | os.PathLike, content: str | bytes) -> None:
    """Write a whole file; text as UTF-8, its line ends as they are. OSError: it cannot be written; nothing is left."""
    with atomic_path(path) as part:
        part.write_bytes(content.encode("utf-8") if isinstance(content, str) else content)


def move_into_place(part: Path, path: Path) -> None:
    """Give a finished file its name, so that after a loss of power it is there whole under it, or is not there."""
    flush(part)
    os.replace(part, path)
    with contextlib.suppress(OSError):  # some network file systems cannot flush a folder
        flush(path.parent)


def flush(path: Path) -> None:
    """Make sure that a file's bytes, or a folder's names, are on the disc."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
