"""One path for each folder that is scanned, whatever links and spellings lead to it."""

import os
import unicodedata
from collections.abc import Collection, Iterable, Mapping

from kobza.library.paths import file_of, is_url


def resolve_roots(roots: Iterable[str], known_folders: Collection[str] = ()) -> tuple[list[str], dict[str, str]]:
    """-> (the folders, files and URLs, each under one path; {another path of one: that path}).

    Args:
        roots: absolute paths, or URLs.
        known_folders: a root that is one of these, or inside one, under another path gets the known path.
    """
    paths: dict[tuple[int, int] | None, str] = {
        identity: folder
        for folder in sorted(known_folders, reverse=True)
        if not is_url(folder) and (identity := _identity(folder))
    }
    listed: dict[str, dict[str, str]] = {}
    found: list[str] = []
    aliases: dict[str, str] = {}
    for root in sorted(set(roots), key=lambda path: (path if is_url(path) else real_path(path), path)):  # outer first
        resolved = root if is_url(root) else _known_path(_as_listed(root, listed), paths)
        if resolved != root:
            aliases[root] = resolved
        elif not is_url(root) and os.path.isdir(root) and (identity := _identity(root)):
            paths[identity] = root
        if resolved not in found:
            found.append(resolved)
    for folder in known_folders:  # one that a new root contains, under another path
        if not is_url(folder) and (resolved := _known_path(folder, paths)) != folder:
            aliases[folder] = resolved
    return found, aliases


def known_path(path: str, known_folders: Collection[str]) -> str:
    """The path that a folder, a file, or a track within a file has below one of the library's folders, whatever links
    and spellings were given; the path itself if it is in none."""
    file = file_of(path)
    return resolve_roots([file], known_folders)[0][0] + path[len(file) :]


def real_path(path: str) -> str:
    """The path without links; as it is if it cannot be a path, with NUL in it."""
    return path if "\0" in path else os.path.realpath(path)


def _identity(path: str) -> tuple[int, int] | None:
    """(device, inode) of what is at the path, links followed; None if that cannot be said."""
    try:
        status = os.stat(path)
    except (OSError, ValueError):
        return None
    return (status.st_dev, status.st_ino) if status.st_ino else None


def _as_listed(path: str, listed: dict[str, dict[str, str]]) -> str:
    """The path as its folders spell it, where the file system accepts other spellings; `listed` is filled."""
    parent, name = os.path.split(path)
    if not name:
        return path
    parent = _as_listed(parent, listed)
    if parent not in listed:
        try:
            listed[parent] = {_folded(other): other for other in os.listdir(parent)}
        except (OSError, ValueError):
            listed[parent] = {}
    exact = os.path.join(parent, name)
    other = os.path.join(parent, listed[parent].get(_folded(name), name))
    # Where names that differ in case only are different files, each is listed itself
    return other if other != exact and _identity(exact) and not _is_listed(exact) else exact


def _is_listed(path: str) -> bool:
    parent, name = os.path.split(path)
    return name in os.listdir(parent)


def _folded(name: str) -> str:
    return unicodedata.normalize("NFC", name).casefold()


def _known_path(root: str, paths: Mapping[tuple[int, int] | None, str]) -> str:
    """The path of `root` below the outermost of `paths`, which are by identity; `root` itself if it is in none."""
    current = real_path(root)
    rest = ""
    found = root
    while True:
        folder = paths.get(_identity(current))
        if folder is not None:
            found = os.path.join(folder, rest) if rest else folder
        parent, name = os.path.split(current)
        if parent == current:
            return found
        rest = os.path.join(name, rest) if rest else name
        current = parent
