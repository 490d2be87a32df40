"""Bytes and seconds a track costs in each store: `python tests/library/measure_cost.py [TRACKS]`, with made-up vectors.

A track is of 4 minutes: 24 windows of 128 numbers. Milvus is the wheel `milvus`, started here, with its own intervals.
"""

import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from milvus_servers import milvus_server

from kobza.library import Rev, Track, open_store

DIM, WINDOWS = 128, 24


def made_up(tracks: int):
    rng = np.random.default_rng(0)
    for i in range(tracks):
        vectors = rng.normal(size=(WINDOWS, DIM)).astype(np.float32)
        vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
        path = f"/srv/music/An artist of some name {i // 100}/The album {i // 10}/{i % 10:02d} A title like any.flac"
        tags = (f"A title like any {i}", f"An artist of some name {i // 100}", f"The album {i // 10}", "Jazz", 1990)
        yield Track(path, *tags, 240.0), Rev(2**24, 2**60, bytes(16)), [10.0 * n for n in range(WINDOWS)], vectors


def size(folder: Path) -> int:
    return sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())


def resident(pid: int) -> int:
    status = Path(f"/proc/{pid}/status").read_text()
    return next(int(line.split()[1]) * 1024 for line in status.splitlines() if line.startswith("VmRSS"))


def fill(store, tracks: int, at_once: int) -> float:
    """Milliseconds a track."""
    began, held = time.perf_counter(), []
    for whole in made_up(tracks):
        held.append(whole)
        if len(held) == at_once:
            store.upsert_many(held)
            held = []
    store.upsert_many(held)
    return 1000 * (time.perf_counter() - began) / tracks


def search(store) -> float:
    """Milliseconds, the median of ten."""
    times = []
    for _ in range(10):
        began = time.perf_counter()
        store.search(np.random.default_rng(1).normal(size=DIM).astype(np.float32), 10)
        times.append(time.perf_counter() - began)
    return 1000 * float(np.median(times))


def main(tracks: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        store = open_store(Path(folder) / "sqlite")
        ms = fill(store, tracks, 1)
        store.optimize()
        print(f"SQLite  {size(store.folder) / tracks:6.0f} bytes a track on disc, {ms:.2f} ms to write one, ", end="")
        print(f"{search(store):.1f} ms a search")
        store.close()
        with milvus_server(Path(folder) / "milvus", quick=False) as (address, pid):
            store = open_store(f"{address}/cost")
            fill(store, 1, 1)
            before = resident(pid)
            ms = fill(store, tracks, 256)
            alone = fill(store, 20, 1)
            for kind in ("tracks", "windows"):
                store._client.flush(store._name(kind))
            while any(
                store._client.describe_index(store._name(kind), "vector")["pending_index_rows"]
                for kind in ("tracks", "windows")
            ):
                time.sleep(0.5)
            time.sleep(10)  # until what was being filled is replaced by what is sealed
            parts = {part.name: size(part) / tracks for part in (Path(folder) / "milvus" / "data").iterdir()}
            kept = sum(size for name, size in parts.items() if name not in ("etcd.data", "rocksmq"))
            memory = (resident(pid) - before) / tracks
            print(f"Milvus  {kept:6.0f} bytes a track on disc ({parts}), {memory:.0f} in memory")
            print(f"        {ms:.2f} ms to write one of 256, {alone:.0f} ms one alone, {search(store):.1f} ms a search")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 10_000)
