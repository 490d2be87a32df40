"""Discs that are full, read-only or of an older Kobza; and the music, which is only read."""

import hashlib
import logging
import os
import resource
import shutil
import sqlite3
import subprocess
import tempfile
from pathlib import Path

import numpy as np
import pytest
from child_processes import become_nobody, context, dawdle_at_each_statement, killed_at, run
from recordings import ToneEmbedder, counts, tone, write
from store_contract import agree, exact, fill, put, unit

from kobza import MusicLibrary
from kobza.cli import main
from kobza.library import LibraryError, open_store
from kobza.library.filters.parser import parse_filter
from kobza.library.ingest.reindex import reindex
from kobza.library.stores import index_file, schema
from kobza.library.stores import sqlite as sqlite_store
from kobza.library.stores.integrity import check, repair


def fill_until_refused(folder) -> tuple[list[str], str]:
    """(what was stored, the sentence that ended it)"""
    store, stored = open_store(folder), []
    with pytest.raises(LibraryError) as error:
        for i in range(100_000):
            put(store, f"/{i}", n=20, seed=i)
            stored.append(f"/{i}")
    store.close()
    return stored, str(error.value)


def look(folder, stored: list[str]) -> None:
    assert check(folder) == []
    for read_only in (True, False):
        store = open_store(folder, read_only)
        assert list(store.file_states()) == stored
        assert len(store.search(unit(1)[0], 5)) == 5
        store.close()


@pytest.fixture
def small_disc(tmp_path):
    folder = tmp_path / "disc"
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", folder]
    if os.geteuid() or subprocess.run(command, stderr=subprocess.DEVNULL).returncode:
        pytest.skip("a disc can be mounted by root only")
    yield folder
    subprocess.run(["umount", "-l", folder], check=True)


def test_a_full_disc(small_disc):
    folder = small_disc / "library"
    stored, sentence = fill_until_refused(folder)
    assert "free some space and run the same command again" in sentence and len(stored) > 20
    (small_disc / "more").write_bytes(b"x" * (os.statvfs(small_disc).f_bavail * 4096))
    store = open_store(folder, read_only=True)
    assert len(store.search(unit(1)[0], 5)) == 5
    store.close()
    (small_disc / "more").unlink()
    subprocess.run(["mount", "-o", "remount,size=4m", small_disc], check=True)
    look(folder, stored)


def fill_with_a_limit(folder, sender) -> None:
    resource.setrlimit(resource.RLIMIT_FSIZE, (300_000, 300_000))
    sender.send(fill_until_refused(folder))


def test_a_limit_on_the_size_of_files(tmp_path):
    """As a quota, or a file system that holds no larger ones."""
    receiver, sender = context.Pipe(duplex=False)
    child = context.Process(target=fill_with_a_limit, args=(tmp_path / "library", sender))
    child.start()
    sender.close()
    stored, sentence = receiver.recv()
    child.join()
    assert "free some space and run the same command again" in sentence and len(stored) > 5
    look(tmp_path / "library", stored)


def fill_and_exit(folder) -> None:
    fill(open_store(folder), 40)
    os._exit(0)  # like kill -9: the write-ahead log stays


def kill_a_writer(folder) -> dict:
    """Leaves a library whose last tracks are in the write-ahead log only."""
    assert run(fill_and_exit, folder) == 0
    assert (folder / "kobza.db-wal").stat().st_size
    shutil.copytree(folder, f"{folder}-copy")
    store = open_store(Path(f"{folder}-copy"))
    held = {track.path: (track, vectors) for track, _, _, vectors in store.scan()}
    store.close()
    assert len(held) == 40
    return held


def searched(folder, held) -> None:
    store = open_store(folder, read_only=True)
    tree = parse_filter("genre != jazz")
    for by in ("track", "moment"):
        agree(store.search(unit(1, 5)[0], 9, tree, by), exact(held, unit(1, 5)[0], by, tree), 9)
    assert set(store.file_states()) == set(held)
    with pytest.raises(LibraryError, match="opened read-only"):
        store.set_meta(a="b")
    store.close()
    assert check(folder) == []


def test_on_a_read_only_disc(tmp_path):
    if os.geteuid():
        pytest.skip("a disc can be mounted by root only")
    held = kill_a_writer(tmp_path / "killed")
    store = open_store(tmp_path / "closed")
    fill(store, 40)
    store.close()
    for name in ("killed", "closed"):
        folder = tmp_path / name
        if subprocess.run(["mount", "--bind", folder, folder], stderr=subprocess.DEVNULL).returncode:
            pytest.skip("nothing can be mounted here")
        try:
            subprocess.run(["mount", "-o", "remount,ro,bind", folder], check=True)
            searched(folder, held)
            with pytest.raises(LibraryError, match="cannot be opened"):
                open_store(folder)
        finally:
            subprocess.run(["umount", "-l", folder], check=True)


def search_as_nobody(folders, held) -> None:
    become_nobody()
    for folder in folders:
        searched(folder, held)
        with pytest.raises(LibraryError, match="cannot be opened"):
            open_store(folder)


def test_in_a_folder_of_somebody_else(monkeypatch):
    """Nobody may write there; whoever runs the tests becomes nobody, if that is not so already."""
    with tempfile.TemporaryDirectory() as temporary:
        os.chmod(temporary, 0o755)
        killed, closed = Path(temporary, "killed"), Path(temporary, "closed")
        held = kill_a_writer(killed)
        (killed / "kobza.db-shm").unlink()  # as when copied to another disc
        store = open_store(closed)
        fill(store, 40)
        store.close()
        for folder in (killed, closed):
            for path in folder.iterdir():
                path.chmod(0o444)
            folder.chmod(0o555)

        status = run(search_as_nobody, [killed, closed], held)
        for folder in (killed, closed):
            folder.chmod(0o755)
        assert status == 0


def migrate(steps, folder) -> None:
    dawdle_at_each_statement(steps)
    open_store(folder).close()


class TestMigration:
    """schema_1.sql and schema_2.sql are the same library as released versions of Kobza wrote it, with a deleted track
    and a name that is not UTF-8."""

    @pytest.fixture(params=[1, 2])
    def folder(self, tmp_path, request):
        (tmp_path / "old").mkdir()
        script = Path(__file__).with_name(f"schema_{request.param}.sql").read_text(encoding="utf-8")
        with sqlite3.connect(tmp_path / "old" / "kobza.db") as db:
            db.executescript(script)
            db.execute("PRAGMA journal_mode = WAL")
        db.close()
        return tmp_path / "old"

    @staticmethod
    def look(folder, read_only: bool) -> None:
        store = open_store(folder, read_only)
        rows = {
            os.fsencode(track.path): (track, file_state, starts, vectors)
            for track, file_state, starts, vectors in store.scan()
        }
        assert list(rows) == [b"/m/a.mp3", b"/m/c.mp3", b"/m/\xff.mp3"]
        for i, (path, n) in enumerate([(b"/m/a.mp3", 3), (b"/m/\xff.mp3", 1), (b"", 0), (b"/m/c.mp3", 12)]):
            if n:
                track, file_state, starts, vectors = rows[path]
                assert track.added == 1_700_000_001 + i and track.duration == 10 * n and file_state.size == n
                assert starts == [10.0 * j for j in range(n)]
                np.testing.assert_array_equal(vectors, unit(n, i, dim=8))
                for by in ("track", "moment"):
                    assert os.fsencode(store.search(vectors.mean(0), 1, by=by)[0][1].path) == path
        assert len(store.search(unit(1, dim=8)[0], 9, parse_filter("artist = ŽIŽKA and title = піcня"))) == 3
        assert store.meta["folders"] == '["/m"]' and store.meta["schema"] == str(schema.SCHEMA)
        store.close()

    @staticmethod
    def columns(store) -> dict:
        """{table: {column's name: (type, not null, default, in primary key)}}"""
        names = {name for (name,) in store._query("SELECT name FROM sqlite_schema WHERE type = 'table'")}
        names -= {"sqlite_stat1", "sqlite_stat4"}
        return {name: {row[1]: row[2:] for row in store._query(f"PRAGMA table_info({name})")} for name in names}

    def test_opened_for_reading_it_stays_as_it_is(self, folder):
        before = (folder / "kobza.db").read_bytes()
        self.look(folder, read_only=True)
        assert check(folder) == [] and (folder / "kobza.db").read_bytes() == before

    def test_opened_for_writing_it_is_migrated(self, folder):
        self.look(folder, read_only=False)
        self.look(folder, read_only=True)
        assert check(folder) == [] and repair(folder) == []
        store = open_store(folder)
        store.upsert(*next(iter(store.scan())))
        assert store.count() == (3, 16, 160.0)
        new = open_store(folder / "new")
        assert self.columns(new) == self.columns(store)
        new.close()
        store.close()

    @pytest.mark.parametrize("folder", [1], indirect=True)
    def test_killed_in_the_middle_of_it(self, folder):
        found = set()
        for moment in range(2, 40, 3):
            shutil.copytree(folder, f"{folder}-{moment}")
            killed_at(moment, migrate, folder)
            with sqlite3.connect(folder / "kobza.db") as db:
                found.add(db.execute("SELECT value FROM meta WHERE key = 'schema'").fetchone()[0])
            db.close()
            self.look(folder, read_only=True)
            shutil.rmtree(folder)
            shutil.move(f"{folder}-{moment}", folder)
        assert "1" in found


def tree(folder) -> dict:
    """All that can be seen of a folder."""
    seen = {}
    for path in sorted(folder.rglob("*")):
        status = path.lstat()
        data = hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else None
        seen[path] = (status.st_mode, status.st_size, status.st_mtime_ns, status.st_ctime_ns, data)
    return seen


def test_the_music_is_only_read(music, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr("kobza.embedding.checkpoint.Checkpoint.load", lambda *_: ToneEmbedder())
    monkeypatch.setattr("kobza.embedding.numpy_text_tower.TextTower.load", lambda *_: ToneEmbedder())
    monkeypatch.setattr(sqlite_store, "MIN_ROWS_FOR_INDEX_FILE", 1)
    (music / "text.mp3").write_text("no music")
    before, library = tree(music), ["--library", str(tmp_path / "library")]
    for words in (
        ["index", str(music)], ["sync"], ["search", "tone 400"], ["similar", str(music / "200.flac")], ["reindex"],
        ["library", "check"], ["library", "repair"], ["library", "export", str(tmp_path / "a.parquet")],
        ["library", "import", str(tmp_path / "a.parquet")], ["info"], ["remove", str(music)],
    ):  # fmt: skip
        assert main([*words, *library]) == 0, words
        assert tree(music) == before, words


def rebuild(steps, folder, within) -> None:
    dawdle_at_each_statement(steps, within)
    reindex(folder, ToneEmbedder(64, "new-embedder"))


class TestReindex:
    @pytest.fixture
    def old(self, tmp_path):
        for i in range(8):
            write(tmp_path / "music" / f"{i}.flac", tone(200 * (i + 1), 3 + 9 * (i % 3)))
        with MusicLibrary.open(tmp_path / "library", ToneEmbedder(16, "old-embedder")) as library:
            assert library.add(tmp_path / "music").added == 8
            library.store._db.execute("UPDATE tracks SET added = 1e9 + id")
        return tmp_path / "library"

    def test_by_another_checkpoint(self, old, tmp_path, monkeypatch):
        monkeypatch.setattr(sqlite_store, "MIN_ROWS_FOR_INDEX_FILE", 1)
        with MusicLibrary.open(old, ToneEmbedder(64, "new-embedder"), read_only=True) as reader:
            before = {track.path: track.added for track, *_ in reader.store.scan()}
            with pytest.raises(LibraryError, match="kobza reindex"):
                reader.search("tone 400")
            assert len(reader.similar(tmp_path / "music" / "0.flac", 3)) == 3  # with the old vectors
            assert counts(reindex(old, ToneEmbedder(64, "new-embedder"))) == (8, 0, 0, 0, 0, 0)
            for i in range(8):  # a reader that was there all the time
                assert reader.search(f"tone {200 * (i + 1)}", 1)[0].track.path.endswith(f"{i}.flac")
            assert {track.path: track.added for track, *_ in reader.store.scan()} == before
            assert reader.folders == [str(tmp_path / "music")] and reader.store.meta["dim"] == "64"
        assert check(old) == [] and not (old / "reindexing").exists()

    def test_what_cannot_be_reached_is_not_lost(self, old, tmp_path):
        (tmp_path / "music").rename(tmp_path / "unplugged")
        with pytest.raises(LibraryError, match=r"music cannot be read.*stays as it was"):
            reindex(old, ToneEmbedder(64, "new-embedder"))
        (tmp_path / "music").mkdir()
        with pytest.raises(LibraryError, match=r"no recordings any more.*stays as it was"):
            reindex(old, ToneEmbedder(64, "new-embedder"))
        with MusicLibrary.open(old, ToneEmbedder(16, "old-embedder")) as library:
            assert len(library) == 8 and library.search("tone 400", 1)
        (tmp_path / "music").rmdir()
        (tmp_path / "unplugged").rename(tmp_path / "music")
        assert reindex(old, ToneEmbedder(64, "third-embedder")).added == 8

    @pytest.mark.parametrize(("within", "moments"), [("", 250), ("main.", 9)])  # anywhere; in the swap
    def test_killed_at_any_moment(self, old, tmp_path, within, moments):
        """The old library or the new one, never none; and what was embedded before the kill is not embedded again."""

        rng, found = np.random.default_rng(5), []
        while len(found) < 8 and "new-embedder" not in found:
            killed_at(rng.integers(1, moments), rebuild, old, within)
            with MusicLibrary.open(old, read_only=True) as library:
                found.append(library.store.meta["fingerprint"])
                embedder = ToneEmbedder({"old-embedder": 16, "new-embedder": 64}[found[-1]], found[-1])
            with MusicLibrary.open(old, embedder) as library:
                assert len(library) == 8 and library.search("tone 400", 1)[0].track.path.endswith("1.flac")
                assert library.folders == [str(tmp_path / "music")]
            assert check(old) == []
        report = reindex(old, ToneEmbedder(64, "new-embedder"))
        assert report.added + report.unchanged == 8
        with MusicLibrary.open(old, ToneEmbedder(64, "new-embedder")) as library:
            assert library.search("tone 400", 1)[0].track.path.endswith("1.flac")
        assert check(old) == []


def test_a_damaged_index_file_is_rebuilt_by_the_next_run(music, tmp_path, monkeypatch, caplog, capsys):
    monkeypatch.setattr("kobza.embedding.checkpoint.Checkpoint.load", lambda *_: ToneEmbedder())
    monkeypatch.setattr("kobza.embedding.numpy_text_tower.TextTower.load", lambda *_: ToneEmbedder())
    monkeypatch.setattr(sqlite_store, "MIN_ROWS_FOR_INDEX_FILE", 1)
    library = ["--library", str(tmp_path / "library")]
    assert main(["index", str(music), *library]) == 0
    found = capsys.readouterr().out
    for path in (tmp_path / "library").glob("search-*"):
        path.write_bytes(path.read_bytes()[:-1])
    with caplog.at_level(logging.WARNING, "kobza"):
        assert main(["search", "tone 400", *library]) == 0
    assert "Nothing is lost" in caplog.text and "400.mp3" in capsys.readouterr().out and found
    assert main(["library", "check", *library]) == 1
    assert main(["sync", *library]) == main(["library", "check", *library]) == 0
    for path in (tmp_path / "library").glob("search-*"):
        index_file.read(path)
