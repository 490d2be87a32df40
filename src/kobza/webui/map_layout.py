"""The map: tracks in two dimensions."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from kobza.embedding.embedder import normalized_mean
from kobza.library import Track


@dataclass(frozen=True)
class Point:
    """A track on the map: x and y in [0, 1]; `moment` is the start of its most typical window, in seconds."""

    track: Track
    moment: float
    x: float
    y: float


def points_of(rows: list[tuple]) -> list[Point]:
    """Rows of `Store.scan` -> points on the map."""
    if not rows:
        return []
    means = [normalized_mean(vectors) for *_, vectors in rows]
    positions = project_to_plane(np.stack(means))
    return [
        Point(track, starts[int(np.argmax(vectors @ mean))], *position)
        for (track, _, starts, vectors), mean, position in zip(rows, means, positions, strict=True)
    ]


def project_to_plane(vectors: np.ndarray) -> list[tuple[float, float]]:
    """(n, dim) -> n points (x, y) in the unit square: projections on the first two principal components."""
    centred = vectors - vectors.mean(axis=0)
    axes = np.linalg.svd(centred, full_matrices=False)[2][:2]  # (2, dim), or (1, dim) for a single track
    points = np.zeros((len(vectors), 2))
    points[:, : len(axes)] = centred @ axes.T
    low = points.min(axis=0)
    span = np.ptp(points, axis=0)
    is_flat = span < 1e-6
    points = np.where(is_flat, 0.5, (points - low) / np.where(is_flat, 1, span))
    return [(x, y) for x, y in points.tolist()]


def categories(points: Sequence[Point]) -> list[str]:
    """The category that colours each point: its first genre, or its artist in a library without genres."""
    genres = [point.track.genre.replace(";", ",").split(",")[0].strip() for point in points]
    return genres if any(genres) else [point.track.artist for point in points]
