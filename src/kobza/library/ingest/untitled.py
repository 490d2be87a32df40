"""Tracks that are called by the names of their files."""

import dataclasses
from collections.abc import Iterable
from contextlib import suppress

from kobza.library.ingest.encodings import told_encoding
from kobza.library.paths import file_of, is_url
from kobza.library.stores.base import Store


def rename_untitled(store: Store, moved: Iterable[tuple[str, str, int]]) -> None:
    """Tracks that were called by their files' names, because no tag says a title, are called by the new names.

    Args:
        moved: the old and the new path of tracks, and the time of change, as in a `Plan`.
    """
    from kobza.library.ingest.tags import file_title, read_tags  # imported here: a search reads none

    encoding = told_encoding(store)
    for old, new, _ in moved:
        if is_url(new) or file_of(new) != new or file_title(old, encoding) == file_title(new, encoding):
            continue
        for track, state, *_ in store.scan(new):
            if track.title != file_title(old, encoding):
                continue
            with suppress(OSError, ValueError):
                tags = read_tags(new, encoding)  # whose title may be the old name
                if not tags.has_title:
                    store.retag(dataclasses.replace(track, title=tags.title), state)
