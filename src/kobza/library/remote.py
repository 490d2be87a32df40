"""Recordings in object storage or on any other system that fsspec knows: s3://..., gs://..., https://..., memory://..."""

import contextlib
import datetime
import os
import tempfile
from collections.abc import Iterator
from typing import NamedTuple

from kobza.library.records import Failure

CHANGED = ("mtime", "LastModified", "last_modified", "updated", "created")  # what systems call a file's time of change


class Status(NamedTuple):
    """What there is of an `os.stat_result`."""

    st_size: int
    st_mtime_ns: int


def is_address(path: str | os.PathLike) -> bool:
    """Whether it is somewhere else, not in this machine's file system."""
    return isinstance(path, str) and "://" in path


def absolute(path: str | os.PathLike) -> str:
    return path.rstrip("/") if is_address(path) else os.path.abspath(os.fspath(path))


def _mtime_ns(info: dict) -> int:
    """0 where it is unknown: then only another size shows that a file has changed."""
    changed = next((info[name] for name in CHANGED if info.get(name)), 0)
    if isinstance(changed, str):
        changed = datetime.datetime.fromisoformat(changed)
    return round((changed.timestamp() if isinstance(changed, datetime.datetime) else changed) * 1e9)


def list_files(root: str) -> tuple[dict[str, Status], list[Failure]]:
    """Every file at or below the address `root`, by its own, and what could not be looked into."""
    from fsspec.core import url_to_fs

    try:
        system, path = url_to_fs(root)
        found = system.find(path, detail=True)
        if not found:
            raise FileNotFoundError("nothing is there")
    except Exception as error:  # each system and each way of lacking it has its own
        return {}, [Failure(root, f"{root} cannot be read ({error}); check the address and what it needs to log in.")]
    below = len(path.rstrip("/"))  # names come without the protocol, in the system's own spelling
    return {root + name[below:]: Status(info.get("size") or 0, _mtime_ns(info)) for name, info in found.items()}, []


@contextlib.contextmanager
def fetched(path: str) -> Iterator[str]:
    """The path of the file on this machine, where it is copied for as long as it is used if it is at an address."""
    if not is_address(path):
        yield path
        return
    from fsspec.core import url_to_fs

    with tempfile.TemporaryDirectory(prefix="kobza-") as folder:
        local = os.path.join(folder, os.path.basename(path))
        try:
            system, name = url_to_fs(path)
            system.get_file(name, local)
        except OSError:
            raise
        except Exception as error:
            raise OSError(None, str(error)) from error
        yield local
