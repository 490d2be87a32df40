"""One recording under several paths: it is one track, whatever links, mounts and spellings lead to it."""

import os
import shutil
import subprocess

import pytest
from folding_disc import mounted
from recordings import counts, tone, write


def paths(library) -> set[str]:
    return set(library.store.file_states())


@pytest.fixture
def album(tmp_path):
    folder = tmp_path / "music" / "real"
    for hertz in (200, 400):
        write(folder / f"{hertz}.flac", tone(hertz, 2))
    return folder


def test_a_link_that_sorts_before_its_folder(library, album):
    library.add(album.parent)
    before = paths(library)
    (album.parent / "alias").symlink_to("real", target_is_directory=True)
    (album.parent / "again.flac").symlink_to("real/200.flac")
    report = library.sync()
    assert counts(report) == (0, 0, 2, 0, 0, 0) and paths(library) == before
    assert {os.path.basename(one.path) for one in report.skipped} == {"alias", "again.flac"}
    assert {one.reason for one in report.skipped} == {"link to what is scanned itself"}


def test_a_folder_added_under_two_paths(library, album, tmp_path):
    alias = tmp_path / "alias"
    alias.symlink_to(album.parent, target_is_directory=True)
    library.add(alias)
    assert counts(library.add([album.parent, album])) == (0, 0, 2, 0, 0, 0)
    assert library.folders == [str(alias)] and all(path.startswith(f"{alias}/") for path in paths(library))
    assert counts(library.add(album / "200.flac")) == (0, 0, 1, 0, 0, 0) and len(library) == 2
    assert counts(library.sync()) == (0, 0, 2, 0, 0, 0)


def test_a_folder_around_one_that_was_added_by_a_link(library, album, tmp_path):
    alias = tmp_path / "alias"
    alias.symlink_to(album, target_is_directory=True)
    library.add(alias)
    heard = library.embedder.windows_embedded
    assert counts(library.add(album.parent)) == (0, 0, 0, 2, 0, 0)
    assert library.folders == [str(album.parent)] and library.embedder.windows_embedded == heard
    assert counts(library.sync()) == (0, 0, 2, 0, 0, 0)


def test_a_library_that_has_a_folder_twice_is_put_right(library, album, tmp_path):
    """As older versions left it: both paths are folders of the library, each with its tracks."""
    alias = tmp_path / "alias"
    library.add(album)
    for track, file_state, starts, vectors in list(library.store.scan()):
        path = track.path.replace(str(album), str(alias))
        library.store.upsert(type(track)(path), file_state, starts, vectors)
    alias.symlink_to(album, target_is_directory=True)
    library._set_folders([str(album), str(alias)])
    assert counts(library.sync()) == (0, 0, 2, 0, 2, 0) and len(library.folders) == 1
    assert counts(library.sync()) == (0, 0, 2, 0, 0, 0)


def test_links_to_other_discs_are_followed_once(library, album, tmp_path):
    music = album.parent
    write(tmp_path / "disc" / "600.flac", tone(600, 2))
    for name in ("a", "b"):
        (music / name).symlink_to(tmp_path / "disc", target_is_directory=True)
    assert counts(library.add(music))[0] == 3
    (tmp_path / "disc").rename(tmp_path / "away")  # not connected: its tracks stay
    report = library.sync()
    assert counts(report) == (0, 0, 2, 0, 0, 2) and "broken link" in report.failed[0].reason and len(library) == 3
    (tmp_path / "away").rename(tmp_path / "disc")
    assert counts(library.sync()) == (0, 0, 3, 0, 0, 0)


def test_a_copy_and_a_rename_at_once(library, album):
    """The file itself keeps its track; the copy, which sorts first, is the new one."""
    library.add(album)
    added = {track.path: track.added for track, *_ in library.store.scan()}
    shutil.copy2(album / "200.flac", album / "a copy.flac")
    (album / "200.flac").rename(album / "renamed.flac")
    assert counts(library.sync()) == (1, 0, 1, 1, 0, 0)
    now = {track.path: track.added for track, *_ in library.store.scan()}
    assert now[str(album / "renamed.flac")] == added[str(album / "200.flac")]


def test_another_file_takes_the_place_of_a_renamed_one(library, album):
    library.add(album)
    (album / "200.flac").rename(album / "old 200.flac")
    write(album / "200.flac", tone(3000, 2))
    heard = library.embedder.windows_embedded
    assert counts(library.sync()) == (1, 0, 1, 1, 0, 0)
    assert library.embedder.windows_embedded == heard + 1
    assert library.search("tone 200")[0].track.path == str(album / "old 200.flac")
    assert library.search("tone 3000")[0].track.path == str(album / "200.flac")


def test_hard_links_are_recordings_of_their_own(library, album):
    os.link(album / "200.flac", album / "best of.flac")
    assert counts(library.add(album))[0] == 3
    assert counts(library.sync()) == (0, 0, 3, 0, 0, 0)


def test_a_folder_that_is_mounted_twice(library, album, tmp_path):
    twice = album.parent / "another"
    twice.mkdir()
    command = ["mount", "--bind", album, twice]
    if os.geteuid() or subprocess.run(command, stderr=subprocess.DEVNULL).returncode:
        pytest.skip("only root can mount a folder, where mounts are allowed")
    try:
        report = library.add(album.parent)
        assert counts(report)[0] == 2 and len(report.skipped) == 1
        assert counts(library.sync()) == (0, 0, 2, 0, 0, 0)
    finally:
        subprocess.run(["umount", "-l", twice], check=True)


@pytest.mark.parametrize("inodes", ["own-inodes", "new-inodes"])
def test_renames_that_differ_in_case_or_accents(library, album, tmp_path, inodes):
    """Under the old spelling, such file systems still find the file."""
    pytest.importorskip("mfusepy", exc_type=Exception)
    names = {"200.flac": "Café.flac", "400.flac": "lower.flac"}
    for old, new in names.items():
        (album / old).rename(album / new)
    disc = tmp_path / "disc"
    disc.mkdir()
    with mounted(album.parent, disc, inodes) as works:
        if not works:
            pytest.skip("no FUSE here (needs libfuse 3, /dev/fuse and the permission to mount)")
        assert counts(library.add(disc))[0] == 2
        (album / "Café.flac").rename(album / "cafe\u0301.flac")
        (album / "lower.flac").rename(album / "Lower.FLAC")
        assert os.path.exists(disc / "real" / "lower.flac") and os.path.exists(disc / "REAL" / "CAFÉ.flac")
        heard = library.embedder.windows_embedded
        assert counts(library.sync()) == (0, 0, 0, 2, 0, 0)
        assert paths(library) == {str(disc / "real" / name) for name in ("cafe\u0301.flac", "Lower.FLAC")}
        assert counts(library.add([disc / "REAL", tmp_path / "DISC" / "real" / "LOWER.flac"]))[:5] == (0, 0, 2, 0, 0)
        assert counts(library.add(disc / "Real" / "LOWER.flac")) == (0, 0, 1, 0, 0, 0)
        album.rename(album.parent / "REAL")
        assert counts(library.sync()) == (0, 0, 0, 2, 0, 0)
        assert len(library) == 2 and library.embedder.windows_embedded == heard
