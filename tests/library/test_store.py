"""The store in a folder: the contract, and what is its own."""

import logging
import os
import sqlite3

import numpy as np
import pytest
from recordings import replace_checkpoint
from store_contract import StoreContract, agree, exact, fill, put, unit

from kobza.cli import main
from kobza.library import LibraryError, Track, open_store
from kobza.library.filters.parser import parse_filter
from kobza.library.stores import index_file, search_indexes


@pytest.fixture
def reopen(tmp_path):
    opened = []

    def reopen(read_only: bool = False):
        opened.append(open_store(tmp_path / "store", read_only))
        return opened[-1]

    yield reopen
    for store in opened:
        store.close()


class TestInMemory(StoreContract):
    pass


class TestWithIndexFiles(StoreContract):
    """As in a large library: whatever is written, an index file is soon written, and soon out of date."""

    @pytest.fixture(autouse=True)
    def small_is_large(self, monkeypatch):
        monkeypatch.setattr(search_indexes, "MIN_ROWS_FOR_INDEX_FILE", 1)

    @pytest.fixture
    def store(self, reopen):
        store = reopen()
        upsert, writes = store.upsert, []

        def upsert_and_now_and_then_optimize(*args):
            upsert(*args)
            writes.append(args)
            if len(writes) % 50 == 3:
                store.optimize()

        store.upsert = upsert_and_now_and_then_optimize
        return store


class TestIndexFiles:
    @pytest.fixture
    def held(self, reopen, monkeypatch):
        monkeypatch.setattr(search_indexes, "MIN_ROWS_FOR_INDEX_FILE", 100)
        store = reopen()
        held = fill(store)
        store.optimize()
        store.close()
        return held

    @staticmethod
    def search(store, held) -> None:
        for seed, by in enumerate(("track", "moment")):
            query, tree = unit(1, 900 + seed)[0], parse_filter("genre != jazz")
            agree(store.search(query, 20, by=by), exact(held, query, by), 20)
            agree(store.search(query, 20, tree, by), exact(held, query, by, tree), 20)

    def files(self, folder) -> list[str]:
        return sorted(path.name.split("-")[1] for path in folder.glob("search-*"))

    def test_they_are_used_kept_and_renewed(self, reopen, held, tmp_path, caplog):
        folder = tmp_path / "store"
        assert self.files(folder) == ["moment", "track"]
        reader, store = reopen(read_only=True), reopen()
        for handle in (reader, store):
            self.search(handle, held)
            for by in ("track", "moment"):
                assert handle.indexes.current(by).mapped is not None and handle.indexes.current(by).recent is None
        names = {path.name for path in folder.glob("search-*")}
        store.optimize()
        assert {path.name for path in folder.glob("search-*")} == names  # nothing to do
        for i in range(60):
            held[f"/more/{i}"] = Track(f"/more/{i}"), put(store, f"/more/{i}", n=2, seed=700 + i)
        self.search(store, held)
        store.optimize()
        assert self.files(folder) == ["moment", "track"]
        assert not names & {path.name for path in folder.glob("search-*")}
        for handle in (reader, store, reopen()):  # the reader has the old ones mapped, and they are unlinked
            self.search(handle, held)
        store.delete(list(held)[:100])
        held = dict(list(held.items())[100:])
        for handle in (reader, store):
            self.search(handle, held)
        store.optimize()
        self.search(store, held)
        assert store.indexes.current("moment").stale_rows == 0
        assert not caplog.records

    @pytest.mark.parametrize("read_only", [False, True])
    @pytest.mark.parametrize("how", ["lost", "empty", "cut", "flipped", "trailer", "garbage", "another library's"])
    def test_a_damaged_one_costs_a_note(self, reopen, held, tmp_path, caplog, how, read_only):
        folder = tmp_path / "store"
        files = {path.name: path.read_bytes() for path in folder.glob("search-*")}
        for name, data in files.items():
            path = folder / name
            if how == "lost":
                path.unlink()
            elif how == "another library's":
                other = open_store(tmp_path / "other")
                fill(other, 150)
                other.optimize()
                other.close()
                theirs = next((tmp_path / "other").glob(f"search-{name.split('-')[1]}-*"))
                path.write_bytes(theirs.read_bytes())
            else:
                at = data.rindex(b'"last": ') + 8 if how == "trailer" else 3000  # tracks would be taken for known
                flipped = data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :]
                path.write_bytes({"empty": b"", "cut": data[:-5000], "garbage": b"x" * 9999}.get(how, flipped))
        with caplog.at_level(logging.WARNING, "kobza"):
            store = reopen(read_only)
            self.search(store, held)
        assert len(caplog.records) == 2 and "Nothing is lost" in caplog.text
        if not read_only:
            store.optimize()
            caplog.clear()
            self.search(reopen(True), held)
            assert not caplog.records and self.files(folder) == ["moment", "track"]

    def test_no_room_for_one(self, reopen, held, tmp_path, caplog, monkeypatch):
        def no_room(*_):
            raise OSError(28, "No space left on device")

        monkeypatch.setattr(os, "fsync", no_room)
        store = reopen()
        for i in range(200):
            held[f"/more/{i}"] = Track(f"/more/{i}"), put(store, f"/more/{i}", seed=i)
        store.optimize()
        assert "was not written ([Errno 28] No space left on device)" in caplog.text
        assert len(list((tmp_path / "store").glob("search-*"))) == 2  # the old ones; no half of a new one
        self.search(store, held)
        self.search(reopen(True), held)


def test_a_damaged_index_file_is_rebuilt_by_the_next_run(music, tmp_path, monkeypatch, caplog, capsys):
    replace_checkpoint(monkeypatch)
    monkeypatch.setattr(search_indexes, "MIN_ROWS_FOR_INDEX_FILE", 1)
    library = ["--library", str(tmp_path / "library")]
    assert main(["index", str(music), *library]) == 0
    capsys.readouterr()
    for path in (tmp_path / "library").glob("search-*"):
        path.write_bytes(path.read_bytes()[:-1])
    with caplog.at_level(logging.WARNING, "kobza"):
        assert main(["search", "tone 400", *library]) == 0
    assert "Nothing is lost" in caplog.text and "400.mp3" in capsys.readouterr().out
    assert main(["library", "check", *library]) == 1
    assert main(["sync", *library]) == main(["library", "check", *library]) == 0
    for path in (tmp_path / "library").glob("search-*"):
        index_file.read(path)


def test_one_writer_at_a_time(reopen):
    store, second = reopen(), reopen()
    with store.writing(), pytest.raises(LibraryError, match="being written by another kobza"), second.writing():
        pass
    with second.writing():
        pass
    with pytest.raises(LibraryError, match="read-only"), reopen(read_only=True).writing():
        pass


def test_a_reader_does_not_wait_for_a_writer(reopen):
    store, reader = reopen(), reopen(read_only=True)
    vectors = put(store, "/a")
    store._db.execute("BEGIN IMMEDIATE")
    store._db.execute("DELETE FROM tracks")
    assert len(reader.search(vectors[0], 5)) == 1
    store._db.execute("ROLLBACK")
    assert len(store.search(vectors[0], 5)) == 1


def test_a_failed_write_leaves_the_old(reopen):
    store = reopen()
    put(store, "/a", n=2)
    store._db.execute("CREATE TRIGGER no BEFORE INSERT ON vectors BEGIN SELECT RAISE(ABORT, 'no'); END")
    with pytest.raises(LibraryError, match="no"):  # fails after the row was replaced
        put(store, "/a", n=3)
    assert store.count() == (1, 2, 20.0) and len(list(store.scan())) == 1


def test_what_is_no_library_is_a_sentence(tmp_path):
    with pytest.raises(LibraryError, match=r"no library.*kobza index"):
        open_store(tmp_path / "absent", read_only=True)
    assert not (tmp_path / "absent").exists()
    (tmp_path / "file").write_text("x")
    with pytest.raises(LibraryError, match="cannot be opened"):
        open_store(tmp_path / "file")
    (tmp_path / "bad").mkdir()
    (tmp_path / "bad" / "kobza.db").write_bytes(b"no database" * 1000)
    (tmp_path / "else").mkdir()
    with sqlite3.connect(tmp_path / "else" / "kobza.db") as db:
        db.execute("CREATE TABLE x (y)")
    for read_only in (False, True):
        with pytest.raises(LibraryError, match=r"is damaged.*kobza library check.*repair"):
            open_store(tmp_path / "bad", read_only)
        with pytest.raises(LibraryError, match="not a Kobza library"):
            open_store(tmp_path / "else", read_only)


def test_a_newer_library_is_a_sentence(reopen):
    reopen().set_meta(schema="99")
    for read_only in (False, True):
        with pytest.raises(LibraryError, match="newer Kobza"):
            reopen(read_only)


def test_threads_may_share_one(reopen):
    import concurrent.futures

    store = reopen()
    held = fill(store, 60)

    def work(i: int) -> None:
        query = unit(1, i)[0]
        agree(store.search(query, 5, by="moment"), exact(held, query, "moment"), 5)
        put(store, f"/m/{i % 3}/{i}", n=len(held[f"/m/{i % 3}/{i}"][1]), seed=i)  # what was there already

    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        list(pool.map(work, range(40)))
    assert store.count().tracks == 60 and np.isfinite(store.count().seconds)
