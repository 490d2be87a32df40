"""What players and playlist files get: the recordings that were found, and where in them to begin."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from kobza.library.paths import is_available
from kobza.library.records import Hit, Track


@dataclass(frozen=True)
class Entry:
    """A recording to play from `start` to `end`, in seconds of its file; None for the end of the file."""

    track: Track
    start: float = 0.0
    end: float | None = None

    @property
    def name(self) -> str:
        """The artist and the title.

        >>> Entry(Track("/music/a.mp3", "Low", "Ann")).name
        'Ann - Low'
        """
        return f"{self.track.artist} - {self.track.title}" if self.track.artist else self.track.title


def entries_of(hits: Sequence[Hit], from_moment: bool) -> list[Entry]:
    """The tracks of the hits: from the moment that fits best, or from their beginning.

    >>> entries_of([Hit(0.5, Track("/music/a.mp3"), 70.0)], from_moment=True)[0].start
    70.0
    """
    return [Entry(hit.track, hit.track.start + (hit.moment if from_moment else 0.0), hit.track.end) for hit in hits]


def present_hits(
    find: Callable[[int], Sequence[Hit]], k: int, present: Callable[[str], bool] = is_available
) -> tuple[list[Hit], int]:
    """The k best hits whose files are there now, and how many better ones were left out.

    Args:
        find: n -> the n best hits, or as many as there are.

    >>> hits = [Hit(0.9, Track("/away/a.mp3"), 0.0), Hit(0.8, Track("/here/b.mp3"), 0.0)]
    >>> found, left_out = present_hits(lambda n: hits[:n], 1, lambda path: path.startswith("/here"))
    >>> found[0].track.path, left_out
    ('/here/b.mp3', 1)
    """
    n = k
    while True:
        hits = find(n)
        there = [i for i, hit in enumerate(hits) if present(hit.track.file)]
        if len(there) >= k or len(hits) < n:
            last = there[k - 1] + 1 if len(there) >= k else len(hits)
            return [hits[i] for i in there[:k]], last - len(there[:k])
        n *= 2
