"""The store in Milvus: the contract and what is its own, against milvus-lite's server and (slow) a real one."""

import contextlib
import random
import threading
import time

import pytest
from child_processes import context
from hypothesis import given
from hypothesis import strategies as st
from milvus_servers import free_port
from milvus_writer import PATHS, write
from recordings import replace_checkpoint, tone
from recordings import write as write_recording
from store_contract import StoreContract, agree, content, exact, fill, put, unit
from test_filters import ROW, TREE

from kobza import MusicLibrary
from kobza.cli import main
from kobza.library import FileState, LibraryError, MilvusAddress, Track, open_store
from kobza.library.filters.parser import parse_filter
from kobza.library.filters.tree import Compare, In, matches
from kobza.library.ingest.copy import STORE_KEYS
from kobza.library.stores.milvus import collections, journal
from kobza.library.stores.milvus.client import ConnectionParameters
from kobza.library.stores.milvus.filter import is_exact, to_expression
from kobza.library.stores.milvus.rows import to_path, to_rows, to_text


def emptied(address: str):
    """`reopen` for a library that is empty, but for its collections: making these takes a server seconds."""
    opened = []

    def reopen(read_only: bool = False):
        opened.append(open_store(f"{address}/tested", read_only))
        return opened[-1]

    store = reopen()
    store.delete(store.file_states())
    yield reopen
    for store in opened:
        store.close()


class MilvusContract(StoreContract):
    """What Milvus has to be told apart from the contract."""

    rounds = 10

    def test_pages_and_long_values(self, store, monkeypatch):
        monkeypatch.setattr(collections, "ROWS_PER_REQUEST", 7)
        monkeypatch.setattr(collections, "MAX_RESULTS", 11)
        held = fill(store, 50)
        assert {track.path: len(starts) for track, _, starts, _ in store.scan()} == {
            path: len(vectors) for path, (_, vectors) in held.items()
        }
        assert store.count().tracks == len(store) == len(store.file_states()) == 50
        with pytest.raises(LibraryError, match=r"k is 12; .* returns at most 11 tracks"):
            store.search(unit(1)[0], 12)
        for text in ("title ~ t4", "title ~ 7 and not genre = jazz", "title = t31 or comment ~ x", "not title ~ t"):
            tree = parse_filter(text)
            for by in ("track", "moment"):  # more tracks than are looked at one by one
                agree(store.search(unit(1)[0], 11, tree, by), exact(held, unit(1)[0], by, tree), 11)
        for value in ("й" * 70_000, "short"):
            store.set_meta(folders=value)
            assert store.meta["folders"] == value

    def test_many_in_one_write(self, store):
        whole = [(Track(f"/{i}", added=1.0), FileState(1, 1, b""), [0.0], unit(1, i)) for i in range(20)]
        store.upsert_many(whole)
        store.upsert_many([*whole[:5], (Track("/0", "later"), FileState(2, 1, b""), [0.0], unit(1))])
        assert len(store) == 20 and next(store.scan("/0"))[0].title == "later"
        with pytest.raises(LibraryError, match=r"/1 cannot be stored"):
            store.upsert_many([whole[0], (Track("/1"), FileState(1, 1, b""), [], unit(0))])
        assert store.count() == (20, 20, 0.0)

    def test_what_is_written_by_people_stays_a_value(self, store):
        nasty = ['x" or id > "', "\\", "a\\", "';--", "{x}", "%", "\n", "$", "'\"'"]
        for i, text in enumerate(nasty):
            put(store, f"/m/{text}/{i}", n=1, seed=i, genre=text)
        for i, text in enumerate(nasty):
            for tree in (
                Compare("genre", "eq", text),
                In("genre", (text, "absent")),
                Compare("path", "eq", f"/m/{text}/{i}"),
                Compare("path", "under", f"/m/{text}"),
            ):
                for by in ("track", "moment"):
                    hits = store.search(unit(1)[0], 99, tree, by)
                    assert [track.path for _, track, _ in hits] == [f"/m/{text}/{i}"], tree

    def test_texts_longer_than_a_column_are_cut(self, store):
        for comment, title in (("c" * 100_000, "short"), ("\N{COLLISION SYMBOL}" * 20_000, "\1" * 4_000)):
            put(store, "/a", title=title, comment=comment, genre="; ".join(map(str, range(3000))), bpm=1.5)
            ((track, *_),) = store.scan()
            assert comment.startswith(track.comment) and len(track.comment) > 500 and track.bpm == 1.5
            assert title.startswith(track.title) and (track.title == title or len(track.title) > 500)
            assert len(store.search(unit(1)[0], 9, Compare("title", "eq", title))) == 1

    def test_one_writer_on_a_machine_and_each_shard_its_own(self, store, reopen):
        other = reopen()
        with store.writing(), pytest.raises(LibraryError, match="is being written by another kobza"), other.writing():
            pass
        with store.writing("1/2"), other.writing("2/2"):
            pass
        with pytest.raises(LibraryError, match="read-only"), reopen(read_only=True).writing():
            pass

    def test_killed_at_any_moment(self, store, reopen, monkeypatch):
        """No half track is seen, nothing that was stored is lost, and the next run completes and tidies up."""
        rng, kills = random.Random(1), 0
        url = f"{store.parameters.uri.replace('http', 'milvus')}/tested"
        for number in range(1900, 1900 + self.rounds):
            store.close()
            store = reopen()  # opened anew it sees what other processes have written
            written = context.Value("i", 0)
            child = context.Process(target=write, args=(url, number, written))
            child.start()
            moment = rng.randrange(0, len(PATHS), 7)
            while written.value < moment and child.is_alive():
                time.sleep(0.001)
            time.sleep(rng.uniform(0, 0.2 if not moment else 0.05))
            child.kill()
            child.join()
            kills += child.exitcode == -9
            years = {}
            for track, file_state, starts, vectors in store.scan():
                years[track.path] = track.year
                assert len(starts) == len(vectors) == file_state.size == 1 + track.year % 4
                assert (vectors[:, track.year % 16] == 1).all()
            assert all(years[path] == number for path in PATHS[: written.value])
            for by in ("track", "moment"):
                hits = [track.path for _, track, _ in store.search(unit(1)[0], 100, by=by)]
                assert sorted(hits) == sorted(years)
        assert kills >= self.rounds / 2
        monkeypatch.setattr(journal, "STALE_SECONDS", 0.0)
        with store.writing():  # tidies up
            pass
        rows = [row["run"] for row in store.collections.rows("windows", fields=["run"])]
        assert len(rows) == store.count().windows
        child = context.Process(target=write, args=(url, 2000, written))
        child.start()
        child.join()
        assert child.exitcode == 0 and {track.year for track, *_ in store.scan()} == {2000}
        assert len(list(store.collections.rows("windows"))) == store.count().windows == len(PATHS)


class TestLite(MilvusContract):
    @pytest.fixture
    def reopen(self, lite):
        yield from emptied(lite)


@pytest.mark.slow
class TestReal(MilvusContract):
    rounds = 30

    @pytest.fixture
    def reopen(self, real):
        yield from emptied(real)


def test_a_library_moved_to_milvus_and_back(lite, tmp_path, monkeypatch, capsys):
    replace_checkpoint(monkeypatch)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    for hertz in range(300, 3300, 300):
        write_recording(
            tmp_path / "music" / f"{hertz}.flac", tone(hertz, 2 + hertz % 17), title=f"T{hertz}", artist="Ž"
        )
    here, there, back = str(tmp_path / "here"), f"{lite}/moved", str(tmp_path / "back")

    def run(*args: str) -> str:
        assert main(list(args)) == 0
        return capsys.readouterr().out

    def held(place: str) -> tuple:
        with contextlib.closing(open_store(place, read_only=True)) as store:
            meta = {key: value for key, value in store.meta.items() if key not in STORE_KEYS}
            return meta, list(content(store).items())

    assert run("index", str(tmp_path / "music" / "600.flac"), "--library", here).startswith("1 added")
    assert run("library", "copy", here, there) == "1 copied, 0 there already\n"
    monkeypatch.setenv("KOBZA_LIBRARY", there.replace("//", "//me:secret@"))
    assert run("index", str(tmp_path / "music")).startswith("9 added, 0 changed, 1 unchanged")
    assert run("sync").startswith("0 added, 0 changed, 10 unchanged")
    assert "T900" in run("search", "tone 900", "-k", "1") and "T900" not in run("similar", f"{tmp_path}/music/900.flac")
    info = run("info")
    assert there in info and "secret" not in info and "tracks       10" in info
    assert run("library", "copy", there, back) == "10 copied, 0 there already\n"
    assert held(there) == held(back)
    assert run("remove", str(tmp_path / "music")) == "10 removed\n"


def test_shards_that_begin_a_library_at_once(lite):
    """Each makes what is not there, and finds what the other has made."""
    stores = [open_store(f"{lite}/shared") for _ in range(3)]
    threads = [threading.Thread(target=put, args=(store, f"/{i}")) for i, store in enumerate(stores)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [sorted(store.file_states()) for store in stores] == [["/0", "/1", "/2"]] * 3


def test_addresses():
    place = ConnectionParameters.parse(MilvusAddress("milvus://me:se%40cret@db.example:19531/music/mine"))
    assert place[:4] == ("http://db.example:19531", "me:se@cret", "music", "mine") and not place.index_name
    assert ConnectionParameters.parse(MilvusAddress("milvus://h/n?index=hnsw")).index_name == "hnsw"
    for option in ("index=annoy", "index=", "index=hnsw&index=flat", "ef=3"):
        with pytest.raises(LibraryError, match=r"unknown option.*index=, followed by one of: flat, hnsw"):
            ConnectionParameters.parse(MilvusAddress(f"milvus://h/n?{option}"))
    assert str(place.address) == "milvus://db.example:19531/music/mine" and "cret" not in repr(place.address)
    place = ConnectionParameters.parse(MilvusAddress("milvus+tls://token@[::1]/mine"))
    assert place[:4] == (
        "https://[::1]:19530",
        "token",
        "",
        "mine",
    )
    for wrong in ("milvus://", "milvus://host", "milvus://host/", "milvus://host/a b", "milvus://host/1", "s3://h/n",
                  "milvus://host:x/n", "milvus://h/a/b/c", "milvus://u:secret@host"):  # fmt: skip
        with pytest.raises(LibraryError, match="not the address of a library in Milvus") as error:
            ConnectionParameters.parse(MilvusAddress(wrong))
        assert "secret" not in str(error.value)


def test_a_server_that_is_not_there_is_a_sentence():
    with pytest.raises(
        LibraryError, match=r"milvus://127.0.0.1:\d+/n cannot be opened .* check that the server"
    ) as error:
        open_store(f"milvus://me:secret@127.0.0.1:{free_port()}/n")
    assert "secret" not in str(error.value)


def test_a_library_that_is_absent_or_newer_is_a_sentence(lite):
    with pytest.raises(LibraryError, match=r"no library at milvus://127.*kobza index"):
        open_store(f"{lite}/absent", read_only=True)
    newer = open_store(f"{lite}/newer")
    newer.set_meta(schema="99")
    newer.close()
    with pytest.raises(LibraryError, match="newer Kobza"):
        MusicLibrary.open(f"{lite}/newer")


def test_paths_are_text_and_back():
    for path in (b"/m/\xff\xfe\n", "/é/\udcff".encode("utf-8", "surrogateescape"), b"/plain", b"/\xf0\x9f\x8e\xb5"):
        name = path.decode("utf-8", "surrogateescape")
        assert to_path(to_text(name)) == name and to_text(name).encode()
    assert to_text("/a/\udcff/b").startswith(to_text("/a/\udcff") + "/")


def test_an_expression_has_no_text_of_a_person_but_quoted_paths():
    tree = parse_filter("""genre in (jazz, 'x" or 1') and not year >= 1980 or path under '/a"b' and title != T""")
    text = to_expression(tree)
    assert "jazz" not in text and "or 1" not in text and '"/a\\"b"' in text
    assert text.count("(not ") == 2 and "year >= 1980.0" in text and "array_contains_any(texts, [" in text


@given(row=ROW, trees=st.lists(TREE, min_size=5, max_size=20))
def test_expressions_select_what_filters_do(row, trees):
    """An expression of Milvus is one of Python, too."""
    track = Track("/m/a", **row)
    columns, _ = to_rows(track, FileState(1, 1, b""), [0.0], unit(1), run=1)
    functions = {
        "array_contains": lambda values, value: value in values,
        "array_contains_any": lambda values, some: bool({*values} & {*some}),
    }
    for tree in trees:
        expression = to_expression(tree)
        selected = bool(eval(expression, functions | columns)) if expression else True
        assert selected == matches(tree, track) if is_exact(tree) else selected >= matches(tree, track), expression
