"""Many machines without a cluster: parts by path, recordings at addresses, libraries merged by copying."""

import os
import sys

import fsspec
import pytest
from recordings import ToneEmbedder, counts, replace_checkpoint, tone, write
from store_contract import content

from kobza import MusicLibrary
from kobza.cli import main
from kobza.library import LibraryError, open_store
from kobza.library.ingest.copy import copy_library
from kobza.library.ingest.scan import in_shard

HERTZ = range(200, 4400, 200)


@pytest.fixture
def music(tmp_path):
    for hertz in HERTZ:
        write(tmp_path / "music" / f"{hertz}.wav", tone(hertz, 2 + hertz % 3))
    (tmp_path / "music" / "bad.mp3").write_bytes(b"no music")
    return tmp_path / "music"


def test_a_path_falls_to_one_shard_and_they_are_of_a_size():
    paths = [os.fsdecode(b"/m/\xff%d" % i) for i in range(4000)]
    shards = [{path for path in paths if in_shard(path, (i, 4))} for i in (1, 2, 3, 4)]
    assert sum(map(len, shards)) == 4000 and set.union(*shards) == set(paths)
    assert all(850 < len(shard) < 1150 for shard in shards)
    assert in_shard("/always/the same", (2, 5))  # on every machine, in every version


def test_shards_merged_are_the_library_made_at_once(tmp_path, music):
    whole, embedder = tmp_path / "whole", ToneEmbedder()
    with MusicLibrary.open(whole, embedder) as library:
        library.add(music)
    failed = 0
    for i in (1, 2, 3):
        with MusicLibrary.open(tmp_path / f"part{i}", ToneEmbedder()) as library:
            report = library.add(music, shard=(i, 3))
            assert report.added and library.add(music, shard=(i, 3)).unchanged == report.added
            failed += len(report.failed)
        copied = copy_library(tmp_path / f"part{i}", tmp_path / "merged")
        assert (copied.copied, copied.already_present) == (report.added, 0)
        assert copy_library(tmp_path / f"part{i}", tmp_path / "merged") == (0, report.added)
    assert failed == 1
    with MusicLibrary.open(whole, embedder) as one, MusicLibrary.open(tmp_path / "merged", embedder) as other:
        merged = content(other.store)
        assert {path: row[:1] + row[2:] for path, row in merged.items()} == {
            path: row[:1] + row[2:] for path, row in content(one.store).items()
        }
        assert other.folders == [str(music)] and one.search("tone 600")[0].track == other.search("tone 600")[0].track
        assert counts(other.sync())[:5] == (0, 0, len(HERTZ), 0, 0)


def test_a_shard_forgets_its_own_only(tmp_path, music):
    with MusicLibrary.open(tmp_path / "library", ToneEmbedder()) as library:
        library.add(music)
        gone = sorted(library.store.file_states())[:10]
        for path in gone:
            os.unlink(path)
        mine = [path for path in gone if in_shard(path, (1, 2))]
        assert 0 < len(mine) < len(gone)
        assert library.add(music, shard=(1, 2)).removed == len(mine)
        assert len(library) == len(HERTZ) - len(mine)


def test_copying_goes_on_where_it_stopped_and_keeps_everything(tmp_path, music, monkeypatch):
    monkeypatch.setattr("kobza.library.ingest.copy.TRACKS_PER_WRITE", 4)
    with MusicLibrary.open(tmp_path / "a", ToneEmbedder()) as library:
        library.add(music)

    def stop(progress):
        if progress.done == 10:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        copy_library(tmp_path / "a", tmp_path / "b", stop)
    assert copy_library(tmp_path / "a", tmp_path / "b") == (len(HERTZ) - 8, 8)
    a, b = (open_store(tmp_path / name, read_only=True) for name in "ab")
    assert content(a) == content(b) and a.meta == b.meta
    a.close(), b.close()


def test_copying_what_cannot_be_is_a_sentence(tmp_path, music):
    with MusicLibrary.open(tmp_path / "empty", ToneEmbedder()):
        pass
    with pytest.raises(LibraryError, match="empty is empty: there is nothing to copy"):
        copy_library(tmp_path / "empty", tmp_path / "b")
    with pytest.raises(LibraryError, match="no library at"):
        copy_library(tmp_path / "absent", tmp_path / "b")
    for name, fingerprint in (("a", "one"), ("b", "two")):
        with MusicLibrary.open(tmp_path / name, ToneEmbedder(fingerprint=fingerprint)) as library:
            library.add(music / "200.wav")
    with pytest.raises(LibraryError, match=r"fingerprint two\).*cannot be compared"):
        copy_library(tmp_path / "a", tmp_path / "b")


def test_recordings_at_an_address(tmp_path, embedder, monkeypatch):
    system = fsspec.filesystem("memory")
    for hertz in (400, 800):
        system.pipe(f"/bucket/m/{hertz}.wav", write(tmp_path / f"{hertz}.wav", tone(hertz, 2)).read_bytes())
    system.pipe({"/bucket/m/bad.mp3": b"no music", "/bucket/m/notes.txt": b"x"})
    try:
        with MusicLibrary.open(tmp_path / "library", embedder) as library:
            report = library.add("memory://bucket/m")
            assert counts(report) == (2, 0, 0, 0, 0, 1)
            assert report.failed[0].reason.startswith("memory://bucket/m/bad.mp3 cannot be read as a recording")
            assert library.search("tone 800", 1)[0].track.path == "memory://bucket/m/800.wav"
            assert library.similar("memory://bucket/m/400.wav", 1)[0].track.title == "800"
            system.rm("/bucket/m/400.wav")
            assert counts(library.sync()) == (0, 0, 1, 0, 1, 1)
            (failure,) = library.add("memory://bucket/nothing").failed
            assert failure.reason.startswith("memory://bucket/nothing cannot be read")
            (failure,) = library.add("nosuch://x/y").failed
            assert "nosuch://x/y cannot be read" in failure.reason
            monkeypatch.setitem(sys.modules, "fsspec.implementations.sftp", None)
            (failure,) = library.add("sftp://host/m").failed
            assert "needs a package" in failure.reason and "credentials" not in failure.reason
            assert library.remove("memory://bucket/m").removed == 1
    finally:
        system.rm("/bucket", recursive=True)


def test_the_commands(tmp_path, music, monkeypatch, capsys):
    replace_checkpoint(monkeypatch)
    (tmp_path / "list").write_bytes(b"%s\n\n%s\n" % (os.fsencode(music / "400.wav"), os.fsencode(music / "600.wav")))
    a, b = str(tmp_path / "a"), str(tmp_path / "b")
    assert main(["index", "--list", str(tmp_path / "list"), "--library", a]) == 0
    assert capsys.readouterr().out.startswith("2 added")
    assert main(["library", "copy", a, b]) == 0 and capsys.readouterr().out == "2 copied, 0 there already\n"
    added = 0
    for i in (1, 2):
        assert main(["index", str(music), "--shard", f"{i}/2", "--library", b]) == 0
        added += int(capsys.readouterr().out.split()[0])
    assert added == len(HERTZ) - 2
    assert main(["index", "--library", a]) == 2 and "Name folders" in capsys.readouterr().err
    for wrong in ("0/2", "3/2", "2", "a/b"):
        with pytest.raises(SystemExit):
            main(["index", str(music), "--shard", wrong])
        assert f"'{wrong}' is not a shard; give I/N" in capsys.readouterr().err
    assert main(["search", "tone 400", "--library", "milvus://host"]) == 1
    assert "milvus://host is not the address of a library in Milvus" in capsys.readouterr().err
