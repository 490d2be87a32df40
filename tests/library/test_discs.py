"""Discs that are full or read-only; and the music, which is only read."""

import os
import resource
import shutil
import subprocess
import tempfile
from pathlib import Path

import pytest
from child_processes import become_nobody, context, run
from recordings import everything, replace_checkpoint
from store_contract import agree, exact, fill, put, unit

from kobza.cli import main
from kobza.library import LibraryError, open_store
from kobza.library.filters.parser import parse_filter
from kobza.library.stores import search_indexes
from kobza.library.stores.integrity import check


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
    resource.setrlimit(resource.RLIMIT_FSIZE, (600_000, 600_000))
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


def search_as_nobody(folders, held, temporary) -> None:
    become_nobody()
    tempfile.tempdir = temporary  # the usual one may be closed to everyone else
    for folder in folders:
        searched(folder, held)
        with pytest.raises(LibraryError, match="cannot be opened"):
            open_store(folder)


def test_in_a_folder_of_somebody_else():
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

        own = Path(temporary, "own")
        own.mkdir()
        own.chmod(0o777)
        status = run(search_as_nobody, [killed, closed], held, str(own))
        for folder in (killed, closed):
            folder.chmod(0o755)
        assert status == 0


def test_the_music_is_only_read(music, tmp_path, monkeypatch):
    replace_checkpoint(monkeypatch)
    monkeypatch.setattr(search_indexes, "MIN_ROWS_FOR_INDEX_FILE", 1)
    (music / "text.mp3").write_text("no music")
    before, library = everything(music), ["--library", str(tmp_path / "library")]
    for words in (
        ["index", str(music)], ["sync"], ["search", "tone 400"], ["similar", str(music / "200.flac")], ["reindex"],
        ["library", "check"], ["library", "repair"], ["library", "export", str(tmp_path / "a.parquet")],
        ["library", "import", str(tmp_path / "a.parquet")], ["info"], ["remove", str(music)],
    ):  # fmt: skip
        assert main([*words, *library]) == 0, words
        assert everything(music) == before, words
