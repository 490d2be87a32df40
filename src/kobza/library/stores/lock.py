"""A lock that allows one writer of a library at a time on this machine."""

import contextlib
from collections.abc import Iterator
from pathlib import Path

from kobza.library.records import LibraryError


@contextlib.contextmanager
def writer_lock(file: Path, library: str) -> Iterator[None]:
    """Hold the lock of `library` (its name in messages); the system releases it when the process ends, even killed.

    Raises:
        LibraryError: another process holds it, or `file` cannot be locked.
    """
    from filelock import FileLock, Timeout  # imported here: a search takes no lock

    lock = FileLock(file, timeout=0)
    try:
        lock.acquire()
    except Timeout:
        raise LibraryError(
            f"The library {library} is being written by another kobza; wait until that has finished."
        ) from None
    except (OSError, NotImplementedError) as error:
        reason = getattr(error, "strerror", None) or error
        raise LibraryError(
            f"The library {library} cannot be locked for writing ({reason}); check its permissions, or name another "
            "folder with --library."
        ) from error
    try:
        yield
    finally:
        lock.release()
