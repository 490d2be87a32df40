"""Positions of tracks in the plane, such that tracks that sound alike lie close together.

t-SNE (van der Maaten and Hinton 2008) on at most `FITTED` tracks, from a start by principal components, which keeps the
large-scale arrangement (Kobak and Berens 2019). The other tracks of a larger library, and those that are added later,
are placed among their nearest neighbours of these: that takes seconds, and the map stays familiar.
`python -m kobza.benchmarks.map_layout` measures it against principal components alone and against UMAP.
"""

import numpy as np

FITTED = 6000  # tracks: t-SNE takes about a minute for them on one core
PERPLEXITY = 30  # neighbours that count, t-SNE's usual value
MIN_FOR_TSNE = 12  # tracks; fewer are projected on principal components
ITERATIONS = 600
NEIGHBOURS = 5  # among which a further track is placed
SCATTER = 0.35  # around that place, in parts of their mean distance: without it tracks would lie on lines between them
SHARPNESS = 30.0  # of the weights of these: exp(SHARPNESS * cosine)
MARGIN = 0.02  # of the unit square, that is left free at its edges


def layout(vectors: np.ndarray) -> np.ndarray:
    """(n, dim) of unit length -> (n, 2) float32 in the unit square. The same vectors give the same positions.

    >>> (100 * layout(np.eye(2, dtype=np.float32))).round().astype(int).tolist()
    [[98, 50], [2, 50]]
    """
    n = len(vectors)
    if n <= FITTED:
        return to_unit_square(_fit(vectors))
    chosen = np.sort(np.random.default_rng(0).choice(n, FITTED, replace=False))
    others = np.setdiff1d(np.arange(n), chosen)
    positions = np.empty((n, 2), np.float32)
    positions[chosen] = _fit(vectors[chosen])
    positions[others] = place(vectors[others], vectors[chosen], positions[chosen])
    return to_unit_square(positions)


def place(vectors: np.ndarray, known: np.ndarray, positions: np.ndarray) -> np.ndarray:
    """Positions (m, 2) of further tracks (m, dim) among those of known ones: (n, dim), (n, 2).

    Each lies at the mean of those of its nearest neighbours that lie near the very nearest, so that a track between two
    groups belongs to one of them instead of lying in the empty space between.
    """
    from sklearn.neighbors import NearestNeighbors  # imported here: only who computes a map waits for it

    finder = NearestNeighbors(n_neighbors=min(NEIGHBOURS, len(known)), algorithm="brute").fit(known)
    chords, rows = finder.kneighbors(vectors)
    cosines = 1 - chords**2 / 2
    around = positions[rows]  # (m, neighbours, 2)
    distances = np.linalg.norm(around - around[:, :1], axis=2)
    near = distances <= 0.05 * np.linalg.norm(np.ptp(positions, axis=0))
    weights = np.exp(SHARPNESS * (cosines - cosines[:, :1])) * near
    means = (weights[:, :, None] * around).sum(axis=1) / weights.sum(axis=1)[:, None]
    spread = (distances * near).sum(axis=1) / near.sum(axis=1)
    offsets = np.random.default_rng(0).standard_normal(means.shape) * (SCATTER * spread)[:, None]
    placed: np.ndarray = (means + offsets).astype(np.float32)
    return placed


def to_unit_square(positions: np.ndarray) -> np.ndarray:
    """Shift and scale positions (n, 2) into the unit square, without a change of proportions.

    >>> (100 * to_unit_square(np.array([[0.0, 1.0], [4.0, 3.0]]))).round().astype(int).tolist()
    [[2, 26], [98, 74]]
    """
    if not len(positions):
        return np.zeros((0, 2), np.float32)
    low, high = positions.min(axis=0), positions.max(axis=0)
    span = float((high - low).max())
    scale = (1 - 2 * MARGIN) / span if span > 1e-9 else 0.0
    return ((positions - (low + high) / 2) * scale + 0.5).astype(np.float32)


def principal_components(vectors: np.ndarray) -> np.ndarray:
    """(n, dim) -> (n, 2): projections on the first two principal components."""
    centred = vectors - vectors.mean(axis=0)
    axes = np.linalg.eigh(centred.T @ centred)[1][:, :-3:-1]  # (dim, 2), of the largest eigenvalues
    axes *= np.where(axes[np.abs(axes).argmax(axis=0), [0, 1]] < 0, -1, 1)  # a sign that does not depend on LAPACK
    projected: np.ndarray = centred @ axes
    return projected


def _fit(vectors: np.ndarray) -> np.ndarray:
    if len(vectors) == 0:
        return np.zeros((0, 2), np.float32)
    start = principal_components(vectors.astype(np.float64))
    if len(vectors) < MIN_FOR_TSNE or start[:, 0].std() < 1e-9:
        return start.astype(np.float32)
    from sklearn.manifold import TSNE  # imported here: only who computes a map waits for it

    model = TSNE(
        init=(start / start[:, 0].std() * 1e-4).astype(np.float32),
        metric="cosine",
        perplexity=min(PERPLEXITY, (len(vectors) - 1) / 3),
        max_iter=ITERATIONS,
        random_state=0,
        n_jobs=1,
    )
    fitted: np.ndarray = model.fit_transform(np.ascontiguousarray(vectors, np.float32))
    return fitted
