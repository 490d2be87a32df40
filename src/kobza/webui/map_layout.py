"""The map: tracks in two dimensions, and the HTML of it. What comes from a file passes through `escape`."""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from html import escape

import numpy as np

from kobza.embedding.embedder import normalized_mean
from kobza.library import Track

HUES = 9  # colours for kinds of music; all rarer kinds share a tenth
LABELLED = 60  # tracks: on a map of so few, names are written beside the points


@dataclass(frozen=True)
class Point:
    """A track on the map; x and y in [0, 1]; `moment`, the start in seconds of its most typical window."""

    track: Track
    moment: float
    x: float
    y: float


def points_of(rows: list[tuple]) -> list[Point]:
    """Rows of `Store.scan` on the map."""
    if not rows:
        return []
    means = [normalized_mean(vectors) for *_, vectors in rows]
    places = in_the_plane(np.stack(means))
    return [
        Point(track, starts[int(np.argmax(vectors @ mean))], *place)
        for (track, _, starts, vectors), mean, place in zip(rows, means, places, strict=True)
    ]


def in_the_plane(vectors: np.ndarray) -> list[tuple[float, float]]:
    """(n, dim) -> n places in the unit square: the two principal axes, on which the vectors differ most."""
    centred = vectors - vectors.mean(axis=0)
    axes = np.linalg.svd(centred, full_matrices=False)[2][:2]  # (2, dim), or (1, dim) for a single track
    places = np.zeros((len(vectors), 2))
    places[:, : len(axes)] = centred @ axes.T
    low, span = places.min(axis=0), np.ptp(places, axis=0)
    flat = span < 1e-6
    places = np.where(flat, 0.5, (places - low) / np.where(flat, 1, span))
    return [tuple(place) for place in places.tolist()]


def kinds(points: Sequence[Point]) -> list[str]:
    """What colours each point: its first genre, or its artist in a library without genres."""
    genres = [point.track.genre.replace(";", ",").split(",")[0].strip() for point in points]
    return genres if any(genres) else [point.track.artist for point in points]


def map_of(points: Sequence[Point], total: int, link: Callable[[Track], str]) -> str:
    """The library in two dimensions: a legend of colours, and a button for each track."""
    of_points = kinds(points)
    common = [kind for kind, _ in Counter(filter(None, of_points)).most_common(HUES)]
    named = list(enumerate(common)) + [(HUES, "other")] * (len(common) < len(set(of_points)))
    button = '<button type="button" aria-pressed="false" class="kz-kind kz-hue-{0}" data-hue="{0}">{1}</button>'
    legend = "".join(button.format(hue, escape(kind)) for hue, kind in named)
    hues = [common.index(kind) if kind in common else HUES for kind in of_points]
    names = [(point.x, point.y, len(point.track.title)) for point in points]
    sides = label_sides(names) if len(points) <= LABELLED else ["hidden"] * len(points)
    buttons = "".join(
        _point(point, link(point.track), hue, side) for point, hue, side in zip(points, hues, sides, strict=True)
    )
    drawn = "" if len(points) == total else f" {len(points):,} of the {total:,} tracks are drawn."
    return f"""<div class="kz-legend">{legend}</div>
<div class="kz-map"><div>{buttons}</div></div>
<p class="kz-note">Tracks that sound alike lie close together. Choose a point to hear it.{drawn}</p>"""


def _point(point: Point, link: str, hue: int, side: str) -> str:
    track = point.track
    name = f"{track.title}, {track.artist}" if track.artist else track.title
    place = f"left:{100 * point.x:.2f}%;top:{100 * (1 - point.y):.2f}%"
    return f"""<button type="button" class="kz-point kz-hue-{hue} kz-side-{side}" style="{place}" data-hue="{hue}"
data-track="{link}" data-moment="{point.moment:.2f}" data-duration="{track.duration:.2f}" aria-label="{escape(name)}">
<span>{escape(track.title)}</span></button>"""


def label_sides(points: Sequence[tuple[float, float, int]]) -> list[str]:
    """For (x, y, letters) of each point the side on which its name meets no other name or point, or "hidden".

    Measured for a map 900 x 480 pixels large; on a smaller one names are not shown.
    """
    width, height, letter, line, gap = 900, 480, 6.6, 16, 9
    dots = [(x * width - 6, (1 - y) * height - 6, x * width + 6, (1 - y) * height + 6) for x, y, _ in points]
    taken, sides = list(dots), []
    for own, (x, y, letters) in zip(dots, points, strict=True):
        left, top, long = x * width, (1 - y) * height, letters * letter
        boxes = {
            "right": (left + gap, top - line / 2, left + gap + long, top + line / 2),
            "left": (left - gap - long, top - line / 2, left - gap, top + line / 2),
            "above": (left - long / 2, top - gap - line, left + long / 2, top - gap),
            "below": (left - long / 2, top + gap, left + long / 2, top + gap + line),
        }
        side = next((name for name, box in boxes.items() if _free(box, taken, own, width)), "hidden")
        sides.append(side)
        if side != "hidden":
            taken.append(boxes[side])
    return sides


def _free(box, taken, own, width: float) -> bool:
    if box[0] < -20 or box[2] > width + 20:
        return False
    return not any(
        box[0] < other[2] and other[0] < box[2] and box[1] < other[3] and other[1] < box[3]
        for other in taken
        if other is not own
    )
