"""Searches of large libraries by codes first: they find what an exhaustive search finds."""

import dataclasses
import json
import zlib

import numpy as np
import pytest

from kobza.half_precision import inner_products
from kobza.library.filters.parser import parse_filter
from kobza.library.records import FileState, Track
from kobza.library.stores import index_file, search_indexes, vector_block, vector_codes
from kobza.library.stores.base import open_store
from kobza.library.stores.vector_block import Block, nearest_tracks
from kobza.library.stores.vector_codes import encode, joined

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


def made_block(vectors: np.ndarray, **fields) -> Block:
    """A block in memory that has been searched, so that it is searched by codes."""
    halves = vectors.reshape(-1, DIM)
    track_ids = np.arange(1, len(vectors) + 1)
    return Block(track_ids, np.arange(0, len(halves) + 1, WINDOWS), halves, was_searched=True, **fields)


@pytest.fixture(scope="module")
def block() -> Block:
    return made_block(made_tracks(3000))


@pytest.fixture
def exact_searches(monkeypatch) -> list:
    """Gets an item for each search that compares all rows."""
    calls: list = []
    exact = Block.scores
    monkeypatch.setattr(Block, "scores", lambda *args: calls.append(args) or exact(*args))
    return calls


def queries(vectors: np.ndarray, count: int = 30) -> np.ndarray:
    rng = np.random.default_rng(5)
    near = vectors[rng.integers(len(vectors), size=count), 0] + 0.1 * rng.standard_normal((count, DIM))
    return (near / np.linalg.norm(near, axis=-1, keepdims=True)).astype(np.float32)


def found(block: Block, query: np.ndarray, k: int, passing: np.ndarray | None = None) -> list:
    scores, track_ids = nearest_tracks(block, query, k, passing)
    return list(zip(scores.tolist(), track_ids.tolist(), strict=True))


def found_exactly(block: Block, query: np.ndarray, k: int, passing: np.ndarray | None = None) -> list:
    return found(dataclasses.replace(block, was_searched=False), query, k, passing)


@pytest.mark.parametrize("share", [1.0, 0.5, 0.02])
def test_tracks_are_those_of_an_exact_search(block, exact_searches, share):
    passing = None if share == 1 else np.random.default_rng(1).random(3001) < share
    for query in queries(made_tracks(3000)):
        exact = found_exactly(block, query, 5, passing)
        assert found(block, query, 5, passing) == exact  # to the last bit of the scores
        products = made_tracks(3000).astype(np.float64) @ query
        best = np.where(True if passing is None else passing[1:], products.max(axis=1), -1)
        np.testing.assert_allclose([score for score, _ in exact], np.sort(best)[:-6:-1], atol=1e-6)
        assert [track_id for _, track_id in exact] == (1 + np.argsort(-best)[:5]).tolist()
    by_codes = 60 - len(exact_searches)
    assert by_codes == 0 if share == 0.02 else by_codes > 20  # a selective filter leaves few rows to compare


def test_the_first_search_makes_no_codes(exact_searches):
    block = made_block(made_tracks(1500))
    block.was_searched = False
    query = queries(made_tracks(1500))[0]
    first = found(block, query, 5)
    assert block.codes is None and len(exact_searches) == 1
    assert found(block, query, 5) == first and len(block.codes) == 12_000 and len(exact_searches) == 1
    few = made_block(made_tracks(1000))
    found(few, query, 5)
    assert few.codes is None  # 8,000 rows are compared in a moment


def test_a_cpu_without_the_instructions_compares_all(block, exact_searches, monkeypatch):
    monkeypatch.setattr(vector_codes, "are_quick", lambda: False)
    found(block, queries(made_tracks(3000))[0], 5)
    assert len(exact_searches) == 1


def test_what_codes_cannot_tell_apart_is_searched_exactly(exact_searches):
    near = made_tracks(1)[0, 0].astype(np.float32) + 1e-3 * np.random.default_rng(0).standard_normal((3000, 8, DIM))
    close = made_block((near / np.linalg.norm(near, axis=-1, keepdims=True)).astype(np.float16))
    query = near[77, 3].astype(np.float32)
    exact = found_exactly(close, query, 2)
    assert found(close, query, 2) == exact and len(exact_searches) == 2


def test_a_window_that_many_tracks_have_hides_no_better_one(exact_searches):
    """Such as a jingle: the codes of all of them are off by the same error."""
    vectors = made_tracks(3000)
    vectors[::20, 0] = vectors[7, 0]
    block, jingle = made_block(vectors), vectors[7, 0].astype(np.float32)
    for other in queries(vectors, 60):
        query = 0.4 * jingle + 0.6 * other
        assert found(block, query, 5) == found_exactly(block, query, 5)
    assert len(exact_searches) < 90  # of 120, of which half have to be


def test_equal_tracks_are_found_by_their_ids():
    vectors = made_tracks(3000)
    vectors[[5, 1234, 2999]] = vectors[7]
    block = made_block(vectors)
    query = vectors[7, 0].astype(np.float32)
    for search in (found, found_exactly):
        scores, track_ids = zip(*search(block, query, 3), strict=True)
        assert track_ids == (6, 8, 1235) and len(set(scores)) == 1


@pytest.mark.parametrize("dim", [8, 96, 512])
def test_codes_are_near_the_products(dim):
    rng = np.random.default_rng(0)
    vectors = rng.standard_normal((3000, dim)) * np.geomspace(1, 0.05, dim)  # not all dimensions matter alike
    halves = (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float16)
    codes = encode(halves)
    query = halves[5].astype(np.float32)
    errors = codes.inner_products(query) - halves.astype(np.float32) @ query
    assert errors.std() < 0.03 and abs(errors.mean()) < 0.005
    assert codes.packed.nbytes == -(-dim // 128) * 64 * 3000


def test_codes_are_the_same_for_other_rows(monkeypatch):
    halves = made_tracks(3000).reshape(-1, DIM)
    codes, parts = encode(halves), joined(encode(halves[:777]), encode(halves[777:]))
    query = queries(made_tracks(3000))[0]
    whole = codes.inner_products(query)
    np.testing.assert_allclose(parts.inner_products(query), whole, atol=0.03)  # rounding of BLAS may change a code
    assert np.mean(parts.packed == codes.packed) > 0.999
    monkeypatch.setattr(vector_codes, "ROWS_PER_PRODUCT", 5000)
    assert np.array_equal(vector_codes.Codes(codes.rotation, codes.packed, codes.scales).inner_products(query), whole)


def test_every_half_is_widened_exactly():
    halves = np.arange(1 << 16, dtype=np.uint16).view(np.float16)
    halves = halves[np.isfinite(halves)][:, None]
    np.testing.assert_array_equal(inner_products(halves, np.ones(1, np.float32)), halves[:, 0].astype(np.float32))
    some = np.array([70, 3, 3], np.int64)
    np.testing.assert_array_equal(inner_products(halves, np.full(1, 2.0, np.float32), some), 2 * halves[some, 0])


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
    assert len(index.mapped.codes) == 20_000 and len(index.recent) == 3920
    # Each is searched exactly for the first time, and the newer tracks always: they are few
    assert sum(block is index.mapped for block, *_ in exact_searches) < 20  # of 60
    assert sum(block is index.recent for block, *_ in exact_searches) == 60


def test_many_newer_tracks_get_codes(library, exact_searches, monkeypatch):
    store, vectors = library
    monkeypatch.setattr(vector_block, "MIN_ROWS_FOR_CODES", 1000)
    monkeypatch.setattr(vector_block, "MIN_CANDIDATE_ROWS", 200)
    for query in queries(vectors, 10):
        hits = store.search(query, 2, by="moment")
        assert [track.path for _, track, _ in hits] == expected(vectors, query, 2)
    index = store.indexes.current("moment")
    assert len(index.recent.codes) == 3920 and sum(block is index.recent for block, *_ in exact_searches) < 10
    store.upsert(Track("/new"), FileState(1, 1, b"1"), [0.0], vectors[0, :1].astype(np.float32))
    assert store.search(vectors[0, 0].astype(np.float32), 1, by="moment")[0][1].path == "/new"
    assert len(index.recent.codes) == len(index.recent) == 3921


# What FAISS 1.15 writes before the vectors of an IndexScalarQuantizer (32 dimensions, 2,360 rows, half precision)
FAISS_HEADER = bytes.fromhex(
    "49785351200000003809000000000000000010000000000000001000000000000100000000040000000000000000000000200000000000000040000000000000000000000000000000004e020000000000"
)


def test_an_index_file_of_an_older_version_is_read_and_rewritten(library, tmp_path, caplog):
    store, vectors = library
    for by in ("track", "moment"):
        index = index_file.VectorIndex(by)
        index.refresh(store._db)
        block, name = index.recent, f"search-{by}-0000000000000000.index"
        track_ids = np.repeat(block.track_ids, np.diff(block.first_rows))
        content = track_ids.tobytes() + bytes(8 * len(block)) + FAISS_HEADER + block.halves.tobytes()
        trailer = {"magic": index_file.FORMAT_OF_FAISS, "name": name, "rows": len(block), "last": index.last_id}
        end = json.dumps(trailer | {"length": len(content), "crc32": zlib.crc32(content)}).encode()
        (tmp_path / name).write_bytes(content + end + len(end).to_bytes(8, "little"))
        store._db.execute("INSERT OR REPLACE INTO search_files VALUES (?, ?)", (by, name))
    query = queries(vectors)[0]
    reopened = open_store(tmp_path)
    for _ in range(2):
        assert [track.path for _, track, _ in reopened.search(query, 2, by="moment")] == expected(vectors, query, 2)
    mapped = reopened.indexes.current("moment").mapped
    assert mapped.lacks_codes and mapped.halves.flags.aligned and not caplog.records
    assert len(reopened.indexes.current("moment").mapped) == 23_520
    reopened.optimize()
    assert len(reopened.indexes.current("moment").mapped.codes) == 23_520
    assert [track.path for _, track, _ in reopened.search(query, 2, by="moment")] == expected(vectors, query, 2)
    assert not caplog.records and not (tmp_path / "search-moment-0000000000000000.index").exists()
    reopened.close()
