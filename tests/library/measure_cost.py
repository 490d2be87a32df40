"""What a track of 4 minutes costs: `PYTHONPATH=tests:tests/library python tests/library/measure_cost.py [TRACKS]`.

Processor time of decoding and embedding is that of one track (stereo MP3, 44.1 kHz) with kobza-mini. The stores hold
made-up vectors, 24 of 128 numbers a track. Milvus is the wheel `milvus`, started here, with its own intervals; memory
is what it takes more than an empty one.
"""

import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from milvus_servers import milvus_server
from recordings import tone, write

from kobza.embedding.loader import load_embedder
from kobza.library import FileState, Track, open_store
from kobza.library.ingest.decode_ahead import decode_with_timeout
from kobza.library.ingest.decoding import RecordingState, Window
from kobza.library.ingest.embed import embed_batch
from kobza.library.ingest.scan import Job
from kobza.library.stores.milvus.collections import STRONG_SECONDS

DIM, WINDOWS = 128, 24


def made_up(numbers: range):
    rng = np.random.default_rng(numbers.start)
    for i in numbers:
        vectors = rng.normal(size=(WINDOWS, DIM)).astype(np.float32)
        vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
        path = f"/srv/music/An artist of some name {i // 100}/The album {i // 10}/{i % 10:02d} A title like any.flac"
        tags = (f"A title like any {i}", f"An artist of some name {i // 100}", f"The album {i // 10}", "Jazz", 1990)
        yield Track(path, *tags, 240.0), FileState(2**24, 2**60, bytes(16)), [10.0 * n for n in range(WINDOWS)], vectors


def size(folder: Path) -> int:
    return sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())


def resident(pid: int) -> int:
    status = Path(f"/proc/{pid}/status").read_text()
    return next(int(line.split()[1]) * 1024 for line in status.splitlines() if line.startswith("VmRSS"))


def fill(store, numbers: range, at_once: int) -> float:
    """Milliseconds a track."""
    began, held = time.perf_counter(), []
    for whole in made_up(numbers):
        held.append(whole)
        if len(held) == at_once:
            store.upsert_many(held)
            held = []
    store.upsert_many(held)
    return 1000 * (time.perf_counter() - began) / len(numbers)


def search(store) -> float:
    """Milliseconds, the median of ten."""
    times = []
    for _ in range(10):
        began = time.perf_counter()
        store.search(np.random.default_rng(1).normal(size=DIM).astype(np.float32), 10)
        times.append(time.perf_counter() - began)
    return 1000 * float(np.median(times))


def work(folder: Path) -> None:
    """Processor seconds of one track."""
    rng = np.random.default_rng(0)
    notes = sum(tone(hertz, 240.0, 44100, 0.1) for hertz in (220, 277, 330, 1000))
    job = Job(
        str(write(folder / "a.mp3", np.stack([notes, notes]) + 0.02 * rng.normal(size=(2, notes.size)), 44100)),
        0,
        0,
        False,
    )
    embedder = load_embedder(device="cpu")
    for _ in range(2):  # the first time warms up
        began = time.process_time()
        windows = [event for event in decode_with_timeout(RecordingState(job), embedder) if isinstance(event, Window)]
        between = time.process_time()
        embed_batch(windows, embedder)
        ended = time.process_time()
    print(f"Work    {between - began:.2f} s to decode, {ended - between:.2f} s to embed, of one processor core")


def settled(store) -> None:
    for kind in ("tracks", "windows"):
        store.collections.client.flush(store.collections.name(kind))
        while store.collections.client.describe_index(store.collections.name(kind), "vector")["pending_index_rows"]:
            time.sleep(0.5)
    time.sleep(20)  # until what was being filled is replaced by what is sealed


def main(tracks: int) -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        work(folder)
        store = open_store(folder / "sqlite")
        ms = fill(store, range(tracks), 1)
        store.optimize()
        disc = size(store.folder) / tracks
        print(f"SQLite  {disc:6.0f} bytes on disc, {ms:.2f} ms to write, {search(store):.1f} a search")
        store.close()
        with milvus_server(folder / "milvus", quick=False) as (address, pid):
            store = open_store(f"{address}/cost")
            fill(store, range(1), 1)
            before = resident(pid)
            ms = fill(store, range(tracks), 256)
            settled(store)
            writing = (resident(pid) - before) / tracks
            alone = fill(store, range(tracks, tracks + 20), 1)
            time.sleep(2 * STRONG_SECONDS)  # until a search need not see the last writes of this process
            parts = {part.name: size(part) / tracks for part in (folder / "milvus" / "data").iterdir()}
            kept = sum(parts.get(name, 0) for name in ("insert_log", "stats_log", "delta_log", "index_files"))
            print(f"Milvus  {kept:6.0f} bytes on disc, {ms:.2f} ms to write in hundreds, {alone:.0f} alone, ", end="")
            print(f"{search(store):.0f} a search")
        with milvus_server(folder / "milvus", quick=False) as (address, pid):
            search(open_store(f"{address}/cost"))
            time.sleep(20)
            reading = (resident(pid) - before) / tracks
        print(f"        {writing:.0f} bytes of memory after writing, {reading:.0f} after a new start")
        print(f"        of { ({name: round(of) for name, of in parts.items()}) }")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 10_000)
