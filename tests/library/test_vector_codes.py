"""Searches of large libraries by codes first: they find what an exhaustive search finds."""

import dataclasses
import json

import numpy as np
import pytest

from kobza.library.filters.parser import parse_filter
from kobza.library.records import FileState, Track
from kobza.library.stores import index_file, search_indexes, vector_block
from kobza.library.stores.base import open_store
from kobza.library.stores.vector_block import Block, empty_codes, nearest_rows, new_codes, new_index

DIM = 32
WINDOWS = 8


def made_tracks(count: int, seed: int = 0) -> np.ndarray:
    """(count, WINDOWS, DIM) float16: tracks around 20 styles, windows near each other, in 12 of the dimensions more."""
    rng = np.random.default_rng(seed)
    scale = np.where(np.arange(DIM) < 12, 1.0, 0.2)
    styles = rng.standard_normal((20, DIM))[rng.integers(20, size=count)]
    vectors = (styles + 0.5 * rng.standard_normal((count, DIM)))[:, None] + 0.3 * rng.standard_normal((WINDOWS, DIM))
    vectors = scale * (vectors + 0.3 * rng.standard_normal((count, WINDOWS, DIM)))
    return (vectors / np.linalg.norm(vectors, axis=-1, keepdims=True)).astype(np.float16)


def made_block(vectors: np.ndarray) -> Block:
    index = new_index(DIM)
    index.add(vectors.reshape(-1, DIM).astype(np.float32))
    track_ids = np.repeat(np.arange(1, len(vectors) + 1), WINDOWS)
    return Block(track_ids, np.tile(10.0 * np.arange(WINDOWS), len(vectors)), index, new_codes(index))


@pytest.fixture(scope="module")
def block() -> Block:
    return made_block(made_tracks(3000))


@pytest.fixture
def exact_searches(monkeypatch) -> list:
    """Gets an item for each search that compares all rows."""
    calls: list = []
    exact = vector_block._exact
    monkeypatch.setattr(vector_block, "_exact", lambda *args: calls.append(args) or exact(*args))
    return calls


def queries(vectors: np.ndarray, count: int = 30) -> np.ndarray:
    rng = np.random.default_rng(5)
    near = vectors[rng.integers(len(vectors), size=count), 0] + 0.1 * rng.standard_normal((count, DIM))
    return (near / np.linalg.norm(near, axis=-1, keepdims=True)).astype(np.float32)


@pytest.mark.parametrize("share", [1.0, 0.5, 0.02])
def test_rows_are_those_of_an_exact_search(block, exact_searches, share):
    passing = None if share == 1 else np.random.default_rng(1).random(3001) < share
    for query in queries(made_tracks(3000)):
        found = list(nearest_rows(block, query, 32, 2, passing))
        exact = list(nearest_rows(dataclasses.replace(block, codes=None), query, 32, 2, passing))
        needed = vector_block._last_needed(np.array([track_id for _, track_id, _ in exact]), 2) + 1
        assert found[:needed] == exact[:needed]
    by_codes = 60 - len(exact_searches)
    assert by_codes == 0 if share == 0.02 else by_codes > 20  # a selective filter leaves few rows to compare


def test_what_codes_cannot_tell_apart_is_searched_exactly(exact_searches):
    near = made_tracks(1)[0, 0].astype(np.float32) + 1e-3 * np.random.default_rng(0).standard_normal((3000, 8, DIM))
    close = made_block((near / np.linalg.norm(near, axis=-1, keepdims=True)).astype(np.float16))
    query = near[77, 3].astype(np.float32)
    exact = list(nearest_rows(dataclasses.replace(close, codes=None), query, 32, 2, None))
    assert list(nearest_rows(close, query, 32, 2, None)) == exact and len(exact_searches) == 2


def test_codes_are_the_same_each_time_and_for_other_rows(block):
    again = new_codes(block.index)
    query = queries(made_tracks(3000))[:1]
    for ours, theirs in zip(again.search(query, 50), block.codes.search(query, 50), strict=True):
        assert np.array_equal(ours, theirs)
    later = empty_codes(block.codes)
    assert later.ntotal == 0 and block.codes.ntotal == 24_000
    vector_block.add_codes(later, block.index)
    assert np.array_equal(later.search(query, 50)[1], again.search(query, 50)[1])


@pytest.fixture
def library(tmp_path, monkeypatch):
    """A library with an index file, tracks that are newer than it, and deleted ones: the store, and its vectors."""
    monkeypatch.setattr(search_indexes, "MIN_ROWS_FOR_INDEX_FILE", 1000)
    store, vectors = open_store(tmp_path), made_tracks(3000)

    def put(first: int, last: int) -> None:
        store.upsert_many(
            (
                Track(f"/{i:04}", year=1990 + i % 3),
                FileState(1, 1, b"1"),
                [10.0 * j for j in range(WINDOWS)],
                vectors[i],
            )
            for i in range(first, last)
        )

    put(0, 2500)
    store.optimize()
    put(2500, 3000)
    store.delete([f"/{i:04}" for i in range(0, 3000, 50)])
    yield store, vectors
    store.close()


def expected(vectors: np.ndarray, query: np.ndarray, k: int, years=(1990, 1991, 1992)) -> list[str]:
    scores = (vectors.astype(np.float32) @ query).max(axis=1)
    left = [i for i in np.argsort(-scores, kind="stable") if i % 50 and 1990 + i % 3 in years]
    return [f"/{i:04}" for i in left[:k]]


def test_a_library_with_newer_and_deleted_tracks(library, exact_searches):
    store, vectors = library
    tree = parse_filter("year > 1990")
    for query in queries(vectors):
        for where, years in ((None, (1990, 1991, 1992)), (tree, (1991, 1992))):
            hits = store.search(query, 2, where, by="moment")
            assert [track.path for _, track, _ in hits] == expected(vectors, query, 2, years)
    index = store.indexes.current("moment")
    assert index.mapped.codes.ntotal == 20_000 and index.recent.codes.ntotal == 3920
    assert sum(block is index.mapped for block, *_ in exact_searches) < 20  # of 60


def test_an_index_file_without_codes_is_read_and_rewritten(library, tmp_path, monkeypatch, caplog):
    store, vectors = library
    monkeypatch.setattr(vector_block, "MIN_ROWS_FOR_CODES", 10**9)
    for by in ("track", "moment"):  # as version 0.2 wrote them
        index = index_file.VectorIndex(by)
        index.refresh(store._db)
        monkeypatch.setattr(index_file, "FORMAT", index_file.FORMAT_WITHOUT_CODES)
        name = index_file.write_index(tmp_path, index)
        path = tmp_path / name
        data = path.read_bytes()
        length = int.from_bytes(data[-8:], "little")
        trailer = json.loads(data[-8 - length : -8])
        del trailer["codes"]
        end = json.dumps(trailer).encode()
        path.write_bytes(data[: -8 - length] + end + len(end).to_bytes(8, "little"))
        store._db.execute("UPDATE search_files SET name = ? WHERE kind = ?", (name, by))
    monkeypatch.undo()
    monkeypatch.setattr(search_indexes, "MIN_ROWS_FOR_INDEX_FILE", 1000)
    query = queries(vectors)[0]
    reopened = open_store(tmp_path)
    assert [track.path for _, track, _ in reopened.search(query, 2, by="moment")] == expected(vectors, query, 2)
    assert reopened.indexes.current("moment").mapped.codes is None and not caplog.records
    reopened.optimize()
    assert reopened.indexes.current("moment").mapped.codes.ntotal == 23_520
    reopened.close()
