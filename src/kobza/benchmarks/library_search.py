"""How long a search takes and whether it is exact, on made-up libraries of any size:
`python -m kobza.benchmarks.library_search`.

Vectors lie as music does: the windows of a track near each other, tracks around styles. What is found is compared with
numpy over the same vectors, and filters with `filters.matches`, in the same run.
"""

import argparse
import os
import tempfile
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from kobza.library.filters.parser import parse_filter
from kobza.library.filters.tree import matches
from kobza.library.records import Rev, Track, normalised_mean
from kobza.library.stores.base import Store, open_store

DIM, WINDOWS_A_TRACK, WARM_UP = 128, 24, 5
FILTERS = {
    "none": None,
    "selective (1 %)": 'artist in ("artist 3", "artist 5")',
    "broad (43 %)": "year >= 1980 and not genre in (polka, 'Hip Hop')",
}
GENRES = ("Jazz", "Blues", "Rock", "Hip Hop", "Polka", "Ambient", "Folk", "Techno", "Soul", "")


@dataclass(frozen=True)
class Searches:
    """Times in milliseconds; recall against the exact answer, 1 if none is missed."""

    windows: int
    by: str
    where: str
    passing: int  # tracks
    p50: float
    p95: float
    cpu_p95: float  # of processor time: nearer to what an idle machine takes, where this one is not
    recall: float


@dataclass(frozen=True)
class Opening:
    """Seconds to write the library, to write its search files, to the first answer with and without these; MiB."""

    windows: int
    fill: float
    optimize: float
    first_search: float
    first_search_without_files: float
    database: float
    search_files: float
    memory: float  # by which the process grows from opening the library to the first answer, the file's pages included


def _unit(vectors: np.ndarray) -> np.ndarray:
    return vectors / np.linalg.norm(vectors, axis=-1, keepdims=True)


def _resident() -> float:
    """The process's memory in MiB (Linux)."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 2**20


def made_tracks(windows: int, seed: int = 0) -> Iterator[tuple[Track, np.ndarray]]:
    """Tracks of 4 minutes with tags, and their vectors (WINDOWS_A_TRACK, DIM) float16 of unit length."""
    rng = np.random.default_rng(seed)
    styles = _unit(rng.standard_normal((200, DIM)))
    for i in range(windows // WINDOWS_A_TRACK):
        middle = styles[rng.integers(len(styles))] + 0.08 * rng.standard_normal(DIM)
        vectors = _unit(middle + 0.05 * rng.standard_normal((WINDOWS_A_TRACK, DIM))).astype(np.float16)
        year = int(rng.integers(1950, 2025)) if rng.random() < 0.9 else None
        genre, artist = GENRES[rng.integers(len(GENRES))], f"Artist {rng.integers(200)}"
        path = f"/music/{artist}/{i}.flac"
        yield Track(path, f"Title {i}", artist, f"Album {i // 10}", genre, year, 10.0 * WINDOWS_A_TRACK), vectors


def fill(store: Store, tracks: list[tuple[Track, np.ndarray]]) -> None:
    starts = [10.0 * i for i in range(WINDOWS_A_TRACK)]
    with store.writing():
        for i, (track, vectors) in enumerate(tracks):
            store.upsert(track, Rev(i, i, i.to_bytes(16)), starts, vectors)


def measure(
    store: Store, tracks: list[tuple[Track, np.ndarray]], by: str, where: str, queries: np.ndarray, k: int = 10
) -> Searches:
    """Time and recall of the store's search for each of `queries` (n, DIM) under the filter of that name."""
    tree = parse_filter(FILTERS[where]) if FILTERS[where] else None
    passing = [i for i, (track, _) in enumerate(tracks) if tree is None or matches(tree, track)]
    times, worked, found = [], [], []
    for i, query in enumerate(np.concatenate([queries[:WARM_UP], queries])):
        start, work = time.perf_counter(), time.process_time()
        hits = store.search(query, k, tree, by)
        if i >= WARM_UP:
            times.append(1000 * (time.perf_counter() - start))
            worked.append(1000 * (time.process_time() - work))
            found.append({track.path for _, track, _ in hits})
    best = [{tracks[i][0].path for i in places} for places in exact(tracks, passing, by, queries, k)]
    recall = sum(len(a & b) for a, b in zip(found, best, strict=True)) / sum(map(len, best))
    p50, p95 = map(float, np.percentile(times, (50, 95)))
    windows, cpu_p95 = sum(len(vectors) for _, vectors in tracks), float(np.percentile(worked, 95))
    return Searches(windows, by, where, len(passing), p50, p95, cpu_p95, recall)


def exact(
    tracks: list[tuple[Track, np.ndarray]], passing: list[int], by: str, queries: np.ndarray, k: int
) -> list[list[int]]:
    """The places in `tracks` of the best k of those passing, for each query, by numpy and nothing else."""
    scores = np.empty((len(queries), len(passing)), np.float32)
    for column, i in enumerate(passing):
        vectors = tracks[i][1]
        rows = normalised_mean(vectors).astype(np.float16)[None] if by == "track" else vectors
        scores[:, column] = (rows.astype(np.float32) @ queries.T).max(axis=0)
    return [[passing[column] for column in np.argsort(-row, kind="stable")[:k]] for row in scores]


def run(windows: int, folder: Path, queries: int = 100) -> tuple[Opening, list[Searches]]:
    """Make a library of so many windows in `folder` and measure it."""

    def first_search() -> tuple[float, float]:
        start, before = time.perf_counter(), _resident()
        reader = open_store(folder, read_only=True)
        reader.search(asked[0], 10, by="moment")
        took, taken = time.perf_counter() - start, _resident() - before
        reader.close()
        return took, taken

    tracks = list(made_tracks(windows))
    rng = np.random.default_rng(1)
    middles = np.stack([tracks[i][1][0] for i in rng.integers(len(tracks), size=queries)])
    asked = _unit(middles + 0.05 * rng.standard_normal((queries, DIM))).astype(np.float32)  # near some of the music
    store = open_store(folder)
    start = time.perf_counter()
    fill(store, tracks)
    filled = time.perf_counter()
    unaided, _ = first_search()
    kept = time.perf_counter()
    store.optimize()
    optimized = time.perf_counter() - kept
    aided, memory = first_search()
    searches = [measure(store, tracks, by, where, asked) for by in ("track", "moment") for where in FILTERS]
    store.close()
    sizes = {path: path.stat().st_size / 2**20 for path in folder.iterdir()}
    database = sum(size for path, size in sizes.items() if path.name.startswith("kobza.db"))
    files = sum(size for path, size in sizes.items() if path.name.startswith("search-"))
    return Opening(windows, filled - start, optimized, aided, unaided, database, files, memory), searches


def main() -> None:
    parser = argparse.ArgumentParser(description="Search times and recall of made-up libraries.")
    parser.add_argument("windows", type=int, nargs="*", default=[10_000, 100_000, 1_000_000])
    for windows in parser.parse_args().windows:
        with tempfile.TemporaryDirectory() as folder:
            opening, searches = run(windows, Path(folder))
        print(", ".join(f"{name} {value:.4g}" for name, value in asdict(opening).items()))
        for row in searches:
            print(
                f"{row.windows:>9} windows, by {row.by:6}, filter {row.where:15} ({row.passing} tracks pass): "
                f"p50 {row.p50:.1f} ms, p95 {row.p95:.1f} ms (processor {row.cpu_p95:.1f} ms), recall {row.recall:.4f}"
            )


if __name__ == "__main__":
    main()
