"""Atomic file writes: to a temporary name beside the target, flushed to disk, then renamed."""

import contextlib
import os
import secrets
from collections.abc import Iterator
from pathlib import Path

PARTIAL_SUFFIX = ".part"  # of temporary names, which begin with a dot, so that folder listings skip them


@contextlib.contextmanager
def atomic_path(path: str | os.PathLike[str]) -> Iterator[Path]:
    """A temporary path in the same folder, renamed to `path` after the block.

    If the block fails, it is deleted, and an existing file at `path` is unchanged.
    """
    path = Path(path)
    partial = path.with_name(f".{path.name[:60]}.{secrets.token_hex(4)}{PARTIAL_SUFFIX}")
    try:
        yield partial
        move_into_place(partial, path)
    except OSError as error:
        if error.filename == str(partial):  # the message should name the file that the user knows
            error.filename = str(path)
            error.filename2 = None
        raise
    finally:
        partial.unlink(missing_ok=True)


def atomic_write(path: str | os.PathLike[str], content: str | bytes) -> None:
    """Write a file; text as UTF-8, line ends unchanged. OSError: it cannot be written; nothing is left behind."""
    with atomic_path(path) as partial:
        partial.write_bytes(content.encode("utf-8") if isinstance(content, str) else content)


def move_into_place(partial: Path, path: Path) -> None:
    """Rename a finished file so that after a power failure it is complete under the new name, or absent."""
    fsync(partial)
    os.replace(partial, path)
    with contextlib.suppress(OSError):  # some network file systems cannot fsync a folder
        fsync(path.parent)


def fsync(path: Path) -> None:
    """Flush a file's content, or a folder's entries, to disk."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
