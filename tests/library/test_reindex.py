"""Rebuilding a library with another model: the old one stays until the new one is complete."""

import numpy as np
import pytest
from child_processes import dawdle_at_each_statement, killed_at
from recordings import ToneEmbedder, counts, tone, write

from kobza import MusicLibrary
from kobza.library import LibraryError
from kobza.library.ingest.reindex import reindex
from kobza.library.stores import search_indexes
from kobza.library.stores.integrity import check


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
        monkeypatch.setattr(search_indexes, "MIN_ROWS_FOR_INDEX_FILE", 1)
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
