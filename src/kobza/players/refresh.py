"""Keeping the results of saved searches up to date: in their playlist files and on servers."""

from collections.abc import Callable
from pathlib import Path

from kobza.atomic import atomic_write
from kobza.errors import KobzaError
from kobza.library import MusicLibrary
from kobza.library.search.entries import Entry, entries_of, present_hits
from kobza.library.search.m3u import as_m3u
from kobza.library.search.saved import SavedSearch, run_search, saved_searches
from kobza.players.choice import PlayerChoice, open_server
from kobza.players.server import Sent


def found_entries(library: MusicLibrary, saved: SavedSearch) -> list[Entry]:
    """What the saved search finds now; from the moments where it ranks by them."""
    search = saved.search
    if saved.skip_missing:
        hits, _ = present_hits(lambda n: run_search(library, **search | {"k": n}), search["k"])
    else:
        hits = run_search(library, **search)
    return entries_of(hits, from_moment=search.get("by") == "moment")


def write_file(saved: SavedSearch, entries: list[Entry]) -> None:
    """Write the playlist file, unless it is as it should be: then its time of change stays. OSError: it cannot be."""
    assert saved.file is not None
    content, path = as_m3u(entries, saved.relative_to), Path(saved.file)
    if not path.is_file() or path.read_bytes() != content:
        path.parent.mkdir(parents=True, exist_ok=True)
        atomic_write(path, content)


def refresh(library: MusicLibrary, saved: SavedSearch) -> list[Sent]:
    """Search again, and bring the search's file and its playlists on servers up to date.

    Returns:
        What each server was given.

    Raises:
        KobzaError, OSError: the search, the file or a server fails; what comes before it is done.
    """
    entries = found_entries(library, saved)
    if saved.file is not None:
        write_file(saved, entries)
    sent = []
    for name, address in (("mpd", saved.mpd), ("subsonic", saved.subsonic)):
        if address is not None and entries:
            server = open_server(PlayerChoice(name, address))
            try:
                sent.append(server.replace_playlist(saved.name, entries))
            finally:
                server.close()
    return sent


def refresh_all(library: MusicLibrary, say: Callable[[str], None]) -> int:
    """Refresh every saved search. One that fails is reported, and does not keep the others from it.

    Returns:
        How many were refreshed.
    """
    refreshed = 0
    for saved in saved_searches(library.store):
        try:
            refresh(library, saved)
            refreshed += 1
        except (KobzaError, OSError) as error:
            say(f"The playlist {saved.name!r} could not be refreshed: {error}")
    return refreshed
