"""Discs and network drives that are not there at the moment: their tracks are away, not gone.

A folder on another file system than the folder that holds it is a disc. An index run notes the discs that it meets. If
such a folder is missing later, or is an ordinary folder without recordings, which the mount point of an unplugged disc
becomes, its tracks are away.
"""

import os
from collections import Counter
from collections.abc import Iterable

from kobza.library.paths import enclosing, is_url


def _device(path: str) -> int | None:
    try:
        return os.stat(path).st_dev
    except OSError:
        return None


def _folders_above(paths: Iterable[str]) -> set[str]:
    """Every folder that one of the paths is in, directly or not."""
    found: set[str] = set()
    for path in paths:
        folder = os.path.dirname(path)
        while folder not in found and not is_url(path):
            found.add(folder)
            folder = os.path.dirname(folder)
    return found


def find_discs(paths: Iterable[str]) -> set[str]:
    """The folders above these files that are on another file system than the folder that holds them."""
    return set(filter(_is_disc, _folders_above(paths)))


def _is_disc(folder: str) -> bool:
    here = _device(folder)
    return here is not None and here != _device(os.path.dirname(folder))


def away_discs(discs: Iterable[str], files: Iterable[str], known: Iterable[str]) -> dict[str, int]:
    """The discs that are not there: {folder: how many of the library's tracks are on it}.

    Args:
        discs: the results of `find_discs` while they were there.
        files: the recordings that a listing shows.
        known: the paths of the library's tracks.
    """
    present = _folders_above(files)
    absent = {disc for disc in discs if disc not in present and not _is_disc(disc)}
    return Counter(disc for path in known if (disc := enclosing(path, absent)) is not None) if absent else {}
