"""A playlist that goes smoothly from one track to another."""

from collections.abc import Callable

import numpy as np

from kobza.library.records import Hit, Track
from kobza.library.search.query import unit

NEAR = 1.0  # how much the track before counts beside the way: with less, neighbours may lie on both sides of it


def on_the_way(first: np.ndarray, last: np.ndarray, share: float) -> np.ndarray:
    """The point at `share` in (0, 1) of the great circle's arc between two vectors of unit length."""
    angle = np.arccos(np.clip(first @ last, -1, 1))
    return unit(np.sin((1 - share) * angle) * first + np.sin(share * angle) * last) if angle > 1e-3 else first


def smooth_order(
    first: tuple[Track, np.ndarray],
    last: tuple[Track, np.ndarray],
    k: int,
    search: Callable[[np.ndarray, int], list[tuple[float, Track, float]]],
    vector_of: Callable[[Track], np.ndarray],
) -> list[Hit]:
    """k tracks (or as many as there are) from `first` to `last`; a hit's score is the cosine with the track before it.

    Greedily: step by step the track that is nearest to the next point of the way and to the track before.

    Args:
        search: (vector, k) -> a store's answer. vector_of: of a track.
    """
    order, before = [Hit(1.0, first[0], 0.0)], first[1]
    used = {first[0].path, last[0].path}
    for step in range(1, k - 1):
        aim = unit(on_the_way(first[1], last[1], step / (k - 1)) + NEAR * before)
        track = next((track for _, track, _ in search(aim, len(used) + 1) if track.path not in used), None)
        if track is None:
            break
        used.add(track.path)
        vector = vector_of(track)
        order.append(Hit(float(before @ vector), track, 0.0))
        before = vector
    return [*order, Hit(float(before @ last[1]), last[0], 0.0)]
