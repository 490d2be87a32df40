"""What every store must do. A test file subclasses `StoreContract` and gives it the fixture `reopen`.

`reopen(read_only=False)` opens one more handle on the same, at first empty, store; the fixture closes them all.
"""

import dataclasses
import math
import os
import random
import threading
from dataclasses import astuple, fields

import numpy as np
import pytest

from kobza.embedding.embedder import normalized_mean
from kobza.library import FileState, LibraryError, Totals, Track
from kobza.library.filters.parser import parse_filter
from kobza.library.filters.tree import Compare, Not, matches
from kobza.library.records import KnownFailure
from kobza.library.search import saved
from kobza.library.search.saved import SavedSearch

DIM = 16
FILTERS = (
    "genre = jazz", "genre != JAZZ", "genre in (blues, 'Hip Hop')", "genre = ''", "artist = žižka", "title = t7",
    "year >= 1980", "year < 1990 or duration > 20", "not year > 0", "year != 1985", "duration <= 10",
    "path under /m/0", "path under /m/0 and not path = /m/0/7", "path in (/m/1/8, /m/2/9)", "added >= 2001-09-10",
    "year >= 1980 and genre in (jazz, blues) and not path under /m/2", "genre = polka", "genre = 'soul; jazz'",
    "genre = soul and not genre = blues", "genre in (soul, 'hip hop')", "title ~ 7", "not artist ~ ž",
    "comment ~ 'x y'", "composer = bach", "album artist != bach", "track >= 5", "bpm 90..120", "key = Am",
    "loudness < -9.5 or energy > 0.5", "format = flac", "bitrate != 320", "sample rate = 44100 and comment = ''",
)  # fmt: skip


def unit(n: int, seed: int = 0, dim: int = DIM) -> np.ndarray:
    """(n, dim) vectors as every store keeps them exactly: of unit length, then rounded to half precision."""
    vectors = np.random.default_rng(seed).normal(size=(n, dim)).astype(np.float32)
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float16).astype(np.float32)


def put(store, path: str, n: int = 3, seed: int | None = None, **fields) -> np.ndarray:
    """Upsert a track of n windows of 10 s; its vectors (by default, of the path's own making)."""
    vectors = unit(n, sum(os.fsencode(path)) if seed is None else seed)
    track = Track(path, **{"title": "t", "duration": 10.0 * n} | fields)
    store.upsert(track, FileState(100 + n, 5, os.fsencode(path)[:16]), [10.0 * i for i in range(n)], vectors)
    return vectors


def fill(store, tracks: int = 120) -> dict[str, tuple[Track, np.ndarray]]:
    """A made-up library with tags of every kind: {path: (track, vectors)}."""
    rng, held = random.Random(1), {}
    for i in range(tracks):
        n = rng.choice([1, 1, 2, 3, 5])
        fields = {
            "title": f"T{i}",
            "artist": rng.choice(["Ann", "ŽIŽKA", ""]),
            "genre": rng.choice(["Jazz", "JAZZ", "blues", "hip hop", "", "Soul; Jazz", "Soul; jazz; Blues"]),
            "year": rng.choice([None, 1975, 1985, 1995]),
            "added": 1e9 + 3600.0 * i,
            "duration": 10.0 * n,
            "comment": rng.choice(["", "X y z"]),
            "composer": rng.choice(["", "Bach", "Ann; Bach"]),
            "album_artist": rng.choice(["", "Bach"]),
            "track_number": rng.choice([None, 3, 7]),
            "bpm": rng.choice([None, 90.0, 150.5]),
            "loudness": rng.choice([None, -14.0, -8.0]),
            "energy": rng.choice([None, 0.25, 0.75]),
            "key": rng.choice(["", "A minor", "C major"]),
            "format": rng.choice(["flac", "mp3"]),
            "bitrate": rng.choice([None, 320, 911]),
            "sample_rate": rng.choice([None, 44100]),
        }
        path = f"/m/{i % 3}/{i}"
        held[path] = Track(path, **fields), put(store, path, n, seed=i, **fields)
    return held


def content(store) -> dict[str, tuple]:
    """{path: (track, when it was added, file_state, starts, vectors as bytes)}"""
    return {
        t.path: (t, t.added, file_state, starts, vectors.tobytes()) for t, file_state, starts, vectors in store.scan()
    }


def exact(held: dict, query: np.ndarray, by: str, tree=None) -> list[tuple[float, str, float]]:
    """(score, path, moment) of all tracks that pass, best first, by numpy over what was put in."""
    ranked = []
    for path, (track, vectors) in held.items():
        if tree is not None and not matches(tree, track):
            continue
        scores, mean = vectors @ query, vectors.mean(axis=0)
        score = float(mean @ query / np.linalg.norm(mean)) if by == "track" else float(scores.max())
        ranked.append((score, path, 10.0 * int(np.argmax(scores))))
    return sorted(ranked, key=lambda hit: (-hit[0], hit[1]))


def agree(hits: list, expected: list[tuple[float, str, float]], k: int) -> None:
    """The hits are the first k expected; neighbours closer than half precision may change places."""
    assert len(hits) == min(k, len(expected))
    assert len({track.path for _, track, _ in hits}) == len(hits)
    by_path = {path: (score, moment) for score, path, moment in expected}
    for (score, track, moment), (best, _, _) in zip(hits, expected, strict=False):
        assert score == pytest.approx(best, abs=1e-3)
        assert (score, moment) == pytest.approx(by_path[track.path], abs=1e-3)


class StoreContract:
    @pytest.fixture
    def store(self, reopen):
        return reopen()

    def test_what_is_put_in_comes_out(self, store, reopen):
        odd = os.fsdecode(b"/m/\xff\xfe\n'\"%_.mp3")
        vectors = put(store, odd, title="Піcня 🎵", artist="x", album="y", genre="z", year=1973, added=5.5)
        put(store, "/m/b.mp3", n=1)
        store.close()
        again = reopen()
        (other, *_), (track, file_state, starts, kept) = again.scan()
        assert other.path == "/m/b.mp3" and other.year is None
        assert track == Track(odd, "Піcня 🎵", "x", "y", "z", 1973, 30.0) and track.added == 5.5
        assert (
            file_state == FileState(103, 5, b"/m/\xff\xfe\n'\"%_.mp3")
            and again.file_states()[odd] == file_state
            and len(again.file_states()) == 2
        )
        assert starts == [0.0, 10.0, 20.0] and kept.dtype == np.float32
        np.testing.assert_array_equal(kept, vectors)
        assert again.count() == Totals(2, 4, 40.0)
        assert [track.path for track, *_ in again.scan(odd)] == [odd] and list(again.scan("/m/absent")) == []
        some = list(again.scan([odd, "/m/absent", odd]))
        assert [track.path for track, *_ in some] == [odd] and list(again.scan([])) == []

    def test_every_field_of_a_track_is_kept(self, store):
        values = {str: "Ä; b", int | None: 7, float | None: -0.1, float: 0.3}
        given = {field.name: values[field.type] for field in fields(Track) if field.name != "path"}
        for path, track in {"/full": Track("/full", **given), "/empty": Track("/empty", added=1.0)}.items():
            store.upsert(track, FileState(1, 1, b""), [0.0], unit(1))
            ((kept, *_),) = store.scan(path)
            assert (kept, kept.added) == (track, track.added)
            assert [type(value) for value in astuple(kept)] == [type(value) for value in astuple(track)]
            assert [hit[1] for hit in store.search(unit(1)[0], 9) if hit[1].path == path] == [track]

    def test_an_empty_store(self, store):
        assert store.count() == Totals(0, 0, 0.0) and store.file_states() == {} and list(store.scan()) == []
        for by in ("track", "moment"):
            assert store.search(unit(1)[0], 5, by=by) == []
            assert store.search(unit(1)[0], 5, parse_filter("year > 0"), by) == []
        assert store.delete(["/never"]) == store.delete([]) == 0

    def test_the_vectors_of_all_tracks(self, store, reopen):
        paths, vectors = store.track_vectors()
        assert paths == [] and vectors.shape == (0, 0)
        written = {path: unit(3) for path in ("/m/b.mp3", "/m/a\udcff.mp3", "/m/gone.mp3")}
        for path, windows in written.items():
            store.upsert(Track(path), FileState(1, 1, b""), [0.0, 10.0, 20.0], windows)
        store.delete(["/m/gone.mp3"])
        store.close()
        paths, vectors = reopen().track_vectors()
        assert sorted(paths) == ["/m/a\udcff.mp3", "/m/b.mp3"] and vectors.dtype == np.float32
        for path, vector in zip(paths, vectors, strict=True):
            np.testing.assert_allclose(vector, normalized_mean(written[path]), atol=2e-3)

    def test_saved_searches(self, store, reopen):
        searches = [
            SavedSearch(name, {"text": "x", "k": i, "where": None}, f"/m/\udcff{i}.m3u8", mpd="nas:6600")
            for i, name in enumerate(["", "a/b:ä", "journal x"])
        ]
        for one in (*searches, dataclasses.replace(searches[0], skip_missing=True), searches[0]):
            saved.save(store, one)
        assert saved.delete(store, "a/b:ä") == searches[1]
        assert saved.saved_searches(reopen(read_only=True)) == [searches[0], searches[2]]
        with pytest.raises(LibraryError, match="no saved playlist 'a/b:ä'"):
            saved.saved_search(store, "a/b:ä")

    def test_meta(self, store, reopen):
        store.set_meta(one="1", two="2")
        store.set_meta(two="два", three="")
        for meta in (store.meta, reopen(read_only=True).meta):
            assert {key: meta.get(key) for key in ("one", "two", "three", "four")} == {
                "one": "1", "two": "два", "three": "", "four": None,
            }  # fmt: skip

    def test_retag_keeps_the_windows(self, store):
        vectors = put(store, "/a", added=7.0, genre="jazz", artist="Ann")
        put(store, "/b")
        store.retag(Track("/a", "New", genre="Blues; Rock", duration=30.0), FileState(1, 2, b"x"))
        store.retag(Track("/absent", "New"), FileState(1, 2, b"x"))
        (track, file_state, starts, kept), _ = store.scan()
        assert (track.title, track.artist, track.genre, track.added) == ("New", "", "Blues; Rock", 7.0)
        assert file_state[:3] == (1, 2, b"x") and starts == [0.0, 10.0, 20.0]
        np.testing.assert_array_equal(kept, vectors)
        for vector in vectors:
            assert [hit[1].title for hit in store.search(vector, 1, parse_filter("title = new"), by="moment")] == [
                "New"
            ]
        assert store.search(vectors[0], 5, parse_filter("genre = jazz")) == []

    def test_select(self, store):
        held = fill(store)
        assert [track.path for track in store.select()] == sorted(held) and store.select(limit=0) == []
        for text in FILTERS:
            passing = sorted(path for path, (track, _) in held.items() if matches(parse_filter(text), track))
            assert [track.path for track in store.select(parse_filter(text))] == passing
            assert [track.path for track in store.select(parse_filter(text), 2)] == passing[:2]

    def test_upsert_replaces_all_of_a_track(self, store):
        put(store, "/a", n=5, added=7.0, genre="jazz")
        vectors = put(store, "/a", n=2, seed=9, genre="blues")
        ((track, file_state, starts, kept),) = store.scan()
        assert starts == [0.0, 10.0] and file_state.size == 102 and store.count() == Totals(1, 2, 20.0)
        assert track.added == 7.0 and track.genre == "blues"  # it came into the library when it first came
        np.testing.assert_array_equal(kept, vectors)
        assert store.search(unit(1)[0], 5, parse_filter("genre = jazz")) == []
        assert put(store, "/a", added=8.0) is not None and next(iter(store.scan()))[0].added == 8.0

    def test_delete(self, store):
        for name in "abc":
            put(store, f"/{name}")
        assert store.delete(["/a", "/c", "/never"]) == 2
        assert store.count() == Totals(1, 3, 30.0) and list(store.file_states()) == ["/b"]
        assert [track.path for _, track, _ in store.search(unit(1)[0], 9, by="moment")] == ["/b"]

    def test_path_under_a_folder(self, store):
        """Names that begin like the folder's and sort just before and after what is in it are not in it."""
        for path in ("/m/0", "/m/0/", "/m/0/x", "/m/0/~", "/m/0.mp3", "/m/0-live/x", "/m/00", "/m/00/x", "/m/1", "/n"):
            put(store, path, n=1)
        for folder in ("/m/0", "/m/0/"):
            for by in ("track", "moment"):
                hits = store.search(unit(1)[0], 99, Compare("path", "under", folder), by)
                inside = {"/m/0/", "/m/0/x", "/m/0/~"} | ({"/m/0"} if folder == "/m/0" else set())
                assert {track.path for _, track, _ in hits} == inside
        assert len(store.search(unit(1)[0], 99, Compare("path", "under", "/"))) == 10

    def test_many_at_once(self, store):
        for i in range(300):
            put(store, f"/{i}", n=1)
        assert store.delete(f"/{i}" for i in range(0, 600, 2)) == 150
        assert sorted(store.file_states(), key=lambda path: int(path[1:])) == [f"/{i}" for i in range(1, 300, 2)]

    def test_failures_are_kept_until_they_are_forgotten(self, store, reopen):
        odd = os.fsdecode(b"/m/\xff.mp3")
        failures = {path: KnownFailure(2**62, -5, f"{i} is bad.", "1.0") for i, path in enumerate(("/a", odd))}
        store.set_failures(failures)
        assert reopen(read_only=True).failures() == failures
        store.set_failures({"/a": None, "/absent": None, odd: failures["/a"]})
        assert store.failures() == {odd: failures["/a"]}
        put(store, "/b")
        store.set_identities({"/b": (1, 2), "/absent": (3, 4)})
        assert store.file_states()["/b"].inode in (2, None) and len(store) == 1

    def test_move_keeps_everything_else(self, store):
        vectors = put(store, "/a", added=7.0)
        store.move("/a", "/b", 77)
        store.move("/b", "/b", 78)
        ((track, file_state, starts, kept),) = store.scan()
        assert (track.path, track.added, file_state.mtime_ns, file_state.size, len(starts)) == ("/b", 7.0, 78, 103, 3)
        np.testing.assert_array_equal(kept, vectors)
        assert store.search(vectors[0], 1)[0][1].path == "/b"
        assert store.search(vectors[0], 1, parse_filter("path = /a")) == []
        assert len(store.search(vectors[0], 1, parse_filter("path = /b"))) == 1

    @pytest.mark.parametrize("by", ["track", "moment"])
    def test_search_is_exact_after_every_kind_of_write(self, store, by):
        held = fill(store)

        def check(seed: int) -> None:
            query = unit(1, seed)[0]
            for k in (1, 25, 1000):
                agree(store.search(query, k, by=by), exact(held, query, by), k)

        check(1)
        store.delete(["/m/0/0", "/m/0/6"])
        del held["/m/0/0"], held["/m/0/6"]
        check(2)
        for path in ("/m/1/7", "/new"):
            held[path] = Track(path), put(store, path, n=4)
        check(3)
        store.move("/m/1/4", "/moved", 1)
        held["/moved"] = held.pop("/m/1/4")
        store.optimize()
        check(4)
        store.delete(list(held))
        assert store.search(unit(1)[0], 5, by=by) == []

    @pytest.mark.parametrize("by", ["track", "moment"])
    def test_search_is_exact_under_any_filter(self, store, by):
        held = fill(store)
        trees = [parse_filter(text) for text in FILTERS]
        for seed, tree in enumerate([*trees, *map(Not, trees)]):
            query = unit(1, 500 + seed)[0]
            for k in (3, 1000):
                agree(store.search(query, k, tree, by), exact(held, query, by, tree), k)

    def test_one_long_track_does_not_crowd_out_the_others(self, store):
        """Its thousand windows are all nearer than anything else."""
        query = unit(1)[0]
        near = query + 0.01 * unit(1000, 1)
        near /= np.linalg.norm(near, axis=1, keepdims=True)
        store.upsert(Track("/mix", duration=1e4), FileState(1, 1, b""), [10.0 * i for i in range(1000)], near)
        held = fill(store, 40)
        hits = store.search(query, 10, by="moment")
        assert hits[0][1].path == "/mix"
        assert near[int(hits[0][2] / 10)] @ query == pytest.approx((near @ query).max(), abs=1e-3)
        agree(hits[1:], exact(held, query, "moment"), 9)

    def test_copies_are_all_found(self, store):
        for name in "abcdef":
            put(store, f"/{name}", seed=3)
        for by in ("track", "moment"):
            hits = store.search(unit(3, 3)[1], 6, by=by)
            assert [track.path for _, track, _ in hits] == [f"/{name}" for name in "abcdef"]
            assert by == "track" or {moment for *_, moment in hits} == {10.0}

    def test_what_is_no_vector_is_refused(self, store):
        put(store, "/a")
        whole, starts = unit(2), [0.0, 10.0]
        broken = whole.copy()
        broken[1, 3] = math.nan
        for vectors, places, why in [
            (broken, starts, "finite"),
            (whole * 2, starts, "unit length"),
            (whole[:0], [], "no windows"),
            (whole, [0.0], "2 vectors for 1 windows"),
            (whole, [0.0, 0.0], "in order"),
            (whole, [0.0, math.nan], "in order"),
            (unit(2, dim=8), starts, "8 numbers.*16"),
        ]:
            with pytest.raises(LibraryError, match=f"/a.*{why}"):
                store.upsert(Track("/a"), FileState(1, 1, b""), places, vectors)
        assert store.count() == Totals(1, 3, 30.0)

    def test_a_reader_sees_what_a_writer_adds(self, store, reopen):
        reader = reopen(read_only=True)
        assert reader.search(unit(1)[0], 5) == []
        vectors = put(store, "/a")
        assert reader.search(vectors[0], 5)[0][1].path == "/a" and len(reader.file_states()) == 1
        store.delete(["/a"])
        assert reader.search(vectors[0], 5) == [] and reader.count().tracks == 0

    def test_two_readers_during_a_write_see_whole_tracks_only(self, store, reopen):
        """Each version of a track has as many windows as its year says, and its number in every vector."""
        paths, stop, wrong = [f"/{i}" for i in range(6)], threading.Event(), []

        def version(path: str, number: int) -> None:
            n = 1 + number % 4
            vectors = np.zeros((n, DIM), np.float32)
            vectors[:, number % DIM] = 1
            store.upsert(Track(path, year=number), FileState(n, 1, b""), [float(i) for i in range(n)], vectors)

        def read(handle) -> None:
            rounds = 0
            try:
                while not stop.is_set() or rounds < 3:
                    seen = []
                    for track, file_state, starts, vectors in handle.scan():
                        seen.append(track.path)
                        assert len(starts) == len(vectors) == file_state.size == 1 + track.year % 4
                        assert (vectors[:, track.year % DIM] == 1).all()
                    assert seen == paths
                    hits = handle.search(unit(1)[0], 10, by=("track", "moment")[rounds % 2])
                    assert sorted(track.path for _, track, _ in hits) == paths
                    rounds += 1
            except BaseException as error:
                wrong.append(error)

        for path in paths:
            version(path, 1900)
        threads = [threading.Thread(target=read, args=(reopen(read_only=True),)) for _ in range(2)]
        for thread in threads:
            thread.start()
        for number in range(1901, 1931):
            for path in paths:
                version(path, number)
        stop.set()
        for thread in threads:
            thread.join()
        assert not wrong, wrong[0]
