"""What a search can be told besides its query, and what is refused."""

from typing import Literal, get_args

from kobza.library.records import LibraryError

By = Literal["track", "moment"]
Match = Literal["sound", "tags", "both"]


def check_ranking(k: int, by: str) -> None:
    """LibraryError: k is below 1, or `by` is not one of `By`."""
    if k < 1:
        raise LibraryError(f"k is {k}; ask for 1 track or more.")
    if by not in get_args(By):
        raise LibraryError(f"by is {by!r}; it must be one of: {', '.join(get_args(By))}.")


def check_match(match: str) -> None:
    """LibraryError: it is not one of `Match`."""
    if match not in get_args(Match):
        raise LibraryError(f"match is {match!r}; it must be one of: {', '.join(get_args(Match))}.")
