"""The words of tags and paths: what is found, in any alphabet, after every kind of write."""

import numpy as np
import pytest
from store_contract import exact, fill, put, unit

from kobza.library import open_store
from kobza.library.filters.parser import parse_filter
from kobza.library.records import Adjustments
from kobza.library.stores.tag_words import text_words, words_differ


@pytest.fixture
def store(tmp_path):
    store = open_store(tmp_path / "library")
    yield store
    store.close()


def found(store, word: str, kind: str = "exact") -> dict[str, list[str]]:
    """{group: paths} of the tracks where the word stands."""
    paths = dict(store._query("SELECT id, path FROM tracks"))
    return {
        match.group: sorted(paths[i].decode() for i in match.track_ids)
        for match in store.match_words(text_words(word))
        if match.kind == kind
    }


@pytest.mark.parametrize(
    ("tag", "query"),
    [
        ("Žižka", "ZIZKA"),
        ("Йога", "йОГА"),
        ("Йога", "Йога"),  # composed or not, as macOS writes the names of files
        ("Ελλάδα", "ελλαδα"),
        ("STRASSE", "straße"),
        ("Beyoncé", "beyonce"),
        ("夜の東京", "東京"),
        ("AC/DC", "dc"),
        ("Sigur Rós – Ágætis_byrjun", "byrjun"),
    ],
)
def test_words_of_any_alphabet(store, tag, query):
    put(store, "/m/a.mp3", artist=tag)
    put(store, "/m/b.mp3", artist="other")
    assert found(store, query) == {"name": ["/m/a.mp3"]}


def test_words_stand_in_fields_and_paths(store):
    put(store, "/music/Kind of Blue/01.flac", title="So What", genre="Jazz; Blues", comment="ripped", composer="Davis")
    put(store, "/music/x.flac", title="Blue in Green", album="Jazz")
    assert found(store, "jazz") == {"genre": ["/music/Kind of Blue/01.flac"], "name": ["/music/x.flac"]}
    assert found(store, "blue") == {"name": ["/music/x.flac"], "path": ["/music/Kind of Blue/01.flac"]}
    assert found(store, "ripped") == {"comment": ["/music/Kind of Blue/01.flac"]}
    assert found(store, "davis") == {"name": ["/music/Kind of Blue/01.flac"]}


def test_prefixes_and_near_misses(store):
    put(store, "/1", artist="Rachmaninoff")
    put(store, "/2", artist="Prince")
    assert found(store, "rach", "prefix") == {"name": ["/1"]} and found(store, "rach") == {}
    for word in ("Rachmaninov", "Rakhmaninoff", "Rachmaninfof"):
        assert found(store, word, "near") == {"name": ["/1"]}
    assert found(store, "pirnce", "near") == {"name": ["/2"]}
    assert found(store, "Prince", "near") == {}  # it stands there itself
    assert store.match_words(["qwertzuiop", "xy"]) == []


def test_they_are_in_step_after_every_kind_of_write(store):
    put(store, "/one.mp3", artist="Ann")
    put(store, "/two.mp3", artist="Bob")
    put(store, "/one.mp3", artist="Cid")
    assert found(store, "ann") == {} and found(store, "cid") == {"name": ["/one.mp3"]}
    store.move("/one.mp3", "/three.mp3", 1)
    assert found(store, "one") == {} and found(store, "three") == {"path": ["/three.mp3"]}
    with store._transaction():
        store._db.execute("UPDATE tracks SET genre = 'Ska' WHERE artist = 'Cid'")
    assert found(store, "ska") == {"genre": ["/three.mp3"]}
    store.delete(["/two.mp3"])
    assert found(store, "bob") == {} and not words_differ(store._db)


def test_tracks_with_all_words_in_title_artist_or_path(store):
    put(store, "/m/x/1.mp3", title="So What", artist="Miles")
    put(store, "/m/y/2.mp3", title="What Else", artist="Ann")
    assert [track.path for track in store.tracks_with_words(["what"])] == ["/m/x/1.mp3", "/m/y/2.mp3"]
    assert [track.path for track in store.tracks_with_words(["what", "y"])] == ["/m/y/2.mp3"]
    assert len(store.tracks_with_words([])) == 2


@pytest.mark.parametrize("by", ["track", "moment"])
@pytest.mark.parametrize("where", [None, "genre = jazz"])
@pytest.mark.parametrize("only", [False, True])
def test_a_search_with_adjusted_scores_is_exact(store, by, where, only):
    held = fill(store)
    tree = parse_filter(where) if where else None
    ids = {path.decode(): track_id for track_id, path in store._query("SELECT id, path FROM tracks")}
    rng = np.random.default_rng(0)
    paths = sorted(rng.choice(sorted(held), 40, replace=False), key=ids.get)
    offsets, floors = rng.normal(0, 0.2, 40), rng.choice([-np.inf, 0.1, 2.0], 40)
    adjustments = Adjustments(np.array([ids[path] for path in paths]), offsets, floors, only)
    for seed in range(3):
        query = unit(1, 900 + seed)[0]
        cosines = {path: score for score, path, _ in exact(held, query, by, tree)}
        expected = {} if only else dict(cosines)
        for path, offset, floor in zip(paths, offsets, floors, strict=True):
            if path in cosines:
                expected[path] = offset + max(cosines[path], floor)
        for k in (5, 1000):
            hits = store.search(query, k, tree, by, adjustments)
            best = sorted(expected.values(), reverse=True)[:k]
            np.testing.assert_allclose([score for score, *_ in hits], best, atol=1e-3)
            assert all(abs(expected[track.path] - score) < 1e-3 for score, track, _ in hits)
