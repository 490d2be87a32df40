"""Updating a library: only files that have changed are read, and no track is removed unless its file is gone."""

import os
import shutil

import pytest
from recordings import counts, tone, write


def stored_content(library) -> dict:
    return {
        track.path: (file_state.hash, tuple(starts), vectors.tobytes())
        for track, file_state, starts, vectors in library.store.scan()
    }


def no_decoding(monkeypatch):
    def decode(path, *_, **__):
        raise AssertionError(f"{path} was decoded")

    monkeypatch.setattr("kobza.library.ingest.decoding.decode", decode)


def test_second_run_reads_nothing(library, music, monkeypatch):
    library.add(music)
    before, heard = stored_content(library), library.embedder.windows_embedded
    no_decoding(monkeypatch)
    monkeypatch.setattr("kobza.library.ingest.scan.content_hash", lambda path: pytest.fail(f"{path} was read"))
    assert counts(library.add(music)) == (0, 0, 7, 0, 0, 0)
    assert counts(library.sync()) == (0, 0, 7, 0, 0, 0)
    assert stored_content(library) == before and library.embedder.windows_embedded == heard


def test_a_touched_file_is_read_but_not_decoded(library, music, monkeypatch):
    library.add(music)
    os.utime(music / "200.flac", (1, 1))
    no_decoding(monkeypatch)
    assert counts(library.sync()) == (0, 0, 7, 0, 0, 0)
    monkeypatch.setattr("kobza.library.ingest.scan.content_hash", lambda path: pytest.fail("its new time was not kept"))
    assert counts(library.sync()) == (0, 0, 7, 0, 0, 0)


def test_moved_files_keep_their_vectors(library, music, monkeypatch):
    library.add(music)
    before = stored_content(library)
    (music / "200.flac").rename(music / "old" / "renamed.flac")
    (music / "jazz").rename(music / "swing")
    no_decoding(monkeypatch)
    assert counts(library.sync()) == (0, 0, 3, 4, 0, 0)
    after = stored_content(library)
    assert sorted(before.values()) == sorted(after.values())
    assert all(os.path.exists(path) for path in after)
    assert library.search("tone 200")[0].track.path == str(music / "old" / "renamed.flac")


def test_a_renamed_file_without_a_title_is_called_by_its_new_name(library, tmp_path, monkeypatch):
    for name, tags in (("untitled", {}), ("in a folder", {}), ("Rain", {"title": "Rain"})):
        write(tmp_path / "m" / f"{name}.flac", tone(300 + 100 * len(name), 3), **tags)
    library.add(tmp_path / "m")
    (tmp_path / "m" / "untitled.flac").rename(tmp_path / "m" / "Snow.flac")
    (tmp_path / "m" / "Rain.flac").rename(tmp_path / "m" / "01 Rain.flac")
    (tmp_path / "m" / "sub").mkdir()
    (tmp_path / "m" / "in a folder.flac").rename(tmp_path / "m" / "sub" / "in a folder.flac")
    no_decoding(monkeypatch)
    assert counts(library.sync()) == (0, 0, 0, 3, 0, 0)
    assert {track.title for track in library.tracks()} == {"Snow", "Rain", "in a folder"}
    assert library.search("snow", match="tags")[0].track.path.endswith("Snow.flac")


def test_a_whole_folder_moved_away_is_found_where_it_is_added(library, music, tmp_path, monkeypatch):
    library.add(music)
    music.rename(tmp_path / "elsewhere")
    no_decoding(monkeypatch)
    assert counts(library.add(tmp_path / "elsewhere")) == (0, 0, 0, 7, 0, 0)
    assert counts(library.sync()) == (0, 0, 7, 0, 0, 0)
    assert library.folders == [str(tmp_path / "elsewhere")]


def test_deleted_and_changed_files(library, music):
    library.add(music)
    (music / "200.flac").unlink()
    (music / "1000.wav").unlink()
    write(music / "jazz" / "400.mp3", tone(3000, 4))
    write(music / "new.flac", tone(5000, 4))
    assert counts(library.sync()) == (1, 1, 4, 0, 2, 0)
    assert len(library) == 6
    assert library.search("tone 3000")[0].track.path.endswith("400.mp3")
    assert library.search("tone 5000")[0].track.path.endswith("new.flac")


def test_a_copy_is_a_track_of_its_own(library, music):
    library.add(music)
    shutil.copy(music / "200.flac", music / "copy.flac")
    assert counts(library.sync()) == (1, 0, 7, 0, 0, 0)


def test_a_copy_in_another_folder_is_a_track_of_its_own(library, music, tmp_path):
    """The original is not among the files that this run sees, but it still exists: it has not moved."""
    library.add(music)
    (tmp_path / "other").mkdir()
    shutil.copy(music / "200.flac", tmp_path / "other" / "copy.flac")
    assert counts(library.add(tmp_path / "other")) == (1, 0, 0, 0, 0, 0)
    assert {str(music / "200.flac"), str(tmp_path / "other" / "copy.flac")} <= set(library.store.file_states())


def test_an_edited_file_of_equal_size_has_changed(library, music):
    library.add(music)
    path = music / "1000.wav"
    before = path.stat()
    write(path, tone(3000, 7), title="Tone 1000", artist="Tuning Fork")
    os.utime(path, ns=(0, before.st_mtime_ns + 1))
    assert path.stat().st_size == before.st_size
    assert counts(library.sync()) == (0, 1, 6, 0, 0, 0)
    assert library.search("tone 3000", k=1)[0].track.path == str(path)


def test_an_emptied_folder_is_kept_in_mind(library, music, tmp_path):
    """What an unplugged disc looks like: the mount point is there, and empty."""
    library.add(music)
    music.rename(tmp_path / "disc")
    music.mkdir()
    report = library.sync()
    assert counts(report) == (0, 0, 0, 0, 0, 1)
    assert "no recordings any more" in report.failed[0].reason and len(library) == 7
    music.rmdir()
    report = library.sync()
    assert len(report.failed) == 1 and "cannot be read" in report.failed[0].reason and len(library) == 7
    (tmp_path / "disc").rename(music)
    assert counts(library.sync()) == (0, 0, 7, 0, 0, 0)


def test_an_unreadable_folder_loses_nothing(library, music, monkeypatch):
    library.add(music)
    real_list, real_stat, closed = os.listdir, os.stat, str(music / "jazz")

    def listdir(path):
        if path == closed:
            raise PermissionError(13, "Permission denied", path)
        return real_list(path)

    def fake_stat(path, *args, **kwargs):
        if str(path).startswith(closed + os.sep):
            raise PermissionError(13, "Permission denied", path)
        return real_stat(path, *args, **kwargs)

    monkeypatch.setattr(os, "listdir", listdir)
    monkeypatch.setattr(os, "stat", fake_stat)
    report = library.sync()
    assert counts(report) == (0, 0, 4, 0, 0, 1) and "Permission denied" in report.failed[0].reason
    assert len(library) == 7


def test_remove(library, music):
    library.add(music)
    assert library.remove(music / "jaz").removed == 0 and len(library) == 7  # a prefix of "jazz", but not a folder
    assert library.remove([music / "jazz", music / "200.flac"]).removed == 4
    left = {str(music / name) for name in ("1000.wav", "old/1200.m4a", "old/1400.wma")}
    assert set(library.store.file_states()) == left
    assert {hit.track.path for hit in library.search("tone 200", k=7)} == left
    assert (music / "200.flac").exists() and library.folders == [str(music)]
    assert counts(library.sync()) == (0, 0, 3, 0, 0, 0)  # what was removed on purpose stays out
    assert library.remove(music).removed == 3 and library.folders == []
    assert counts(library.sync()) == (0, 0, 0, 0, 0, 0) and len(library) == 0


def test_files_can_be_added_by_name(library, music):
    odd = music / "200.dat"
    (music / "200.flac").rename(odd)
    assert counts(library.add([odd, music / "jazz" / "400.mp3", music / "nothing.mp3"])) == (2, 0, 0, 0, 0, 1)
    assert library.folders == sorted([str(odd), str(music / "jazz" / "400.mp3")])
    library.add(music)
    assert library.folders == [str(music)] and len(library) == 7
    odd.unlink()
    assert counts(library.sync()) == (0, 0, 6, 0, 1, 0)
