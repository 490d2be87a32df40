"""Leaving out tracks whose files are not there at the moment."""

from collections.abc import Callable

from kobza.library.records import Hit

MAX_RANK = 16384  # as many as a library in Milvus returns at most


def available_hits(search: Callable[[int], list[Hit]], k: int) -> list[Hit]:
    """The k best hits whose files are there; fewer if there are no more among the `MAX_RANK` best.

    Args:
        search: k -> the k best hits, best first.
    """
    asked = k
    while True:
        hits = search(asked)
        found = [hit for hit in hits if hit.available]
        if len(found) >= k or len(hits) < asked or asked >= MAX_RANK:
            return found[:k]
        asked = min(2 * asked, max(k, MAX_RANK))
