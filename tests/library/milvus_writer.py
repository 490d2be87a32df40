"""A process that writes to a library in Milvus, to be killed at any moment."""

import os
import time
import types

import numpy as np
from store_contract import DIM

from kobza.library import FileState, Track, open_store
from kobza.library.stores.milvus import lease

PATHS = [f"/{i:02d}" for i in range(30)]


def version(path: str, number: int):
    """A track whose year is the number: it has as many windows as that asks for, and it is in every vector."""
    vectors = np.zeros((1 + number % 4, DIM), np.float32)
    vectors[:, number % DIM] = 1
    return Track(path, year=number), FileState(len(vectors), 1, b""), [10.0 * i for i in range(len(vectors))], vectors


def write(url: str, number: int, written) -> None:
    """Bring all tracks to this version, seven at a time; `written` counts those that are stored."""
    store = open_store(url)
    with store.writing():
        for start in range(0, len(PATHS), 7):
            store.upsert_many([version(path, number) for path in PATHS[start : start + 7]])
            written.value = min(start + 7, len(PATHS))
    store.close()


def hold(url: str, cache: str, clock_offset: float, holding) -> None:
    """Hold the writers' lock until killed, on a machine with this cache folder and a clock that is wrong by so much."""
    os.environ["XDG_CACHE_HOME"] = cache
    lease.HEARTBEAT_SECONDS = 0.1
    lease.time = types.SimpleNamespace(**vars(time) | {"time": lambda: time.time() + clock_offset})
    with open_store(url).writing():
        holding.set()
        time.sleep(600)
