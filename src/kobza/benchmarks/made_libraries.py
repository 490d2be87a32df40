"""Made libraries to search in: tracks with tags, and vectors like those of music.

`synthetic_library` draws them: the windows of a track near each other, tracks around styles. `mixed_library` mixes the
windows of real tracks, whose vectors lie closer together and have fewer directions, so that more of them are nearly as
good as the best: a search that compares only some of them is tried harder.
"""

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from kobza.embedding.embedder import normalized_mean
from kobza.library.records import Track
from kobza.library.stores.base import open_store

DIM = 128
WINDOWS_PER_TRACK = 24  # 4 minutes
NEIGHBOURS = 8  # with one of which a real track is mixed
NOISE = 0.02  # standard deviation of what makes the mixtures differ, in each dimension
GENRES = ("Jazz", "Blues", "Rock", "Hip Hop", "Polka", "Ambient", "Folk", "Techno", "Soul", "")


def unit(vectors: np.ndarray) -> np.ndarray:
    return vectors / np.linalg.norm(vectors, axis=-1, keepdims=True)


def _track(i: int, rng: np.random.Generator) -> Track:
    year = int(rng.integers(1950, 2025)) if rng.random() < 0.9 else None
    genre, artist = GENRES[rng.integers(len(GENRES))], f"Artist {rng.integers(200)}"
    path = f"/music/{artist}/{i}.flac"
    return Track(path, f"Title {i}", artist, f"Album {i // 10}", genre, year, 10.0 * WINDOWS_PER_TRACK)


def synthetic_library(windows: int, seed: int = 0) -> Iterator[tuple[Track, np.ndarray]]:
    """Tracks of 4 minutes with tags, and their vectors (WINDOWS_PER_TRACK, DIM) float16 of unit length."""
    rng = np.random.default_rng(seed)
    styles = unit(rng.standard_normal((200, DIM)))
    for i in range(windows // WINDOWS_PER_TRACK):
        centre = styles[rng.integers(len(styles))] + 0.08 * rng.standard_normal(DIM)
        vectors = unit(centre + 0.05 * rng.standard_normal((WINDOWS_PER_TRACK, DIM))).astype(np.float16)
        yield _track(i, rng), vectors


def mixed_library(windows: int, source: Path, seed: int = 0) -> Iterator[tuple[Track, np.ndarray]]:
    """The same tracks with vectors (WINDOWS_PER_TRACK, dim) mixed of the windows of two similar tracks of `source`."""
    rng = np.random.default_rng(seed)
    store = open_store(source, read_only=True)
    tracks = [vectors for _, _, _, vectors in store.scan()]
    store.close()
    means = np.stack([normalized_mean(vectors) for vectors in tracks])
    dim = means.shape[1]
    for i in range(windows // WINDOWS_PER_TRACK):
        one = rng.integers(len(tracks))
        nearest = np.argpartition(-(means @ means[one]), NEIGHBOURS)[: 1 + NEIGHBOURS]  # itself among them
        parts = [
            vectors[rng.integers(len(vectors), size=WINDOWS_PER_TRACK)]
            for vectors in (tracks[one], tracks[rng.choice(nearest)])
        ]
        share = rng.uniform(0, 0.5)
        noise = NOISE * (rng.standard_normal(dim) + rng.standard_normal((WINDOWS_PER_TRACK, dim)))
        yield _track(i, rng), unit((1 - share) * parts[0] + share * parts[1] + noise).astype(np.float16)
