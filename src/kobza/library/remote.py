"""Recordings at URLs of any file system that fsspec knows: s3://..., gs://..., https://..., memory://..."""

import contextlib
import datetime
import os
import tempfile
import urllib.parse
from collections.abc import Iterator
from typing import Any

from kobza.audio import printable
from kobza.library.ingest.file_status import FileStatus, int64
from kobza.library.paths import is_url
from kobza.library.records import Failure

# The keys under which fsspec's file systems report a file's modification time.
MODIFICATION_TIME_KEYS = ("mtime", "LastModified", "last_modified", "updated", "created")


def _mtime_ns(info: dict[str, Any]) -> int:
    """0 if the file system does not report one that can be read; then only a different size shows a change."""
    changed = next((info[name] for name in MODIFICATION_TIME_KEYS if info.get(name)), 0)
    try:
        if isinstance(changed, str):
            changed = datetime.datetime.fromisoformat(changed)
        seconds = changed.timestamp() if isinstance(changed, datetime.datetime) else float(changed)
    except (TypeError, ValueError, OverflowError):
        return 0
    return int64(seconds * 1e9)


def list_files(root: str) -> tuple[dict[str, FileStatus], list[Failure]]:
    """-> (every file at or below the URL `root` by its own URL, what could not be listed)."""
    from fsspec.core import url_to_fs

    try:
        system, path = url_to_fs(root)
        found = system.find(path, detail=True)
        if not found:
            raise FileNotFoundError("no files found")
    except ImportError as error:  # fsspec says which package reads such addresses
        return {}, [Failure(root, f"{printable(root)} needs a package: {error}. Install it with pip.")]
    except Exception as error:  # every file system raises its own kind
        reason = f"{printable(root)} cannot be read ({error}); check the URL and your credentials for it."
        return {}, [Failure(root, reason)]
    prefix = len(path.rstrip("/"))  # names come without the protocol, as the file system spells them
    return {
        root + name[prefix:]: FileStatus(max(0, int64(info.get("size") or 0)), _mtime_ns(info))
        for name, info in found.items()
    }, []


def _file_name(url: str) -> str:
    """The name of the file at a URL, which may be its title.

    >>> _file_name("https://host/Old%20Song.mp3?token=1"), _file_name("s3://bucket/100%25.mp3")
    ('Old Song.mp3', '100%25.mp3')
    """
    if url.startswith(("http://", "https://")):  # the others say names as they are
        url = urllib.parse.unquote(urllib.parse.urlsplit(url).path)
    return os.path.basename(url).replace("\0", "") or "recording"


@contextlib.contextmanager
def local_copy(path: str) -> Iterator[str]:
    """The path itself or, for a URL, that of a temporary copy on this machine, deleted after the block.

    Raises:
        OSError: it cannot be downloaded.
    """
    if not is_url(path):
        yield path
        return
    from fsspec.core import url_to_fs

    with tempfile.TemporaryDirectory(prefix="kobza-") as folder:
        local = os.path.join(folder, _file_name(path))
        try:
            system, name = url_to_fs(path)
            system.get_file(name, local)
        except OSError:
            raise
        except Exception as error:
            raise OSError(None, str(error)) from error
        yield local
