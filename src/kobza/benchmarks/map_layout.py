"""How well the map keeps neighbours together, and what it costs: `python -m kobza.benchmarks.map_layout`.

Trustworthiness (Venna and Kaski 2001): 1 if the nearest tracks on the map are all among the nearest in sound, .5 if
they are any. Layouts: principal components; the map's own; UMAP where umap-learn is installed.
"""

import argparse
import resource
import time
from collections.abc import Callable

import numpy as np

from kobza.library.library import MusicLibrary
from kobza.webui.map.layout import layout, principal_components

NEIGHBOURS = 10
SAMPLE = 1000  # tracks whose neighbours are compared
DIM = 128
STYLES, KINDS = 400, 12  # made tracks lie around styles, and these around kinds of music

Layout = Callable[[np.ndarray], np.ndarray]


def made_vectors(n: int, seed: int = 0) -> np.ndarray:
    """(n, DIM) float32 of unit length: tracks between pairs of styles that are near each other, and noise."""
    rng = np.random.default_rng(seed)
    kinds = rng.standard_normal((KINDS, DIM))
    styles = kinds[rng.integers(KINDS, size=STYLES)] + 0.8 * rng.standard_normal((STYLES, DIM))
    styles /= np.linalg.norm(styles, axis=1, keepdims=True)
    nearest = np.argsort(-(styles @ styles.T), axis=1)
    first = rng.integers(STYLES, size=n)
    second = nearest[first, rng.integers(1, 6, size=n)]
    share = rng.uniform(0, 0.5, (n, 1))
    vectors = (1 - share) * styles[first] + share * styles[second] + 0.3 / DIM**0.5 * rng.standard_normal((n, DIM))
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)


def trustworthiness(vectors: np.ndarray, positions: np.ndarray, k: int = NEIGHBOURS) -> tuple[float, float]:
    """Of a sample of the tracks, with cosines as distances; and the share of the k nearest that are k nearest in both.

    >>> vectors = made_vectors(100)
    >>> trustworthiness(vectors, vectors)
    (1.0, 1.0)
    """
    n = len(vectors)
    chosen = np.random.default_rng(0).choice(n, min(n, SAMPLE), replace=False)
    penalty, kept = 0, 0
    for i in chosen:
        cosines = vectors @ vectors[i]
        distances = ((positions - positions[i]) ** 2).sum(axis=1)
        distances[i] = np.inf
        cosines[i] = -np.inf
        near = np.argpartition(distances, k)[:k]
        ranks = np.array([np.count_nonzero(cosines > cosines[j]) + 1 for j in near])
        penalty += int(np.maximum(ranks - k, 0).sum())
        kept += int(np.count_nonzero(ranks <= k))
    return 1 - 2 * penalty / (len(chosen) * k * (2 * n - 3 * k - 1)), kept / (len(chosen) * k)


def umap(vectors: np.ndarray) -> np.ndarray:
    """With its usual settings, and one thread. ImportError: umap-learn is not installed."""
    from umap import UMAP  # not a dependency of Kobza

    return np.asarray(UMAP(metric="cosine", random_state=0, n_jobs=1).fit_transform(vectors))


def measure(vectors: np.ndarray, name: str, compute: Layout) -> str:
    """A line of what a layout gives and costs."""
    wall, cpu = time.perf_counter(), time.process_time()
    positions = compute(vectors)
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    trust, kept = trustworthiness(vectors, np.asarray(positions, np.float64))
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return (
        f"{name}: trustworthiness {trust:.3f}, {100 * kept:.0f} % of the {NEIGHBOURS} nearest kept, {cpu:.0f} s of CPU "
        f"({wall:.0f} s), peak {memory:.0f} MiB"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description="Trustworthiness and cost of layouts for the map.")
    parser.add_argument("tracks", type=int, nargs="?", default=100_000, help="made tracks")
    parser.add_argument("--library", help="measure the tracks of this library instead")
    parser.add_argument("--umap", action="store_true", help="UMAP, too; needs: pip install umap-learn")
    args = parser.parse_args()
    if args.library:
        with MusicLibrary.open(args.library, read_only=True) as library:
            _, vectors = library.store.track_vectors()
    else:
        vectors = made_vectors(args.tracks)
    layouts: dict[str, Layout] = {"principal components": principal_components, "the map": layout}
    if args.umap:
        layouts["UMAP"] = umap
    for name, compute in layouts.items():
        print(f"{len(vectors)} tracks, {measure(vectors, name, compute)}", flush=True)


if __name__ == "__main__":
    main()
