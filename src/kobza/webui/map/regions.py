"""Neighbourhoods of the map, and their names in the model's own words."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

TRACKS_PER_REGION = (400, 60)  # of the coarse and the fine regions, at least
MAX_REGIONS = (14, 60)
MIN_TRACKS = 12  # of a library with regions
DISTINCTIVE = 0.5  # how much of the library's mean is taken away from a region's vector before it is named
ORDER = ("genre", "instrument", "mood")  # of the words of a name
MANY_WORDS = 4  # of more than these, what they have in common is taken away
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


def regions(
    positions: np.ndarray, vectors: np.ndarray, kinds: Mapping[str, str], word_vectors: np.ndarray
) -> list[Region]:
    """The regions of both levels of a map.

    Args:
        positions: (n, 2). vectors: (n, dim).
        kinds: of each word, such as `words.KINDS`.
        word_vectors: (words, dim).
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
        names = region_names(means - DISTINCTIVE * overall, kinds, word_vectors, sizes)
        for i in np.flatnonzero(sizes):
            x, y = _densest(positions[groups == i])
            found.append(Region(names[i], round(x, 4), round(y, 4), level, int(sizes[i])))
    return found


def region_names(means: np.ndarray, kinds: Mapping[str, str], word_vectors: np.ndarray, sizes: np.ndarray) -> list[str]:
    """A name of one word or two for each region (regions, dim); no two have the same. The largest chooses first.

    The two words are of different kinds, a genre before an instrument before a mood: "jazz, saxophone", not "acoustic
    guitar, distorted guitar". A sound that is not music names a region alone, and only where no word fits better.

    >>> kinds = {"calm": "mood", "piano": "instrument", "rain": "sound", "rock": "genre"}
    >>> means = np.array([[1, 0.9, 0.8, 0], [0.2, 0, 0.5, 1], [0.9, 0, 1, 0]])
    >>> region_names(means, kinds, np.eye(4), np.array([5, 9, 2]))
    ['piano, calm', 'rock', 'rain']
    """
    words = list(kinds)
    scores = means @ (word_vectors - word_vectors.mean(axis=0) * (len(words) > MANY_WORDS)).T
    names = [""] * len(means)
    taken: set[str] = set()
    for i in np.argsort(-sizes, kind="stable"):
        first, *others = (words[word] for word in np.argsort(-scores[i], kind="stable"))
        score = dict(zip(words, scores[i], strict=True))
        music = [word for word in others if kinds[word] != "sound"]
        pairs = {word: _pair(first, word, kinds) for word in music if kinds[first] not in ("sound", kinds[word])}
        fitting = [pairs[word] for word in pairs if score[word] > MODIFIER_LIMIT * score[first] > 0]
        candidates = [*fitting[:1], first, *fitting[1:], *music, *pairs.values()]
        names[i] = next((name for name in candidates if name not in taken), first)
        taken.add(names[i])
    return names


def _pair(one: str, other: str, kinds: Mapping[str, str]) -> str:
    return ", ".join(sorted((one, other), key=lambda word: ORDER.index(kinds[word])))


def _groups(positions: np.ndarray, count: int) -> np.ndarray:
    """(n, 2) -> (n,): the group of each, by k-means."""
    from sklearn.cluster import KMeans  # imported here: only who computes a map waits for it

    model = KMeans(count, n_init=1, max_iter=25, random_state=1)
    groups: np.ndarray = model.fit_predict(np.ascontiguousarray(positions, np.float32))
    return groups


def _densest(positions: np.ndarray) -> tuple[float, float]:
    """The position around which most others of a group lie, so that a name stands on points and not between them."""
    few = positions[:: max(1, len(positions) // 200)]
    distances = np.linalg.norm(few[:, None] - few[None], axis=2)
    x, y = few[int(np.argmin(np.sort(distances, axis=1)[:, : max(1, len(few) // 2)].mean(axis=1)))]
    return float(x), float(y)
