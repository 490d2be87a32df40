"""The map: tracks in two dimensions, and its HTML."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from kobza.embedding.embedder import normalized_mean
from kobza.library import Track
from kobza.webui.markup import Link, render

HUES = 9  # colours for the most common categories; the others share a tenth
MAX_LABELLED = 60  # tracks; on a larger map names would cover the points

Box = tuple[float, float, float, float]  # left, top, right, bottom


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


def render_map(points: Sequence[Point], total: int, link: Link) -> str:
    """The map as HTML: a legend of colours, and a button for each track."""
    of_points = categories(points)
    common = [category for category, _ in Counter(filter(None, of_points)).most_common(HUES)]
    legend = list(enumerate(common))
    if len(common) < len(set(of_points)):
        legend.append((HUES, "other"))
    hues = [common.index(category) if category in common else HUES for category in of_points]
    labels = [(point.x, point.y, len(point.track.title)) for point in points]
    sides = label_sides(labels) if len(points) <= MAX_LABELLED else ["hidden"] * len(points)
    buttons = [(point, link(point.track), hue, side) for point, hue, side in zip(points, hues, sides, strict=True)]
    return render("map.html", legend=legend, points=buttons, total=total)


def label_sides(points: Sequence[tuple[float, float, int]]) -> list[str]:
    """The side of each point, (x, y, letters of its name), on which the name overlaps nothing else, or "hidden".

    In pixels of a map of 900 x 480; on a smaller one names are not shown.
    """
    width, height = 900, 480
    letter, line, gap = 6.6, 16, 9
    dots = [(x * width - 6, (1 - y) * height - 6, x * width + 6, (1 - y) * height + 6) for x, y, _ in points]
    taken = list(dots)
    sides: list[str] = []
    for own, (x, y, letters) in zip(dots, points, strict=True):
        left = x * width
        top = (1 - y) * height
        length = letters * letter
        boxes = {
            "right": (left + gap, top - line / 2, left + gap + length, top + line / 2),
            "left": (left - gap - length, top - line / 2, left - gap, top + line / 2),
            "above": (left - length / 2, top - gap - line, left + length / 2, top - gap),
            "below": (left - length / 2, top + gap, left + length / 2, top + gap + line),
        }
        side = next((name for name, box in boxes.items() if _is_free(box, taken, own, width)), "hidden")
        sides.append(side)
        if side != "hidden":
            taken.append(boxes[side])
    return sides


def _is_free(box: Box, taken: Sequence[Box], own: Box, width: float) -> bool:
    if box[0] < -20 or box[2] > width + 20:
        return False
    return not any(
        box[0] < other[2] and other[0] < box[2] and box[1] < other[3] and other[1] < box[3]
        for other in taken
        if other is not own
    )
