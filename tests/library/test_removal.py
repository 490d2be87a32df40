"""What is removed on purpose stays out, and can be taken back for an hour; a disc that is away loses nothing."""

import os
import shutil
import time

import pytest
from recordings import ToneEmbedder, counts, tone, write
from soak import Killed, connect_with_fuse, fuse
from test_changes import no_decoding, stored_content
from test_parts import SHEET, album_sound

from kobza import MusicLibrary
from kobza.library import LibraryError
from kobza.library.exclusions import ExclusionRules, Exclusions, parse_exclusion
from kobza.library.ingest import away
from kobza.library.ingest.copy import copy_library
from kobza.library.ingest.reindex import reindex
from kobza.library.stores import connection, removed
from kobza.library.stores.integrity import check


def names(library) -> set[str]:
    return {os.path.basename(path) for path in library.store.file_states()}


ALL = {"200.flac", "400.mp3", "600.ogg", "800.opus", "1000.wav", "1200.m4a", "1400.wma"}


class TestRemove:
    def test_what_was_removed_stays_out_and_is_listed(self, library, music):
        library.add(music)
        library.remove([music / "jazz", music / "200.flac"])
        write(music / "jazz" / "new.flac", tone(300, 3))
        assert counts(library.sync())[0] == 0 and names(library) == {"1000.wav", "1200.m4a", "1400.wma"}
        assert counts(library.add(music))[0] == 0
        assert library.exclusions.paths == {str(music / "jazz"), str(music / "200.flac")}
        assert library.remove(music / "nowhere").removed == 0 and len(library.exclusions.paths) == 2

    def test_undo_brings_back_every_byte_and_setting(self, library, music, monkeypatch):
        library.add(music)
        before, meta = stored_content(library), library.store.meta
        added = {track.path: track.added for track, *_ in library.store.scan()}
        library.remove(music / "jazz")
        library.remove(music)  # the folder itself: nothing is left
        assert len(library) == 0 and library.folders == []
        no_decoding(monkeypatch)
        assert library.undo().added == 4 and library.folders == [str(music)]
        assert library.undo().added == 3
        assert stored_content(library) == before and library.store.meta | {"max_length": ""} == meta | {
            "excluded_paths": "[]",
            "max_length": "",
        }
        assert {track.path: track.added for track, *_ in library.store.scan()} == added
        assert counts(library.sync()) == (0, 0, 7, 0, 0, 0)
        assert library.search("tone 400", k=1)[0].track.path == str(music / "jazz" / "400.mp3")
        assert check(library.store.folder) == []
        with pytest.raises(LibraryError, match="Nothing was removed in the last hour"):
            library.undo()

    def test_a_track_that_was_added_again_stays_as_it_is(self, library, music):
        library.add(music)
        library.remove(music)
        write(music / "200.flac", tone(3000, 4))
        library.add(music / "200.flac")
        assert library.undo().added == 6 and len(library) == 7
        assert library.search("tone 3000", k=1)[0].track.path == str(music / "200.flac")

    def test_after_an_hour_it_is_final(self, library, music, monkeypatch):
        library.add(music)
        library.remove(music / "jazz")
        now = time.time()
        monkeypatch.setattr(removed.time, "time", lambda: now + 3601)
        with pytest.raises(LibraryError, match="last hour"):
            library.undo()
        library.sync()
        assert library.store._query("SELECT count(*) FROM removed_tracks") == [(0,)]

    def test_vectors_of_another_model_do_not_come_back(self, library, music, tmp_path):
        library.add(music)
        library.remove(music)
        library.close()
        other = ToneEmbedder(dim=32, fingerprint="another")
        with MusicLibrary.open(tmp_path / "library", other) as library:
            assert counts(library.add(music / "old")) == (2, 0, 0, 0, 0, 0) and other.windows_embedded
            with pytest.raises(LibraryError, match="another model"):
                library.undo()
            assert check(library.store.folder) == []

    def test_files_that_come_back_within_the_hour_are_not_embedded_again(self, library, music, tmp_path, monkeypatch):
        library.add(music)
        before = stored_content(library)
        shutil.copytree(music / "jazz", tmp_path / "backup")
        shutil.rmtree(music / "jazz")
        assert counts(library.sync()) == (0, 0, 4, 0, 3, 0)
        shutil.copytree(tmp_path / "backup", music / "jazz")
        no_decoding(monkeypatch)
        assert counts(library.sync()) == (3, 0, 4, 0, 0, 0) and stored_content(library) == before

    def test_another_spelling_of_a_folder(self, library, music, tmp_path, monkeypatch):
        """A link, "..", and a path within these."""
        library.add(music)
        (tmp_path / "link").symlink_to(music)
        (tmp_path / "jazz link").symlink_to(music / "jazz")
        assert library.tracks_under(tmp_path / "jazz link") == library.tracks_under(music / "jazz")
        assert library.remove(tmp_path / "link" / "jazz" / "live").removed == 1
        assert library.remove(music / "old" / ".." / "jazz").removed == 2
        assert library.exclusions.paths == {str(music / "jazz" / "live"), str(music / "jazz")}
        (music / "old" / "1400.wma").unlink()  # a file that is gone has a folder still
        monkeypatch.chdir(tmp_path / "link")
        assert library.remove("old/1400.wma").removed == 1
        assert library.remove(tmp_path / "link").removed == 3 and library.folders == []
        assert library.undo().added == 3 and library.sync().added == 0

    def test_a_link_that_the_library_follows_is_its_own_folder(self, library, music, tmp_path):
        shutil.move(music / "jazz", tmp_path / "outside")
        (music / "jazz").symlink_to(tmp_path / "outside")
        library.add(music)
        assert library.remove(music / "jazz").removed == 3 and library.exclusions.paths == {str(music / "jazz")}

    def test_killed_at_any_statement(self, library, music, tmp_path, monkeypatch):
        """Tracks, folders and exclusions change together, on the way out and on the way back."""
        library.add([music / "jazz", music / "old"])
        library.close()
        monkeypatch.setattr(connection, "connect", connect_with_fuse)

        def state() -> tuple:
            with MusicLibrary.open(tmp_path / "library", ToneEmbedder()) as library:
                return len(library), tuple(library.folders), library.exclusions.paths

        def run_killed(act) -> set[tuple]:
            """The states that a kill at one of the statements leaves, until one comes too late."""
            seen = set()
            for statements in range(1000):
                with MusicLibrary.open(tmp_path / "library", ToneEmbedder()) as library:
                    monkeypatch.setattr(fuse, "left", statements)
                    try:
                        act(library)
                    except Killed:
                        is_done = False
                    else:
                        is_done = True
                    finally:
                        monkeypatch.setattr(fuse, "left", None)
                seen.add(state())
                if len(seen) > 1 or is_done:
                    return seen
            raise AssertionError("it never ends")

        before = state()
        targets = [music / "old", music / "jazz" / "live"]
        after = (2, (str(music / "jazz"),), frozenset([str(music / "jazz" / "live")]))
        assert before[0] == 5
        assert run_killed(lambda library: library.remove(targets)) == {before, after}
        assert run_killed(lambda library: library.undo()) == {after, before}


class TestExclusions:
    def test_what_is_excluded_leaves_and_comes_back(self, library, music, monkeypatch):
        library.add(music)
        library.exclude("*.mp3")
        library.exclude("old/")
        library.exclude(str(music / "200.flac"))
        assert len(library) == 7
        report = library.sync()
        assert report.excluded == 4 and "4 excluded" in str(report)
        assert names(library) == {"600.ogg", "800.opus", "1000.wav"}
        assert library.sync().excluded == 0
        no_decoding(monkeypatch)  # within the hour their vectors are still there
        for pattern in ("*.mp3", "old/", str(music / "200.flac")):
            library.include(pattern)
        assert library.exclusions.is_empty and counts(library.sync())[0] == 4 and names(library) == ALL
        with pytest.raises(LibraryError, match="is not excluded"):
            library.include("*.mp3")

    def test_an_excluded_path_that_is_added_by_name_is_said(self, library, music):
        library.add(music)
        library.remove(music / "jazz")
        report = library.add(music / "jazz" / "400.mp3")
        assert len(library) == 4
        assert (
            f"is excluded ({music / 'jazz'})" in report.failed[0].reason and "kobza exclude" in report.failed[0].reason
        )
        library.include(str(music / "jazz"))
        assert library.add(music / "jazz" / "400.mp3").added == 1

    def test_files_named_kobzaignore(self, library, music):
        (music / ".kobzaignore").write_bytes(b"\xef\xbb\xbf# not these\r\n*.mp3\r\n*.wma\r\n!keep.mp3\r\n/live/\r\n")
        (music / "jazz" / ".kobzaignore").write_text("live/*\n!400.mp3\n")  # the innermost decides
        (music / "old" / ".kobzaignore").write_text("[z-a]\n")
        report = library.add(music)
        assert names(library) == ALL - {"1400.wma", "800.opus"}
        (failure,) = report.failed
        assert "line 1" in failure.reason and "not a pattern" in failure.reason
        assert library.add(music / "jazz").removed == 0 and library.sync().added == 0
        for folder in ("", "jazz", "old"):
            (music / folder / ".kobzaignore").unlink()
        assert library.sync().added == 2 and names(library) == ALL

    def test_a_folder_that_is_excluded_altogether_is_no_disc_that_is_away(self, library, music):
        library.add(music)
        (music / ".kobzaignore").write_text("*\n")
        report = library.sync()
        assert report.excluded == 7 and not report.failed and len(library) == 0

    def test_the_longest_recording(self, library, music, monkeypatch):
        library.add(music)
        library.exclude(max_length=7.5)
        assert library.sync().excluded == 2 and names(library) == ALL - {"1200.m4a", "1400.wma"}
        no_decoding(monkeypatch)
        assert counts(library.sync()) == (0, 0, 5, 0, 0, 0)
        library.include(max_length=True)
        assert library.sync().added == 2
        library.exclude(max_length=7.5)
        (music / "old" / "1200.m4a").rename(music / "moved.m4a")
        report = library.sync()
        assert (report.moved, report.excluded) == (0, 2)  # what is moved and too long only leaves
        with pytest.raises(LibraryError, match="above 0"):
            library.exclude(max_length=0)

    @pytest.mark.parametrize("text", ["", "!", "#x", "[z-a]", "a\nb"])
    def test_what_is_no_pattern(self, library, text):
        with pytest.raises(LibraryError, match="pattern"):
            library.exclude(text)

    @pytest.mark.parametrize(
        ("pattern", "path", "is_excluded"),
        [
            ("*.mid", "/music/a/b.mid", True),
            ("live", "/music/jazz/live/a.mp3", True),
            ("jazz/live", "/music/jazz/live/a.mp3", True),
            ("jazz/live", "/music/new/jazz/live/a.mp3", False),  # with a slash it starts at the library's folder
            ("/music/*/live", "/music/jazz/live/a.mp3", True),
            ("/music/jazz", "/music/jazz/live/a.mp3", True),
            ("/music/jazz", "/music/jazzy/a.mp3", False),
            ("s3://bucket/*.wav", "s3://bucket/a.wav", True),
            ("*.wav", "s3://bucket/x/a.wav", True),
            ("s3://bucket/x", "s3://bucket/x/a.wav", True),
        ],
    )
    def test_patterns(self, pattern, path, is_excluded):
        rules = ExclusionRules(parse_exclusion(pattern), ["/music", "s3://bucket"])
        assert (rules.reason(path) is not None) == is_excluded

    def test_odd_names_survive_being_stored(self):
        odd = Exclusions(frozenset([os.fsdecode(b"/m/\xff[x]"), "/m/né\n"]), (os.fsdecode(b"\xfe*"), "*.mid"), 3600.0)
        assert Exclusions.from_meta(odd.to_meta()) == odd
        assert ExclusionRules(odd).reason(os.fsdecode(b"/m/\xff[x]/a.mp3"))

    def test_a_copied_and_a_rebuilt_library_keep_them(self, library, music, tmp_path):
        library.add(music)
        library.exclude("*.mp3")
        library.close()
        reindex(tmp_path / "library", ToneEmbedder(dim=32, fingerprint="another"))
        copy_library(tmp_path / "library", tmp_path / "copy")
        for folder in ("library", "copy"):
            with MusicLibrary.open(tmp_path / folder, ToneEmbedder(dim=32, fingerprint="another")) as library:
                assert library.exclusions.patterns == ("*.mp3",) and names(library) == ALL - {"400.mp3"}
                assert counts(library.sync())[0] == 0


class TestAway:
    def test_a_disc_in_a_folder_that_stays(self, library, music, tmp_path, monkeypatch):
        """Its mount point is empty or missing, and the rest of the folder is there."""
        disc = str(music / "jazz")
        on_disc = [True]
        real = away._device
        monkeypatch.setattr(away, "_device", lambda path: -1 if on_disc[0] and path.startswith(disc) else real(path))
        library.add(music)
        assert library.discs == [disc]
        on_disc[0] = False
        shutil.move(disc, tmp_path / "unplugged")
        for make in (lambda: None, lambda: os.mkdir(disc)):
            make()
            report = library.sync()
            assert counts(report) == (0, 0, 4, 0, 0, 1) and len(library) == 7
            assert "is not there; the library keeps its 3 tracks" in report.failed[0].reason
        hit = library.search("tone 400", k=1)[0]
        assert hit.track.path.endswith("400.mp3") and not hit.available
        os.rmdir(disc)
        shutil.move(tmp_path / "unplugged", disc)
        on_disc[0] = True
        assert counts(library.sync()) == (0, 0, 7, 0, 0, 0) and library.search("tone 400", k=1)[0].available

    @pytest.mark.parametrize("leaves_mount_point", [False, True])
    def test_a_copy_made_from_a_disc_that_is_away(self, library, music, tmp_path, monkeypatch, leaves_mount_point):
        """The copy is a new track, and the disc's one is kept for when the disc comes back."""
        disc, laptop = tmp_path / "disc", tmp_path / "laptop"
        shutil.move(music / "jazz", disc)
        shutil.copytree(music / "old", laptop)
        real, folder = away._device, str(disc)
        monkeypatch.setattr(
            away, "_device", lambda path: -1 if path.startswith(folder) and disc.exists() else real(path)
        )
        library.add([disc, laptop])
        shutil.copy(disc / "400.mp3", laptop / "copy.mp3")
        disc.rename(tmp_path / "unplugged")
        if leaves_mount_point:
            monkeypatch.setattr(away, "_device", real)
            disc.mkdir()
        report = library.add(laptop)
        assert (report.added, report.moved, report.removed) == (1, 0, 0) and len(library) == 6
        assert {str(disc / "400.mp3"), str(laptop / "copy.mp3")} <= library.store.file_states().keys()
        if leaves_mount_point:
            disc.rmdir()
        (tmp_path / "unplugged").rename(disc)
        assert counts(library.sync()) == (0, 0, 6, 0, 0, 0)

    def test_a_disc_that_is_mounted_elsewhere(self, library, music, tmp_path, monkeypatch):
        """Its files have the inodes that they had; the device may have another number."""
        disc, other = tmp_path / "disc", tmp_path / "elsewhere"
        shutil.move(music / "jazz", disc)
        real, folder = away._device, str(disc)
        monkeypatch.setattr(
            away, "_device", lambda path: -1 if path.startswith(folder) and disc.exists() else real(path)
        )
        library.add(disc)
        disc.rename(other)
        report = library.add(other)
        assert (report.added, report.moved) == (0, 3) and len(library) == 3

    def test_a_link_that_leads_nowhere(self, library, music, tmp_path):
        disc = tmp_path / "disc"
        shutil.move(music / "old", disc)
        (music / "old").symlink_to(disc)
        library.add(music)
        shutil.move(disc, tmp_path / "unplugged")
        report = library.sync()
        assert len(library) == 7 and report.removed == 0 and "broken link" in report.failed[-1].reason
        shutil.move(tmp_path / "unplugged", disc)
        assert counts(library.sync()) == (0, 0, 7, 0, 0, 0)

    def test_folders_that_were_deleted_are_no_discs(self, library, music):
        library.add(music)
        shutil.rmtree(music / "jazz")
        assert counts(library.sync()) == (0, 0, 4, 0, 3, 0)


class TestParts:
    """Tracks within a file, which a cue sheet divides."""

    @pytest.fixture
    def album(self, library, tmp_path):
        folder = tmp_path / "music"
        write(folder / "album.flac", album_sound())
        (folder / "album.cue").write_text(SHEET, encoding="utf-8")
        write(folder / "more" / "other.flac", tone(3000, 3))
        library.add(folder)
        assert len(library) == 4
        return folder / "album.flac"

    def numbers(self, library) -> str:
        return "".join(sorted(path[-1] for path in library.store.file_states() if "#" in path))

    def test_one_part_stays_out(self, library, album):
        assert library.remove(f"{album}#2").removed == 1 and self.numbers(library) == "13"
        assert counts(library.sync()) == (0, 0, 3, 0, 0, 0)
        album.with_suffix(".cue").write_text(SHEET.replace("Third", "3rd"), encoding="utf-8")
        assert library.sync().retagged == 2 and self.numbers(library) == "13"
        library.include(f"{album}#2")
        library.sync()
        assert self.numbers(library) == "123"
        library.exclude(f"{album}#3")
        assert library.sync().excluded == 1 and self.numbers(library) == "12"

    def test_the_file_with_all_its_parts(self, library, album, monkeypatch):
        before = stored_content(library)
        assert library.remove(album).removed == 3
        assert library.undo().added == 3 and stored_content(library) == before
        library.exclude("album.flac")
        assert library.sync().excluded == 3 and len(library) == 1
        library.include("album.flac")
        no_decoding(monkeypatch)
        assert library.sync().added == 3 and stored_content(library) == before

    def test_a_part_that_failed_is_forgotten_with_its_file(self, library, album):
        late = '  TRACK 04 AUDIO\n    TITLE "None"\n    INDEX 01 09:00:00\n'
        album.with_suffix(".cue").write_text(SHEET + late, encoding="utf-8")
        library.sync()
        assert set(library.store.failures()) == {f"{album}#4"}
        library.remove(album)
        assert not library.store.failures() and len(library) == 1

    def test_excluded_by_its_path(self, library, album):
        library.exclude(str(album))
        assert library.sync().excluded == 3 and len(library) == 1

    def test_a_part_that_was_removed_does_not_come_back_with_the_others(self, library, album, tmp_path):
        library.remove(f"{album}#2")
        album.rename(tmp_path / "away.flac")
        assert library.sync().removed == 2
        (tmp_path / "away.flac").rename(album)
        assert library.sync().added == 2 and self.numbers(library) == "13"

    def test_an_album_in_one_file_is_no_long_recording(self, library, album):
        library.exclude(max_length=30)
        assert library.sync().excluded == 0 and len(library) == 4
        album.with_suffix(".cue").unlink()
        library.sync()
        assert self.numbers(library) == "" and len(library) == 1

    def test_hits_know_whether_the_file_is_there(self, library, album):
        hit = library.search("tone 400", k=1)[0]
        assert hit.track.path == f"{album}#2" and hit.available
        album.unlink()
        assert not hit.available
