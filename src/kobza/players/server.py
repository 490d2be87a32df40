"""What every music server can do for Kobza."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from kobza.library.records import Track
from kobza.library.search.entries import Entry
from kobza.players.local import PlayerError


@dataclass(frozen=True)
class Sent:
    """What a server was given: how many tracks, where they are now, and those that it does not know."""

    count: int
    place: str
    unknown: tuple[Track, ...] = ()


class Server(Protocol):
    """A connection to a music server; its errors are PlayerErrors."""

    def queue(self, entries: Sequence[Entry], play: bool) -> Sent:
        """Put the entries behind the queue, and with `play` begin to play the first of them."""

    def replace_playlist(self, name: str, entries: Sequence[Entry]) -> Sent:
        """Make the playlist `name` of these entries; one of that name is replaced."""

    def close(self) -> None: ...


def known_entries(
    entries: Sequence[Entry], find: Callable[[Track], str | None], server: str
) -> tuple[list[tuple[str, Entry]], tuple[Track, ...]]:
    """-> (the entries that the server knows, each with its id there; the tracks that it does not know).

    Args:
        find: the id of a track on the server; None if it has no such track.

    Raises:
        PlayerError: it knows none of them, so nothing is to be changed there.
    """
    ids = [find(entry.track) for entry in entries]
    known = [(id, entry) for id, entry in zip(ids, entries, strict=True) if id is not None]
    unknown = tuple(entry.track for id, entry in zip(ids, entries, strict=True) if id is None)
    if not known:
        raise PlayerError(
            f"{server} knows none of the tracks that were found ({len(entries)}); it must have the same music, scanned."
        )
    return known, unknown
