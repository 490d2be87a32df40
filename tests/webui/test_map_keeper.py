"""The map follows its library in the background."""

import zlib

import numpy as np
import pytest

from kobza import MusicLibrary
from kobza.library import FileState, LibraryError, Track
from kobza.webui.map import keeper as module
from kobza.webui.map.build import LayoutProcess
from kobza.webui.map.keeper import MapKeeper

DIM = 16


class WordEmbedder:
    """Stands in for a model: each text has a vector of its own."""

    name, fingerprint, dim = "word-embedder", "word-embedder-print", DIM

    def embed_text(self, texts):
        return np.stack([unit(zlib.crc32(text.encode())) for text in texts])


def unit(seed: int) -> np.ndarray:
    vector = np.random.default_rng(seed).standard_normal(DIM)
    return (vector / np.linalg.norm(vector)).astype(np.float32)


def put(library, *numbers: int) -> None:
    """Add tracks."""
    for i in numbers:
        library.store.upsert(Track(f"/m/{i}.mp3", f"Track {i}"), FileState(1, i, b""), [0.0], unit(i)[None])


class Layout:
    """Tracks in a row, and how often that was computed."""

    def __init__(self):
        self.calls = 0
        self.error = ""

    def __call__(self, vectors):
        self.calls += 1
        if self.error:
            raise LibraryError(self.error)
        return np.linspace(0.1, 0.9, 2 * len(vectors), dtype=np.float32).reshape(-1, 2)


@pytest.fixture
def library(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "MIN_PAUSE", 0.0)
    monkeypatch.setattr(module, "PAUSE_FACTOR", 0.0)
    monkeypatch.setattr(module.kept, "cache_folder", lambda: tmp_path)
    monkeypatch.setattr("kobza.library.calibration.cache_folder", lambda: tmp_path)
    with MusicLibrary.open(tmp_path / "library", WordEmbedder()) as library:
        put(library, *range(10))
        yield library


def test_the_map_is_computed_once_and_kept(library):
    layout = Layout()
    keeper = MapKeeper(lambda: library, layout)
    assert keeper.current() is None and not keeper.is_old
    keeper.wait()
    first = keeper.current()
    assert len(first) == 10 and layout.calls == 1 and not keeper.is_computing and not keeper.is_old
    assert [one.by for one in first.colourings] == ["genre", "sound"] and first.best_colouring == "sound"
    again = MapKeeper(lambda: library, layout)
    assert again.current().version == first.version
    again.wait()
    assert layout.calls == 1 and not again.is_old


def test_new_tracks_find_their_place_and_the_old_ones_keep_theirs(library):
    layout = Layout()
    keeper = MapKeeper(lambda: library, layout)
    keeper.current()
    keeper.wait()
    first = keeper.current()
    library.store.upsert(Track("/m/new.mp3"), FileState(1, 1, b""), [0.0], unit(7)[None])
    assert keeper.is_old and keeper.current() is first  # until the new one is there
    keeper.wait()
    second = keeper.current()
    assert len(second) == 11 and layout.calls == 1 and second.version != first.version
    places = dict(zip(second.paths, second.positions, strict=True))
    for path, place in zip(first.paths, first.positions, strict=True):
        np.testing.assert_array_equal(places[path], place)
    assert np.linalg.norm(places["/m/new.mp3"] - places["/m/7.mp3"]) < 0.02  # it sounds the same


def test_after_a_large_change_all_positions_are_computed_anew(library):
    layout = Layout()
    keeper = MapKeeper(lambda: library, layout)
    keeper.current()
    keeper.wait()
    put(library, 11, 12, 13)
    keeper.current()
    keeper.wait()
    assert len(keeper.current()) == 13 and layout.calls == 2


def test_another_library_has_another_map(library, tmp_path):
    layout = Layout()
    with MusicLibrary.open(tmp_path / "other", WordEmbedder()) as other:
        put(other, 1, 2, 3)
        current = library
        keeper = MapKeeper(lambda: current, layout)
        keeper.current()
        keeper.wait()
        current = other
        assert keeper.current() is None  # not that of the first one
        keeper.wait()
        assert len(keeper.current()) == 3 and layout.calls == 2


def test_what_went_wrong_is_said_and_the_old_map_stays(library):
    layout = Layout()
    keeper = MapKeeper(lambda: library, layout)
    layout.error = "There is no room."
    assert keeper.current() is None
    keeper.wait()
    assert keeper.error == "There is no room."
    layout.error = ""
    keeper.current()
    keeper.wait()
    assert len(keeper.current()) == 10 and keeper.error == ""


def test_the_layout_runs_in_a_process_of_its_own_that_can_be_stopped():
    process = LayoutProcess()
    vectors = np.eye(5, 16, dtype=np.float32)
    positions = process(vectors)
    assert positions.shape == (5, 2) and positions.min() >= 0 and positions.max() <= 1
    process.stop()
    with pytest.raises(LibraryError, match="the server stops"):
        process(vectors)
