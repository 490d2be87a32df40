"""Search time and recall on synthetic libraries of any size: `python -m kobza.benchmarks.library_search`.

Vectors are made (`made_libraries.py`) or, with `--windows-of LIBRARY`, mixed of real ones, and half of the queries are
then descriptions, embedded by kobza-mini: they do not lie where recordings do. Results are compared with an
exhaustive search by numpy, and filters with `filters.tree.matches`, in the same run. With
`--library milvus://HOST:PORT/NAME?index=hnsw` it measures a Milvus server instead of a folder.
"""

import argparse
import os
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

import numpy as np

from kobza.benchmarks.made_libraries import WINDOWS_PER_TRACK, mixed_library, synthetic_library, unit
from kobza.embedding.embedder import normalized_mean
from kobza.embedding.loader import load_text_embedder
from kobza.library.filters.parser import parse_filter
from kobza.library.filters.tree import And, Compare, Filter, matches
from kobza.library.records import FileState, LibraryError, Track
from kobza.library.stores.base import Store, open_store
from kobza.webui.map.words import KINDS

Scope = Literal["track", "moment"]
WARM_UP_QUERIES = 5
TRACKS_PER_WRITE = 256  # into Milvus, as `kobza index` collects them
SECONDS_TO_SETTLE = 30  # until a Milvus server has loaded its indexes, and its reads need not wait for its clock
SCOPES: tuple[Scope, ...] = ("track", "moment")
FILTERS = {
    "none": None,
    "selective (1 %)": 'artist in ("artist 3", "artist 5")',
    "broad (43 %)": "year >= 1980 and not genre in (polka, 'Hip Hop')",
}


@dataclass(frozen=True)
class SearchTimes:
    """Times in milliseconds; recall against the exact results, 1 if none is missed.

    Attributes:
        where: the name of the filter, a key of `FILTERS`.
        matching: how many tracks match it.
        cpu_p95: of CPU time, which says more than wall-clock time where the machine is not idle.
        new_filter_p95: of searches of which each has a filter that no earlier one had.
    """

    windows: int
    by: Scope
    where: str
    matching: int
    p50: float
    p95: float
    cpu_p95: float
    new_filter_p95: float
    recall: float


@dataclass(frozen=True)
class LibraryCosts:
    """Seconds to write the library and its index files, seconds to the first result with and without these; MiB.

    Attributes:
        memory: growth of the process from opening the library to the first result, mapped file pages included.
    """

    windows: int
    fill: float
    optimize: float
    first_search: float
    first_search_without_files: float
    database: float
    search_files: float
    memory: float


def _resident_memory() -> float:
    """MiB (Linux)."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 2**20


def fill(store: Store, tracks: list[tuple[Track, np.ndarray]]) -> None:
    starts = [10.0 * i for i in range(WINDOWS_PER_TRACK)]
    at_once = TRACKS_PER_WRITE if store.flush_interval_seconds else 1
    with store.writing():
        for first in range(0, len(tracks), at_once):
            numbered = enumerate(tracks[first : first + at_once], first)
            store.upsert_many(
                (track, FileState(i, i, i.to_bytes(16)), starts, vectors) for i, (track, vectors) in numbered
            )


def measure(
    store: Store, tracks: list[tuple[Track, np.ndarray]], by: Scope, where: str, queries: np.ndarray, k: int = 10
) -> SearchTimes:
    """Time and recall of the store's search for each of `queries` (n, DIM), with the filter `FILTERS[where]`."""
    text = FILTERS[where]
    tree = parse_filter(text) if text else None
    matching = [i for i, (track, _) in enumerate(tracks) if tree is None or matches(tree, track)]
    found = []

    def search(i: int, filter_: Filter | None) -> tuple[float, float]:
        wall_start, cpu_start = time.perf_counter(), time.process_time()
        hits = store.search(queries[i], k, filter_, by)
        times = 1000 * (time.perf_counter() - wall_start), 1000 * (time.process_time() - cpu_start)
        found.append({track.path for _, track, _ in hits})
        return times

    for i in range(WARM_UP_QUERIES):
        search(i, tree)
    found.clear()
    times = np.array([search(i, tree) for i in range(len(queries))])
    same_results = [And((tree, Compare("duration", "gt", -i))) if tree else None for i in range(len(queries))]
    new_times = np.array([search(i, filter_) for i, filter_ in enumerate(same_results)])
    best = [{tracks[i][0].path for i in indices} for indices in exact_search(tracks, matching, by, queries, k)]
    recall = sum(len(a & b) for a, b in zip(found, best + best, strict=True)) / sum(map(len, best + best))
    windows = sum(len(vectors) for _, vectors in tracks)
    p50, p95 = map(float, np.percentile(times[:, 0], (50, 95)))
    cpu_p95, new_p95 = float(np.percentile(times[:, 1], 95)), float(np.percentile(new_times[:, 0], 95))
    return SearchTimes(windows, by, where, len(matching), p50, p95, cpu_p95, new_p95, recall)


def exact_search(
    tracks: list[tuple[Track, np.ndarray]], matching: list[int], by: Scope, queries: np.ndarray, k: int
) -> list[list[int]]:
    """For each query, the indices in `tracks` of the best k of those `matching`, by exhaustive search with numpy."""
    scores = np.empty((len(queries), len(matching)), np.float32)
    for column, i in enumerate(matching):
        vectors = tracks[i][1]
        rows = normalized_mean(vectors).astype(np.float16)[None] if by == "track" else vectors
        scores[:, column] = (rows.astype(np.float32) @ queries.T).max(axis=0)
    return [[matching[column] for column in np.argsort(-row, kind="stable")[:k]] for row in scores]


def _queries(tracks: list[tuple[Track, np.ndarray]], n: int) -> np.ndarray:
    """(n, dim): near windows of the library."""
    rng = np.random.default_rng(1)
    near = np.stack([tracks[i][1][0] for i in rng.integers(len(tracks), size=n)])
    return unit(near + 0.05 * rng.standard_normal(near.shape)).astype(np.float32)


def _descriptions(n: int) -> np.ndarray:
    """(n, dim): of words of genres, instruments and moods, and of three of them."""
    words, rng = list(KINDS), np.random.default_rng(2)
    groups = rng.choice(words, size=(n, 3)).tolist()
    texts = [f"{one}, {two}, {three}" if i % 2 else one for i, (one, two, three) in enumerate(groups)]
    return load_text_embedder().embed_text(texts)


def run_in_milvus(windows: int, address: str, queries: int = 100) -> Iterator[SearchTimes]:
    """Measure the library at `address` with so many queries; an empty one is first filled with so many windows.

    Raises:
        LibraryError: there is another library than an earlier run with as many windows left.
    """
    from kobza.library.stores.milvus.store import MilvusStore

    tracks = list(synthetic_library(windows))
    with closing(open_store(address)) as store:
        if not isinstance(store, MilvusStore) or len(store) not in (0, len(tracks)):
            raise LibraryError(f"{store.address} is not an empty library in Milvus; choose another name.")
        if not len(store):
            start = time.perf_counter()
            fill(store, tracks)
            print(f"{store.address}: {time.perf_counter() - start:.1f} s to write {len(tracks)} tracks")
            for kind in ("tracks", "windows"):
                name = store.collections.name(kind)
                store.collections.client.flush(name)
                while store.collections.client.describe_index(name, "vector").get("pending_index_rows"):
                    time.sleep(0.5)
        time.sleep(SECONDS_TO_SETTLE)
        for by in SCOPES:
            for where in FILTERS:
                yield measure(store, tracks, by, where, _queries(tracks, queries))


def run(
    windows: int, folder: Path, queries: int = 100, source: Path | None = None
) -> tuple[LibraryCosts, list[SearchTimes]]:
    """Write a library of so many windows, synthetic or mixed of those of `source`, into `folder` and measure it."""

    def first_search() -> tuple[float, float]:
        """Seconds, and MiB."""
        start, memory_before = time.perf_counter(), _resident_memory()
        reader = open_store(folder, read_only=True)
        reader.search(query_vectors[0], 10, by="moment")
        seconds, memory = time.perf_counter() - start, _resident_memory() - memory_before
        reader.close()
        return seconds, memory

    tracks = list(mixed_library(windows, source) if source else synthetic_library(windows))
    query_vectors = _queries(tracks, queries)
    if source:
        described = _descriptions(queries // 2)
        if described.shape[1] == query_vectors.shape[1]:
            query_vectors[: len(described)] = described
    store = open_store(folder)
    start = time.perf_counter()
    fill(store, tracks)
    fill_seconds = time.perf_counter() - start
    without_files, _ = first_search()
    start = time.perf_counter()
    store.optimize()
    optimize_seconds = time.perf_counter() - start
    with_files, memory = first_search()
    searches = [measure(store, tracks, by, where, query_vectors) for by in SCOPES for where in FILTERS]
    store.close()
    sizes = {path: path.stat().st_size / 2**20 for path in folder.iterdir()}
    database = sum(size for path, size in sizes.items() if path.name.startswith("kobza.db"))
    files = sum(size for path, size in sizes.items() if path.name.startswith("search-"))
    costs = LibraryCosts(windows, fill_seconds, optimize_seconds, with_files, without_files, database, files, memory)
    return costs, searches


def _line(row: SearchTimes) -> str:
    return (
        f"{row.windows:>9} windows, by {row.by:6}, filter {row.where:15} ({row.matching} tracks match): "
        f"p50 {row.p50:.1f} ms, p95 {row.p95:.1f} ms (CPU {row.cpu_p95:.1f} ms), "
        f"new filters {row.new_filter_p95:.1f} ms, recall {row.recall:.4f}"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description="Search times and recall of synthetic libraries.")
    parser.add_argument("windows", type=int, nargs="*", default=[10_000, 100_000, 1_000_000])
    parser.add_argument("--library", help="a library in Milvus, empty or of an earlier run, with WINDOWS windows")
    parser.add_argument("--windows-of", type=Path, metavar="LIBRARY", help="mix the vectors of this library's windows")
    args = parser.parse_args()
    if args.library:
        try:
            for row in run_in_milvus(args.windows[0], args.library):
                print(_line(row), flush=True)
        except LibraryError as error:
            parser.exit(1, f"{error}\n")
        return
    for windows in args.windows:
        with tempfile.TemporaryDirectory() as folder:
            costs, searches = run(windows, Path(folder), source=args.windows_of)
        print(", ".join(f"{name} {value:.4g}" for name, value in asdict(costs).items()))
        print("\n".join(map(_line, searches)))


if __name__ == "__main__":
    main()
