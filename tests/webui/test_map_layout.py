import numpy as np
import pytest

from kobza.library import Track
from kobza.webui.map_layout import Point, categories, points_of, project_to_plane


def test_the_plane_keeps_what_is_alike_together():
    rng = np.random.default_rng(0)
    centres = np.eye(3, 16)
    vectors = np.concatenate([centre + 0.05 * rng.standard_normal((20, 16)) for centre in centres])
    places = np.array(project_to_plane(vectors))
    assert places.min() >= 0 and places.max() <= 1
    groups = places.reshape(3, 20, 2)
    within = max(np.linalg.norm(g - g.mean(0), axis=1).max() for g in groups)
    between = min(np.linalg.norm(groups[i].mean(0) - groups[j].mean(0)) for i, j in ((0, 1), (0, 2), (1, 2)))
    assert between > 2 * within
    assert project_to_plane(vectors) == project_to_plane(vectors.copy())


@pytest.mark.parametrize("vectors", [np.ones((1, 8)), np.ones((3, 8)), np.eye(2, 8)])
def test_the_plane_of_next_to_nothing(vectors):
    places = np.array(project_to_plane(vectors))
    assert places.shape == (len(vectors), 2) and np.isfinite(places).all()


def test_points_start_at_the_most_typical_window():
    vectors = np.array([[0.0, 1.0], [1.0, 0.1], [1.0, -0.1]])
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    (point,) = points_of([(Track("a.mp3"), None, [0.0, 10.0, 20.0], vectors)])
    assert point.moment == 10.0
    assert points_of([]) == []


def test_the_categories_are_genres_or_artists_without_one():
    points = [Point(Track(str(i), str(i), f"artist {i % 2}", "", f"genre {i}; x"), 0.0, 0.1, 0.1) for i in range(3)]
    assert categories(points) == ["genre 0", "genre 1", "genre 2"]
    plain = [Point(Track(p.track.path, "t", p.track.artist), 0.0, 0.1, 0.1) for p in points]
    assert categories(plain) == ["artist 0", "artist 1", "artist 0"]
