"""Neighbourhoods of the map, and their names in the model's own words."""

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from kobza.library.stores.vector_block import single_thread, untyped_faiss

TRACKS_PER_REGION = (400, 60)  # of the coarse and the fine regions, at least
MAX_REGIONS = (14, 60)
MIN_TRACKS = 12  # of a library with regions
DISTINCTIVE = 0.5  # how much of the library's mean is taken away from a region's vector before it is named
MODIFIER_LIMIT = 0.6  # a second word must fit so well, compared with the first one


@dataclass(frozen=True)
class Region:
    """A neighbourhood: its name, where the name stands, and from how near it is shown.

    Attributes:
        level: 0 for what is shown on the whole map, 1 for what is shown nearer.
        tracks: how many there are.
    """

    name: str
    x: float
    y: float
    level: int
    tracks: int

    def record(self) -> dict[str, Any]:
        return asdict(self)


def regions(positions: np.ndarray, vectors: np.ndarray, words: list[str], word_vectors: np.ndarray) -> list[Region]:
    """The regions of both levels of a map.

    Args:
        positions: (n, 2). vectors: (n, dim). word_vectors: (words, dim).
    """
    if len(positions) < MIN_TRACKS:
        return []
    found = []
    overall = vectors.mean(axis=0)
    for level, (least, most) in enumerate(zip(TRACKS_PER_REGION, MAX_REGIONS, strict=True)):
        count = min(most, max(4 * (level + 1), len(positions) // least), len(positions) // (MIN_TRACKS // 3))
        groups = _groups(positions, count)
        sizes = np.bincount(groups, minlength=count)
        means = np.stack([vectors[groups == i].mean(axis=0) if sizes[i] else overall for i in range(count)])
        names = region_names(means - DISTINCTIVE * overall, words, word_vectors, sizes)
        for i in np.flatnonzero(sizes):
            x, y = _densest(positions[groups == i])
            found.append(Region(names[i], round(x, 4), round(y, 4), level, int(sizes[i])))
    return found


def region_names(means: np.ndarray, words: list[str], word_vectors: np.ndarray, sizes: np.ndarray) -> list[str]:
    """A name of one word or two for each region (regions, dim); no two have the same. The largest chooses first.

    >>> vectors = np.eye(3)
    >>> region_names(np.array([[1, 0.9, 0], [0.2, 0, 1]]), ["piano", "calm", "rock"], vectors, np.array([5, 9]))
    ['piano, calm', 'rock']
    """
    scores = means @ (word_vectors - word_vectors.mean(axis=0) * (len(words) > 3)).T
    names = [""] * len(means)
    taken: set[str] = set()
    for i in np.argsort(-sizes, kind="stable"):
        order = np.argsort(-scores[i], kind="stable")
        first = int(order[0])
        second = int(order[1]) if len(order) > 1 else first
        candidates = [words[first]]
        if scores[i, second] > MODIFIER_LIMIT * scores[i, first] > 0:
            candidates.insert(0, f"{words[first]}, {words[second]}")
        candidates += [words[word] for word in order if word != first]
        candidates += [f"{words[first]}, {words[word]}" for word in order[2:]]
        names[i] = next((name for name in candidates if name not in taken), words[first])
        taken.add(names[i])
    return names


def _groups(positions: np.ndarray, count: int) -> np.ndarray:
    """(n, 2) -> (n,): the group of each, by k-means."""
    with single_thread():
        kmeans = untyped_faiss.Kmeans(2, count, niter=25, seed=1, min_points_per_centroid=1)
        points = np.ascontiguousarray(positions, np.float32)
        kmeans.train(points)
        groups: np.ndarray = kmeans.index.search(points, 1)[1][:, 0]
    return groups


def _densest(positions: np.ndarray) -> tuple[float, float]:
    """The position around which most others of a group lie, so that a name stands on points and not between them."""
    few = positions[:: max(1, len(positions) // 200)]
    distances = np.linalg.norm(few[:, None] - few[None], axis=2)
    x, y = few[int(np.argmin(np.sort(distances, axis=1)[:, : max(1, len(few) // 2)].mean(axis=1)))]
    return float(x), float(y)
