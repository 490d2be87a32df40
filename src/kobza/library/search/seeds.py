"""Naming a track of the library: by its path, by a part of its path or title that no other has."""

import os
from collections.abc import Callable, Iterable

from kobza.audio import printable
from kobza.library.records import LibraryError, Track
from kobza.library.stores.tag_words import text_words

MAX_CANDIDATES = 10  # that an error names


def named_track(
    name: str, tracks: Iterable[Track], are_same: Callable[[Track, Track], bool] = lambda one, other: False
) -> Track | None:
    """The track that `name` means: the one whose path ends in it, else with that title, else with its words in title,
    artist or path; None if there is none.

    >>> tracks = [Track("/m/Blue/01.mp3", title="So What"), Track("/m/Kind/02.mp3", title="Blue in Green")]
    >>> named_track("green", tracks).path
    '/m/Kind/02.mp3'

    Args:
        are_same: whether two tracks are copies; then it does not matter which is meant.

    Raises:
        LibraryError: several fit equally well; it names them.
    """
    words = text_words(name)
    whole = os.sep + name.lstrip(os.sep)
    fits: tuple[list[Track], list[Track], list[Track]] = ([], [], [])
    for track in tracks:
        if track.path == name or track.path.endswith(whole):
            fits[0].append(track)
        elif not words:
            continue
        elif text_words(track.title) == words:
            fits[1].append(track)
        elif set(words) <= {*text_words(track.title), *text_words(track.path), *text_words(track.artist)}:
            fits[2].append(track)
    found = next((some for some in fits if some), [])
    if len(found) > 1 and not all(are_same(found[0], track) for track in found[1:]):
        shown = "".join(f"\n  {printable(track.path)}" for track in found[:MAX_CANDIDATES])
        more = f"\n  and {len(found) - MAX_CANDIDATES} more" if len(found) > MAX_CANDIDATES else ""
        raise LibraryError(f'"{printable(name)}" may be any of these; name more of the path:{shown}{more}')
    return found[0] if found else None
