"""check, repair, export, import: what is wrong is said, what can be mended is mended, what is whole is kept."""

import contextlib
import json
import os
import re
import shutil
import sqlite3

import numpy as np
import pytest
from recordings import ToneEmbedder, tone, write
from store_contract import agree, content, exact, fill, put, unit

from kobza import MusicLibrary
from kobza.cli import main
from kobza.library import LibraryError, Track, open_store
from kobza.library.ingest.parquet import export_library, import_library
from kobza.library.stores import search_indexes
from kobza.library.stores.integrity import check, repair

TABLE_LEAF = 13  # the first byte of such a page of SQLite


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A library of 120 tracks in good order, with index files."""
    monkeypatch.setattr(search_indexes, "MIN_ROWS_FOR_INDEX_FILE", 100)
    store = open_store(tmp_path / "library")
    fill(store)
    put(store, "/m/1/7", n=1, title="T7")
    store.set_meta(fingerprint="f", model="m", dim="16", folders='["/m"]')
    store.set_meta(windows=json.dumps({"window_seconds": 10.0, "min_window_seconds": 1.0}))
    store.optimize()
    store.close()
    assert check(tmp_path / "library") == []
    return tmp_path / "library"


def contents(folder) -> dict:
    with contextlib.closing(open_store(folder, read_only=True)) as store:
        return content(store)


def change(folder, *statements) -> None:
    with sqlite3.connect(folder / "kobza.db") as db:
        for statement, *values in statements:
            db.execute(statement, values)
    db.close()


def halves(*rows) -> bytes:
    return np.array(rows, np.float16).tobytes()


NAN, LONG, EAST = np.full(16, np.nan), np.full(16, 0.5), np.eye(1, 16)[0]
IS_T7 = "WHERE track_id = (SELECT id FROM tracks WHERE title = 'T7')"
ONE_WINDOW, TWO_WINDOWS, FAR_WINDOW = (np.array(starts).tobytes() for starts in ([0.0], [0.0, 10.0], [90.0]))


@pytest.mark.parametrize(
    ("statement", "values", "said", "kept"),
    [
        (f"UPDATE vectors SET starts = ?, windows = ? {IS_T7}", (ONE_WINDOW, halves(NAN)), "not finite", False),
        (
            f"UPDATE vectors SET starts = ?, windows = ? {IS_T7}",
            (ONE_WINDOW, halves(LONG)),
            "not of unit length",
            False,
        ),
        (f"UPDATE vectors SET starts = ?, windows = ? {IS_T7}", (ONE_WINDOW, halves(EAST[:8])), "8 numbers", False),
        (f"UPDATE vectors SET windows = x'00' {IS_T7}", (), "invalid length", False),
        (f"UPDATE vectors SET starts = x'', windows = x'' {IS_T7}", (), "no windows", False),
        (f"UPDATE vectors SET starts = ?, windows = ? {IS_T7}", (TWO_WINDOWS, halves(EAST, EAST)), "2 windows", False),
        (f"UPDATE vectors SET starts = ?, windows = ? {IS_T7}", (FAR_WINDOW, halves(EAST)), "wrong start times", False),
        (
            f"UPDATE vectors SET starts = ?, windows = ? {IS_T7}",
            (b"\0" * 7 + b"@", halves(EAST)),
            "wrong start times",
            False,
        ),
        (f"DELETE FROM vectors {IS_T7}", (), "has no vectors", False),
        (f"UPDATE vectors SET vector = ? {IS_T7}", (halves(EAST),), "not the mean", True),
        (f"UPDATE vectors SET vector = ? {IS_T7}", (halves(NAN),), "not the mean", True),
        (f"UPDATE vectors SET vector = x'' {IS_T7}", (), "not the mean", True),
        ("UPDATE tracks SET folded_genre = 'x' WHERE title = 'T7'", (), "tags of 1 tracks", True),
        ("INSERT INTO vectors VALUES (9999, ?, ?, ?)", (halves(EAST), ONE_WINDOW, halves(EAST)), "of 1 tracks", True),
        ("INSERT INTO track_words (rowid, title) VALUES (9999, 'ghost')", (), "index of the words", True),
        ("INSERT INTO track_words (track_words) VALUES ('delete-all')", (), "index of the words", True),
        ("UPDATE search_files SET name = 'search-moment-x.index' WHERE kind = 'moment'", (), "index file", True),
    ],
)
def test_one_thing_wrong(folder, statement, values, said, kept):
    before = contents(folder)
    change(folder, (statement, *values))
    (problem,) = check(folder)
    assert said in problem.message
    (sentence,) = repair(folder)
    assert sentence.startswith(problem.message)
    assert check(folder) == [] and repair(folder) == []
    (path,) = (path for path in before if path.endswith("/7"))
    if not kept:
        del before[path]
    assert contents(folder) == before
    store = open_store(folder)
    assert set(store.file_states()) == set(before)
    held = {track.path: (track, vectors) for track, _, _, vectors in store.scan()}
    for by in ("track", "moment"):
        agree(store.search(unit(1, 77)[0], 20, by=by), exact(held, unit(1, 77)[0], by), 20)
    store.close()


@pytest.mark.parametrize(
    ("pages", "least"),
    [
        ("leaf", None),
        ("leaves", None),  # two: most of this small library
        ([3], 0),  # the root of the table: SQLite finds nothing below it
        ([1], 100),  # of the table of meta
        (list(range(2, 1000, 3)), 0),
    ],
)
def test_a_damaged_database_is_recovered_beside_the_original(folder, pages, least):
    before = contents(folder)
    data = bytearray((folder / "kobza.db").read_bytes())
    kept = set()
    if least is None:  # the leaves of the table of tracks: only the tracks that they hold may be lost
        blocks = [bytes(data[at : at + 4096]) for at in range(0, len(data), 4096)]
        leaves = [i for i, block in enumerate(blocks) if block[0] == TABLE_LEAF and b"/m/" in block]
        pages = leaves[1:2] if pages == "leaf" else leaves[:2]
        held = [path for page in pages for path in re.findall(rb"/m/\d+/\d+", blocks[page])]
        kept = {path for path in before if not any(other.startswith(path.encode()) for other in held)}
        assert 0 < len(kept) < len(before)
    for page in pages:
        data[4096 * page : 4096 * (page + 1)] = b"\xa5" * len(data[4096 * page : 4096 * (page + 1)])
    (folder / "kobza.db").write_bytes(data)
    problems = check(folder)
    assert problems and all(problem.kind == "database" for problem in problems)
    (folder / "kobza-damaged-1.db").write_text("of an earlier accident")
    done = repair(folder)
    assert "kobza-damaged-2.db" in done[0] and "kobza sync" in done[0]
    assert (folder / "kobza-damaged-1.db").read_text() == "of an earlier accident"
    assert (folder / "kobza-damaged-2.db").read_bytes() == bytes(data)
    assert check(folder) == []
    after = contents(folder)
    assert after.items() <= before.items() and int(done[0].split()[0]) >= len(after)
    assert kept <= set(after) and len(after) >= (least or 0)
    assert not (folder / "kobza-rescued.db").exists()
    store = open_store(folder)
    put(store, "/new")
    assert store.search(unit(1)[0], 5)
    store.close()


def test_what_is_no_database_at_all(folder):
    shutil.copy(folder / "kobza.db", folder / "copy")
    (folder / "kobza.db").write_bytes(b"no database" * 1000)
    for read_only in (False, True):
        with pytest.raises(LibraryError, match=r"is damaged.*kobza library check.*kobza library repair"):
            open_store(folder, read_only)
    assert "not a database" in check(folder)[0].message
    assert repair(folder)[0].startswith("0 tracks")
    assert check(folder) == [] and (folder / "kobza-damaged-1.db").read_bytes() == b"no database" * 1000


@pytest.mark.parametrize("read_only", [False, True])
@pytest.mark.parametrize("ask", [lambda s: s.search(unit(1)[0], 5), lambda s: s.file_states(), lambda s: [*s.scan()]])
def test_damage_met_on_the_way_is_a_sentence(folder, ask, read_only):
    with open(folder / "kobza.db", "r+b") as file:
        size = file.seek(0, 2)
        file.seek(4096 * 3)
        file.write(b"\xa5" * (size - 4096 * 3))
    damaged = pytest.raises(LibraryError, match=r"is damaged.*kobza library repair")
    with damaged, contextlib.closing(open_store(folder, read_only)) as store:
        ask(store)


def test_sync_after_repair_brings_back_what_was_forgotten(tmp_path):
    for i in range(3):
        write(tmp_path / "music" / f"{i}.flac", tone(300 * (i + 1), 12), title=f"T{7 * i}")
    with MusicLibrary.open(tmp_path / "library", ToneEmbedder()) as library:
        library.add(tmp_path / "music")
        whole = {track.path: vectors.tobytes() for track, _, _, vectors in library.store.scan()}
    change(tmp_path / "library", (f"UPDATE vectors SET windows = zeroblob(length(windows)) {IS_T7}",))
    assert "1.flac" in repair(tmp_path / "library")[0]
    with MusicLibrary.open(tmp_path / "library", ToneEmbedder()) as library:
        assert len(library) == 2 and library.sync().added == 1
        assert {track.path: vectors.tobytes() for track, _, _, vectors in library.store.scan()} == whole


def test_repair_waits_for_no_writer(folder):
    store = open_store(folder)
    with store.writing(), pytest.raises(LibraryError, match="being written by another kobza"):
        repair(folder)
    store.close()


def test_commands(folder, tmp_path, capsys):
    library = ["--library", str(folder)]

    def run(*argv: str) -> tuple[int, str, str]:
        code = main(["library", *argv, *library])
        return code, *capsys.readouterr()

    assert run("check") == (0, f"{folder}: no problems found\n", "")
    assert run("repair") == (0, "There was nothing to repair.\n", "")
    change(folder, (f"UPDATE vectors SET starts = ?, windows = ? {IS_T7}", TWO_WINDOWS, halves(EAST, EAST)))
    code, out, _ = run("check")
    assert code == 1 and "has 2 windows where its 10.0 s have 1" in out and "problems found: 1" in out
    assert "indexes it again" in run("repair")[1]
    assert run("export", str(tmp_path / "a.parquet")) == (0, "119 tracks exported\n", "")
    assert "exists already" in run("export", str(tmp_path / "a.parquet"))[2]
    assert run("import", str(tmp_path / "a.parquet")) == (0, "119 tracks imported\n", "")
    library[1] = str(tmp_path / "absent")
    assert run("check")[0] == 1 and run("repair")[0] == 1 and not (tmp_path / "absent").exists()
    library[1] = "milvus://localhost/x"
    assert "works on a library in a folder" in run("check")[2]


def test_export_and_import_change_nothing(folder, tmp_path):
    one = open_store(folder)
    put(one, os.fsdecode(b"/m/\xff\n.mp3"), n=700, year=None, title="🎵", added=5.25)
    assert export_library(one, tmp_path / "a.parquet") == 121
    one.close()
    two = open_store(tmp_path / "two")
    two.set_meta(folders='["/other"]')
    for _ in range(2):  # the second time in place of the first
        assert import_library(two, tmp_path / "a.parquet") == 121
    assert json.loads(two.meta["folders"]) == ["/m", "/other"]
    assert {key: two.meta[key] for key in ("fingerprint", "model", "dim")} == {
        "fingerprint": "f", "model": "m", "dim": "16",
    }  # fmt: skip
    two.close()
    assert contents(tmp_path / "two") == contents(folder) and check(tmp_path / "two") == []


def test_an_empty_library_exported(tmp_path):
    store = open_store(tmp_path / "a")
    assert export_library(store, tmp_path / "a.parquet") == import_library(store, tmp_path / "a.parquet") == 0
    store.close()


def test_what_cannot_be_imported(folder, tmp_path):
    import pyarrow as pa
    import pyarrow.parquet

    store = open_store(folder)
    export_library(store, tmp_path / "a.parquet")
    data = (tmp_path / "a.parquet").read_bytes()
    (tmp_path / "cut.parquet").write_bytes(data[: len(data) // 2])
    (tmp_path / "text.parquet").write_text("no parquet")
    pa.parquet.write_table(pa.table({"a": [1]}), tmp_path / "other.parquet")
    before = store.count()
    for name in ("cut", "text", "other"):
        with pytest.raises(LibraryError, match=rf"{name}\.parquet is not a library exported by Kobza"):
            import_library(store, tmp_path / f"{name}.parquet")
    (tmp_path / "flipped.parquet").write_bytes(data[:2000] + bytes(3000) + data[5000:])
    with pytest.raises(LibraryError):
        import_library(store, tmp_path / "flipped.parquet")
    store.set_meta(fingerprint="g", model="another")
    with pytest.raises(LibraryError, match=r"made with m \(fingerprint f\), the library with another \(g\)"):
        import_library(store, tmp_path / "a.parquet")
    assert store.count() == before
    with pytest.raises(FileNotFoundError):
        import_library(store, tmp_path / "absent.parquet")
    store.close()


def test_a_track_without_its_time_is_new():
    assert Track("/a") == Track("/a", added=5.0)
