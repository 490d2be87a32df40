"""The map's colours, names and file; how it is kept up to date."""

import numpy as np
import pytest

from kobza import MusicLibrary
from kobza.library import FileState, Track
from kobza.library.filters.tree import In, Not
from kobza.webui.map import kept
from kobza.webui.map.document import NONE, Colouring, LibraryMap, colour, first_genre, inside, library_digest
from kobza.webui.map.regions import Region, region_names, regions
from kobza.webui.map.words import nearest_words


def shown(paths, **changes) -> LibraryMap:
    n = len(paths)
    positions = np.random.default_rng(0).random((n, 2)).astype(np.float32)
    colourings = [colour(by, [f"{by} {i % 3}" for i in range(n)]) for by in ("genre", "sound")]
    given = {"digest": "d", "model": "m", "fitted": n, "paths": list(paths), "positions": positions}
    return LibraryMap(**(given | {"colourings": colourings, "regions": [Region("calm", 0.5, 0.25, 0, n)]} | changes))


def test_the_most_common_values_have_colours_and_the_others_share_one():
    values = [f"genre {i}" for i in range(12) for _ in range(20 - i)] + ["", ""]
    colouring = colour("genre", values)
    assert colouring.names == [f"genre {i}" for i in range(9)]
    assert colouring.counts == [*range(20, 11, -1), 11 + 10 + 9, 2]
    assert set(colouring.colours.tolist()) == {*range(10), NONE}
    assert colour("genre", []).counts == [0, 0]
    assert first_genre(Track("a", genre=" Hip Hop, Rap")) == "Hip Hop"


def test_without_tags_the_map_is_coloured_by_what_the_model_hears():
    paths = ["a", "b", "c", "d"]
    colours = [np.array(one, np.uint8) for one in ([0, 0, NONE, NONE], [0, NONE, NONE, NONE])]
    tagged, untagged = (shown(paths, colourings=[Colouring("genre", ["x"], one)]) for one in colours)
    assert (tagged.best_colouring, untagged.best_colouring, shown([]).best_colouring) == ("genre", "sound", "sound")


def test_a_word_that_always_scores_high_does_not_take_every_track():
    mean, jazz, rock = np.eye(3, 8, dtype=np.float32)
    words = np.stack([0.9 * mean + 0.44 * jazz, 0.3 * mean + 0.95 * rock])
    tracks = np.stack([mean + 0.3 * jazz, mean + 0.3 * rock])
    assert nearest_words(tracks, words, mean).tolist() == [0, 1]


def test_regions_are_named_by_what_sets_them_apart():
    rng = np.random.default_rng(0)
    kinds = {"piano": "instrument", "rock": "genre", "choir": "instrument", "techno": "genre", "music": "genre"}
    words = list(kinds)
    word_vectors = np.eye(5, 16)
    groups = np.repeat(np.arange(4), 100)
    vectors = word_vectors[groups] + 0.7 * word_vectors[4] + 0.05 * rng.standard_normal((400, 16))
    corners = np.array([[0.1, 0.1], [0.9, 0.1], [0.1, 0.9], [0.9, 0.9]])
    positions = (corners[groups] + 0.02 * rng.standard_normal((400, 2))).astype(np.float32)
    found = [region for region in regions(positions, vectors, kinds, word_vectors) if region.level == 0]
    assert {region.name for region in found} == {"piano", "rock", "choir", "techno"}
    for region in found:
        assert np.linalg.norm(corners[words.index(region.name)] - [region.x, region.y]) < 0.1 and region.tracks == 100
    assert regions(positions[:5], vectors[:5], kinds, word_vectors) == []


def test_no_two_regions_have_one_name():
    names = region_names(np.ones((4, 3)), {"a": "genre", "b": "instrument", "c": "mood"}, np.eye(3), np.arange(4))
    assert len(set(names)) == 4


def test_a_name_has_words_of_two_kinds_and_no_noise_of_music():
    kinds = {"clarinet": "instrument", "flute": "instrument", "rain and wind": "sound", "calm": "mood"}
    means = np.array([[1, 0.95, 0.9, 0.8], [0.5, 0.9, 1, 0.8]])
    assert region_names(means, kinds, np.eye(4), np.array([9, 5])) == ["clarinet, calm", "rain and wind"]


def test_what_is_inside_an_outline():
    points = np.array([[0.5, 0.5], [0.1, 0.9], [0.9, 0.9], [0.5, 0.95]])
    heart = np.array([[0, 0], [1, 0], [1, 1], [0.5, 0.6], [0, 1]])  # its dent leaves one out
    assert inside(points, heart).tolist() == [True, True, True, False]
    assert not inside(points, np.array([[0, 0], [1, 1]])).any()


def test_a_map_is_kept_as_it_is(tmp_path):
    path = tmp_path / "map.npz"
    assert kept.read(path) is None
    written = shown(["/m/a\udcff.mp3", "/m/ü.mp3"])
    kept.write(path, written)
    found = kept.read(path)
    assert (found.paths, found.regions, found.version) == (written.paths, written.regions, written.version)
    assert (found.digest, found.model, found.fitted) == ("d", "m", 2)
    np.testing.assert_array_equal(found.positions, written.positions)
    assert [one.names for one in found.colourings] == [one.names for one in written.colourings]
    assert found.numbers(["/m/ü.mp3", "/m/gone.mp3"]) == [1]


@pytest.mark.parametrize("damage", [lambda content: content[: len(content) // 2], lambda content: b"no map"])
def test_a_damaged_file_is_no_map(tmp_path, damage):
    path = tmp_path / "map.npz"
    kept.write(path, shown(["/m/a.mp3", "/m/b.mp3"]))
    path.write_bytes(damage(path.read_bytes()))
    assert kept.read(path) is None


def test_a_folder_that_cannot_be_written_is_no_error(tmp_path):
    (tmp_path / "file").write_text("")
    kept.write(tmp_path / "file" / "map.npz", shown(["a", "b"]))


def test_the_digest_tells_what_changes_a_map():
    state = {"/a": (1, 5, b""), "/b": (2, 6, b"")}
    same = {"/b": (2, 6, b""), "/a": (1, 5, b"")}
    assert library_digest(state) == library_digest(same)
    for other in (
        {"/a": (1, 5, b"")},
        state | {"/a": (1, 7, b"")},
        state | {"/a": (3, 5, b"")},
        state | {"/c": (1, 5, b"")},
    ):
        assert library_digest(other) != library_digest(state)


def test_thousands_of_paths_in_a_filter(tmp_path):
    tree = In("path", tuple(f"/m/{i}\udcff.mp3" for i in range(0, 40_000, 2)))
    with MusicLibrary.open(tmp_path) as library:
        for i in range(6):
            state = FileState(1, 1, b"")
            library.store.upsert(Track(f"/m/{i}\udcff.mp3"), state, [0.0], np.eye(1, 8, dtype=np.float32))
        assert [track.path for track in library.store.select(tree)] == [f"/m/{i}\udcff.mp3" for i in (0, 2, 4)]
        assert len(library.store.select(Not(tree))) == 3
