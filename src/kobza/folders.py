"""The folders for data, caches and temporary files, with fallbacks for users without a home folder.

In containers and on servers a user may have no name, no home, or a home and temporary folder owned by somebody else.
"""

import atexit
import contextlib
import getpass
import os
import shutil
import tempfile
from functools import cache
from pathlib import Path

import platformdirs

from kobza.errors import KobzaError


class NoHomeError(KobzaError):
    """The user has no home folder; the message says which option to use instead."""


def expanded(path: str | os.PathLike[str]) -> Path:
    """The path with ~ expanded; unchanged if there is no such user or home (`Path.expanduser` would raise)."""
    return Path(os.path.expanduser(path))


def has_home(variable: str) -> bool:
    """Whether the user has a home folder, or the environment variable `variable` replaces it.

    With neither, platformdirs leaves ~ unexpanded or raises.
    """
    return os.path.isabs(os.environ.get(variable, "")) or os.path.isabs(os.path.expanduser("~"))


def data_folder() -> Path:
    """For persistent data: ~/.local/share/kobza on Linux. NoHomeError: the user has no home folder."""
    if not has_home("XDG_DATA_HOME"):
        raise NoHomeError(
            "The library's folder cannot be chosen: HOME is not set and this user has no home folder; name the folder "
            "with --library or KOBZA_LIBRARY."
        )
    return platformdirs.user_data_path("kobza")


def cache_folder(name: str = "kobza") -> Path:
    """For data that can be recomputed: ~/.cache/`name` on Linux, created; `temporary_folder` if it is not writable."""
    if has_home("XDG_CACHE_HOME"):
        folder = platformdirs.user_cache_path(name)
        with contextlib.suppress(OSError):
            folder.mkdir(parents=True, exist_ok=True)
            if os.access(folder, os.W_OK | os.X_OK):
                return folder
    return temporary_folder(name)


@cache
def temporary_folder(name: str = "kobza") -> Path:
    """A folder inside the system's temporary folder that only this user can enter, the same in every process.

    If another user has created one of its name, a new one for this process alone.
    """
    base = Path(tempfile.gettempdir()) / f"kobza-{os.getuid() if hasattr(os, 'getuid') else getpass.getuser()}"
    try:
        base.mkdir(mode=0o700, exist_ok=True)
        status = os.lstat(base)
        if hasattr(os, "getuid") and (status.st_uid != os.getuid() or status.st_mode & 0o170077 != 0o040000):
            raise PermissionError(base)
        folder = base / name
        folder.mkdir(exist_ok=True)
    except OSError:
        folder = Path(tempfile.mkdtemp(prefix="kobza-"))
        atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder


def prepare_environment() -> None:
    """For the libraries that Kobza uses: torch asks for the user's name and others for a home as they are imported, and
    ONNX Runtime reports to its maker (from version 1.29, see its Privacy.md) unless it is told not to before that."""
    os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
    try:
        getpass.getuser()
    except (KeyError, OSError, ImportError):  # a user id without a name: `docker run --user 12345`
        os.environ["USER"] = f"user-{os.getuid()}"
    if not has_home("XDG_CACHE_HOME"):
        os.environ["XDG_CACHE_HOME"] = str(temporary_folder("cache"))
