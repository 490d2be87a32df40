"""Searches that a library keeps by name. They are values of its `meta`, so every store can hold them."""

import dataclasses
import json
import urllib.parse
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from kobza.library.ingest.embed import Progress
from kobza.library.paths import path_from_text, path_to_text
from kobza.library.records import Hit, LibraryError
from kobza.library.search.copies import Limits
from kobza.library.search.searcher import Searcher
from kobza.library.stores.base import Store

PREFIX = "playlist "  # of the keys in `meta`
DELETED = ""  # the value of a search that was deleted: a store has no way to drop a key


@dataclass(frozen=True)
class SavedSearch:
    """A search with a name, and where its results are kept up to date.

    Attributes:
        search: the arguments of `run_search` that are not None.
        file: the playlist file, an absolute path; None for none.
        relative_to: the folder to which the paths in the file are relative; None for absolute ones.
        skip_missing: leave out tracks whose files are not there.
        mpd, subsonic: the address of a server that has a playlist of this name, without a password; None for none.
    """

    name: str
    search: dict[str, Any] = field(default_factory=dict)
    file: str | None = None
    relative_to: str | None = None
    skip_missing: bool = False
    mpd: str | None = None
    subsonic: str | None = None


PATHS = ("file", "relative_to")


def run_search(
    library: Searcher,
    k: int,
    per_artist: int | None = None,
    per_album: int | None = None,
    progress: Callable[[Progress], None] | None = None,
    **arguments: Any,
) -> list[Hit]:
    """`MusicLibrary.search` with arguments that are all numbers and texts, so that a library can keep them."""
    return library.search(k=k, limits=Limits(per_artist, per_album), progress=progress, **arguments)


def save(store: Store, saved: SavedSearch) -> None:
    """Keep the search, in place of one of the same name."""
    row = dataclasses.asdict(saved)
    row |= {name: path_to_text(row[name]) for name in PATHS if row[name] is not None}
    store.set_meta(**{_key(saved.name): json.dumps(row)})


def delete(store: Store, name: str) -> SavedSearch:
    """Forget the search; what it was. LibraryError: there is none of this name."""
    saved = saved_search(store, name)
    store.set_meta(**{_key(name): DELETED})
    return saved


def saved_searches(store: Store) -> list[SavedSearch]:
    """All of them, by name."""
    rows = [value for key, value in store.meta.items() if key.startswith(PREFIX) and value != DELETED]
    return sorted(map(_from_json, rows), key=lambda saved: saved.name)


def saved_search(store: Store, name: str) -> SavedSearch:
    """LibraryError: there is none of this name."""
    for saved in saved_searches(store):
        if saved.name == name:
            return saved
    raise LibraryError(f"The library has no saved playlist {name!r}; see all with: kobza playlist list")


def _key(name: str) -> str:
    """Any name as a key that every store accepts (Milvus: no slash)."""
    return PREFIX + urllib.parse.quote(name, safe="")


def _from_json(text: str) -> SavedSearch:
    row = json.loads(text)
    row |= {name: path_from_text(row[name]) for name in PATHS if row[name] is not None}
    return SavedSearch(**row)
