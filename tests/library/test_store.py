import os
import sqlite3

import numpy as np
import pytest

from kobza.library import LibraryError, Rev, Track, open_store

RNG = np.random.default_rng(0)


def unit(n: int, dim: int = 16) -> np.ndarray:
    vectors = RNG.normal(size=(n, dim)).astype(np.float32)
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def put(store, path: str, n: int = 3, **fields) -> np.ndarray:
    vectors = unit(n)
    track = Track(path, **{"title": "t", "duration": 10.0 * n} | fields)
    store.upsert(track, Rev(100 + n, 5, path.encode("utf-8", "surrogateescape")), [10.0 * i for i in range(n)], vectors)
    return vectors


@pytest.fixture
def store(tmp_path):
    store = open_store(tmp_path / "store")
    yield store
    store.close()


def test_what_is_put_in_comes_out(store, tmp_path):
    odd = os.fsdecode(b"/m/\xff\xfe\n.mp3")
    vectors = put(store, odd, title="Піcня", artist="x", album="y", genre="z", year=1973)
    put(store, "/m/b.mp3", n=1)
    store.close()
    again = open_store(tmp_path / "store")
    (other, *_), (track, rev, starts, kept) = again.scan()
    assert other.path == "/m/b.mp3"
    assert track == Track(odd, "Піcня", "x", "y", "z", 1973, 30.0)
    assert rev == Rev(103, 5, b"/m/\xff\xfe\n.mp3") and again.revs() == {odd: rev, "/m/b.mp3": Rev(101, 5, b"/m/b.mp3")}
    assert starts == [0.0, 10.0, 20.0]
    np.testing.assert_array_equal(kept, vectors.astype(np.float16))
    assert again.count() == (2, 4, 40.0)
    again.close()


def test_upsert_replaces_all_of_a_track(store):
    put(store, "/a", n=5)
    vectors = put(store, "/a", n=2)
    ((_, _, starts, kept),) = store.scan()
    assert starts == [0.0, 10.0] and store.count() == (1, 2, 20.0)
    np.testing.assert_array_equal(kept, vectors.astype(np.float16))


def test_delete_takes_the_windows_along(store):
    for name in "abc":
        put(store, f"/{name}")
    assert store.delete(["/a", "/c", "/never"]) == 2
    assert store.delete([]) == 0
    assert store.count() == (1, 3, 30.0) and list(store.revs()) == ["/b"]


def test_move_keeps_everything_else(store):
    vectors = put(store, "/a")
    store.move("/a", "/b", 77)
    ((track, rev, _, kept),) = store.scan()
    assert (track.path, rev.mtime_ns, rev.size) == ("/b", 77, 103)
    np.testing.assert_array_equal(kept, vectors.astype(np.float16))
    assert store.search(vectors[0], 1)[0][1].path == "/b"


def test_search_is_exact_after_every_kind_of_write(store):
    kept = {f"/{i}": put(store, f"/{i}", n=1 + i % 4) for i in range(300)}

    def check():
        means = {path: v.astype(np.float16).astype(np.float32).mean(0) for path, v in kept.items()}
        query = unit(1)[0]
        expected = sorted(((float(m @ query / np.linalg.norm(m)), path) for path, m in means.items()), reverse=True)[
            :25
        ]
        hits = store.search(query, 25)
        # Stored in half precision, so neighbours closer than that may change places.
        assert [score for score, _, _ in hits] == pytest.approx([score for score, _ in expected], abs=1e-3)
        assert len({track.path for _, track, _ in hits} & {path for _, path in expected}) >= 24

    assert len(store.search(unit(1)[0], 1000)) == 300
    check()
    store.delete(["/5", "/6"])
    del kept["/5"], kept["/6"]
    check()
    kept["/7"] = put(store, "/7", n=2)
    kept["/new"] = put(store, "/new")
    check()
    store.delete(list(kept))
    assert store.search(unit(1)[0], 5) == []


def test_a_reader_sees_what_a_writer_adds(store, tmp_path):
    reader = open_store(tmp_path / "store", read_only=True)
    assert reader.search(unit(1)[0], 5) == []
    vectors = put(store, "/a")
    assert reader.search(vectors[0], 5)[0][1].path == "/a"
    store._db.execute("BEGIN IMMEDIATE")  # in the middle of a write
    assert len(reader.search(vectors[0], 5)) == 1
    store._db.execute("ROLLBACK")
    with pytest.raises(LibraryError, match="read-only"), reader.writing():
        pass
    reader.close()


def test_a_failed_write_leaves_the_old(store):
    put(store, "/a", n=2)
    with pytest.raises(sqlite3.IntegrityError):  # two windows at one place: fails after the row was replaced
        store.upsert(Track("/a"), Rev(1, 1, b""), [0.0, 0.0], unit(2))
    assert store.count() == (1, 2, 20.0)
    put(store, "/b")
    assert store.count().tracks == 2


def test_one_writer_at_a_time(store, tmp_path):
    second = open_store(tmp_path / "store")
    with store.writing(), pytest.raises(LibraryError, match="Another kobza is writing"), second.writing():
        pass
    with second.writing():
        pass
    second.close()


def test_what_is_no_library_is_a_sentence(tmp_path):
    with pytest.raises(LibraryError, match=r"no library.*kobza index"):
        open_store(tmp_path / "absent", read_only=True)
    assert not (tmp_path / "absent").exists()
    (tmp_path / "file").write_text("x")
    with pytest.raises(LibraryError, match="cannot be opened"):
        open_store(tmp_path / "file")
    (tmp_path / "bad").mkdir()
    (tmp_path / "bad" / "kobza.db").write_bytes(b"no database" * 1000)
    for read_only in (False, True):
        with pytest.raises(LibraryError, match="cannot be opened"):
            open_store(tmp_path / "bad", read_only)


def test_a_newer_library_is_a_sentence(store, tmp_path):
    store.set_meta(schema="99")
    with pytest.raises(LibraryError, match="newer Kobza"):
        open_store(tmp_path / "store")
