"""Playlists that move gradually from one track to another."""

from collections.abc import Callable, Sequence

import numpy as np

from kobza.library.records import Hit, Track
from kobza.library.search.query import normalized

# Weight of the previous track relative to the point on the arc. With less, consecutive tracks may be close to that
# point and far from each other.
PREVIOUS_TRACK_WEIGHT = 1.0
MIN_ANGLE = 1e-3  # radians; below it the two ends are one point
# Where tempo or key count: among so many tracks of the nearest sound, and how much their distance (0 to 1) counts
# against that of the sound, 1 - cosine (measured in docs/benchmarks.md).
TRANSITION_CANDIDATES = 50
TRANSITION_WEIGHT = 0.5


def interpolate_on_sphere(first: np.ndarray, last: np.ndarray, fraction: float) -> np.ndarray:
    """Spherical linear interpolation of two unit vectors (dim,) at `fraction` in (0, 1)."""
    angle = np.arccos(np.clip(first @ last, -1, 1))
    if angle <= MIN_ANGLE:
        return first
    return normalized(np.sin((1 - fraction) * angle) * first + np.sin(fraction * angle) * last)


def smooth_order(
    first: tuple[Track, np.ndarray],
    last: tuple[Track, np.ndarray],
    k: int,
    search: Callable[[np.ndarray, int, Sequence[Track]], Sequence[Hit]],
    vector_of: Callable[[Track], np.ndarray | None],
    transition_distance: Callable[[Track, Track], float] | None = None,
) -> list[Hit]:
    """k tracks, or as many as there are, from `first` to `last`; a hit's score is the cosine with the previous track.

    Greedy: each step takes the unused track nearest to the next point of the arc and to the previous track. With
    `transition_distance`, of the tracks near them in sound it takes that of the smallest sum of distances: in sound,
    from the previous track, and to `last`, which counts more from step to step.

    Args:
        search: (vector, n, taken) -> the n nearest tracks that are none of those taken, nor copies of them.
        vector_of: the vector of a track; None if it has just been deleted.
        transition_distance: of two tracks that follow each other, such as that of their tempi.
    """
    playlist = [Hit(1.0, first[0], 0.0)]
    previous = first[1]
    candidates = 1 if transition_distance is None else TRANSITION_CANDIDATES
    taken = [first[0], last[0]]
    for step in range(1, k - 1):
        point = interpolate_on_sphere(first[1], last[1], step / (k - 1))
        nearest = search(normalized(point + PREVIOUS_TRACK_WEIGHT * previous), candidates, taken)
        if not nearest:
            break
        track = nearest[0].track
        if transition_distance is not None:
            costs = [
                1
                - hit.score
                + TRANSITION_WEIGHT
                * _transition_cost(transition_distance, playlist[-1].track, hit.track, last[0], step / (k - 1))
                for hit in nearest
            ]
            track = nearest[int(np.argmin(costs))].track
        taken.append(track)
        vector = vector_of(track)
        if vector is None:
            continue
        playlist.append(Hit(float(previous @ vector), track, 0.0))
        previous = vector
    return [*playlist, Hit(float(previous @ last[1]), last[0], 0.0)]


def _transition_cost(
    distance: Callable[[Track, Track], float], previous: Track, track: Track, last: Track, fraction: float
) -> float:
    """The next track must fit the one before, and near the end (at a `fraction` of 1) the last one as much."""
    return distance(previous, track) + fraction * distance(track, last)
