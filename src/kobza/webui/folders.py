"""The library's folders as the page names them: from the folders that were added on, never a path of the server."""

import os
from collections.abc import Iterable, Iterator, Sequence

from kobza.audio import AUDIO_EXTENSIONS, printable
from kobza.library import Track
from kobza.library.filters.tree import Compare, Filter, Or


class Folders:
    """Names for the folders below `roots`, what was added to the library: folders, or single files.

    Of a single root the names begin below it; of several each begins with the last part of its root.
    """

    def __init__(self, roots: Iterable[str]):
        folders = dict.fromkeys(_folder_of(root) for root in roots)
        # the inner first: a track belongs to the nearest
        self._roots = dict(sorted(_names(list(folders)).items(), key=lambda pair: -len(pair[0])))

    def name(self, track: Track) -> str:
        """The folder of a track; "" in the only root, and where no root holds it.

        >>> Folders(["/home/ann/Music"]).name(Track("/home/ann/Music/Jazz/Live/a.mp3"))
        'Jazz/Live'
        >>> Folders(["/a/Music", "/b/Old"]).name(Track("/b/Old/Jazz/a.mp3"))
        'Old/Jazz'
        """
        return printable(self._below_root(os.path.dirname(track.file)))

    def file_name(self, path: str) -> str:
        """A track's path with its folder as the page names it.

        >>> Folders(["/home/ann/Music"]).file_name("/home/ann/Music/Jazz/a.mp3")
        'Jazz/a.mp3'
        """
        folder, name = os.path.split(path)
        return printable("/".join(filter(None, [self._below_root(folder), name])))

    def names_above(self, folder: str) -> Iterator[str]:
        """The name of a folder, and of those that hold it; not of those that cannot be written as text.

        >>> list(Folders(["/m"]).names_above("/m/Jazz/Live"))
        ['Jazz/Live', 'Jazz']
        """
        name = self._below_root(folder)
        while name:
            if printable(name) == name:
                yield name
            name = name.rpartition("/")[0]

    def under(self, name: str) -> Filter:
        """The filter for what lies in a folder of this name.

        >>> Folders(["/m"]).under("Jazz")
        Compare(field='path', op='under', value='/m/Jazz')
        """
        parts = [part for part in name.split("/") if part not in ("", ".", "..")]
        found = []
        for root, prefix in self._roots.items():
            if not prefix or parts[:1] == [prefix]:
                rest = parts[1:] if prefix else parts
                found.append(Compare("path", "under", os.path.join(root, *rest)))
        if not found or not parts:
            return Compare("path", "eq", "")  # no track
        return found[0] if len(found) == 1 else Or(tuple(found))

    def _below_root(self, folder: str) -> str:
        for root, prefix in self._roots.items():
            if folder == root or folder.startswith(root.rstrip("/") + "/"):
                below = folder[len(root) :].strip("/")
                return "/".join(filter(None, [prefix, below]))
        return ""


def _folder_of(root: str) -> str:
    is_file = os.path.splitext(root)[1].lower() in AUDIO_EXTENSIONS and not os.path.isdir(root)
    return os.path.dirname(root) if is_file else root


def _names(folders: Sequence[str]) -> dict[str, str]:
    """Each folder's name: "" for the only one; else its last part, with a number where another has the same.

    >>> _names(["/a/Music", "/b/Music"])
    {'/a/Music': 'Music', '/b/Music': 'Music 2'}
    """
    if len(folders) == 1:
        return {folders[0]: ""}
    names: dict[str, str] = {}
    for folder in folders:
        name = base = os.path.basename(folder.rstrip("/")) or "music"
        number = 1
        while name in names.values():
            number += 1
            name = f"{base} {number}"
        names[folder] = name
    return names
