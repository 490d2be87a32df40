import numpy as np
import pytest

from kobza.webui.map import layout as module
from kobza.webui.map.layout import layout, place, principal_components


def groups_of(n: int, seed: int = 0, dim: int = 32) -> tuple[np.ndarray, np.ndarray]:
    """n unit vectors around six centres, and their groups."""
    rng = np.random.default_rng(seed)
    centres = np.linalg.qr(rng.normal(size=(dim, 6)))[0].T
    groups = rng.integers(6, size=n)
    vectors = centres[groups] + rng.normal(scale=0.6 / np.sqrt(dim), size=(n, dim))
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32), groups


def kept_neighbours(vectors: np.ndarray, positions: np.ndarray, k: int = 10) -> float:
    """The share of the k nearest tracks on the map that are among the 2 k that sound most alike."""
    cosines = vectors @ vectors.T
    distances = -np.linalg.norm(positions[:, None] - positions[None], axis=2)
    near, alike = (np.argsort(-one - 9 * np.eye(len(one)), axis=1) for one in (distances, cosines))
    return float(np.mean([len(set(a[:k]) & set(b[: 2 * k])) / k for a, b in zip(near, alike, strict=True)]))


def test_what_sounds_alike_lies_close_together():
    vectors, groups = groups_of(240)
    positions = layout(vectors)
    assert positions.shape == (240, 2) and positions.dtype == np.float32
    assert positions.min() >= 0 and positions.max() <= 1
    distances = np.linalg.norm(positions[:, None] - positions[None], axis=2) + 9 * np.eye(240)
    assert np.mean(groups[distances.argmin(axis=1)] == groups) > 0.97
    assert kept_neighbours(vectors, positions) > 1.2 * kept_neighbours(vectors, principal_components(vectors))
    np.testing.assert_array_equal(layout(vectors.copy()), positions)


def test_the_tracks_of_a_large_library_are_placed_among_those_that_were_fitted(monkeypatch):
    monkeypatch.setattr(module, "FITTED", 120)
    vectors, groups = groups_of(400, seed=1)
    positions = layout(vectors)
    distances = np.linalg.norm(positions[:, None] - positions[None], axis=2) + 9 * np.eye(400)
    assert np.mean(groups[distances.argmin(axis=1)] == groups) > 0.95
    assert len(np.unique(positions, axis=0)) > 370  # each has a place of its own


def test_a_new_track_lies_with_its_like():
    vectors, groups = groups_of(160, seed=2)
    positions = layout(vectors[:150])
    added = place(vectors[150:], vectors[:150], positions)
    for one, group in zip(added, groups[150:], strict=True):
        centre = np.median(positions[groups[:150] == group], axis=0)
        others = [np.median(positions[groups[:150] == other], axis=0) for other in set(groups) - {group}]
        assert np.linalg.norm(one - centre) < min(np.linalg.norm(one - other) for other in others)


@pytest.mark.parametrize("vectors", [np.ones((0, 8)), np.ones((1, 8)), np.ones((30, 8)), np.eye(2, 8), np.eye(13)])
def test_the_map_of_next_to_nothing(vectors):
    positions = layout(vectors.astype(np.float32))
    assert positions.shape == (len(vectors), 2) and np.isfinite(positions).all()
    assert len(positions) == 0 or (positions.min() >= 0 and positions.max() <= 1)
