"""A library in Milvus: how fresh its reads are, its approximate indexes, and libraries of the first schema."""

import contextlib
import json

import pytest
from pymilvus import DataType, MilvusClient
from store_contract import DIM, exact, put, unit

from kobza.library import FileState, LibraryError, Track, open_store
from kobza.library.filters.parser import parse_filter
from kobza.library.filters.tree import matches
from kobza.library.ingest.copy import copy_library
from kobza.library.stores.milvus import collections
from kobza.library.stores.milvus.rows import track_id

TAGS = ("genre", "artist", "album", "title")  # of schema 1


def levels_of(store, monkeypatch) -> list[str]:
    """The consistency of each read of the store from now on."""
    levels = []
    for name in ("query", "search"):
        method = getattr(store.collections.client.client, name)

        def read(*args, method=method, **kwargs):
            levels.append(kwargs["consistency_level"])
            return method(*args, **kwargs)

        monkeypatch.setattr(store.collections.client.client, name, read)
    return levels


def test_reads_wait_for_the_servers_clock_only_where_it_matters(lite, monkeypatch):
    url = f"{lite}/fresh"
    writer = open_store(url)
    vectors = put(writer, "/a")
    monkeypatch.setattr(collections, "_last_writes", {})
    store = open_store(url, read_only=True)
    levels = levels_of(store, monkeypatch)

    def read(by: str) -> set[str]:
        levels.clear()
        assert len(store.search(vectors[0], 5, by=by)) == len(store) == len(list(store.scan("/a")))
        return set(levels)

    assert "Strong" in read("track")  # what was written before it was opened is seen
    assert read("moment") == read("track") == {"Bounded"}
    writer.delete(["/a"])
    assert read("track") == read("moment") == {"Strong"}  # what this process wrote is seen
    monkeypatch.setattr(collections, "STRONG_SECONDS", 0.0)
    assert read("track") == {"Bounded"}
    with writer.writing():
        levels = levels_of(writer, monkeypatch)
        assert writer.file_states() == {} and len(writer) == 0 and set(levels) == {"Strong"}


def test_a_late_view_of_a_replaced_track_is_read_again(lite, monkeypatch):
    """As bounded reads may show them: a track's row without its windows yet, or windows whose row is gone."""
    url = f"{lite}/late"
    store = open_store(url)
    vectors = put(store, "/a")
    for by, kind in (("track", "windows"), ("moment", "tracks")):
        monkeypatch.setattr(collections, "_last_writes", {})
        reader = open_store(url, read_only=True)
        reader.search(vectors[0], 5, by=by)
        levels = levels_of(reader, monkeypatch)
        rows = reader.collections.rows

        def late(of, *args, rows=rows, kind=kind, **kwargs):
            latest = kwargs.get("latest") or (len(args) > 2 and args[2])
            return iter(()) if of == kind and not latest else rows(of, *args, **kwargs)

        monkeypatch.setattr(reader.collections, "rows", late)
        assert [track.path for _, track, _ in reader.search(vectors[0], 5, by=by)] == ["/a"]
        assert "Bounded" in levels and "Strong" in levels
        assert kind == "tracks" or next(iter(reader.scan("/a")))[0].path == "/a"


@pytest.mark.parametrize("index", ["hnsw", "ivf_sq8"])
def test_an_approximate_index_is_chosen_once_and_finds_most(lite, index):
    url = f"{lite}/with_{index}"
    store = open_store(f"{url}?index={index}")
    held = {f"/{i}": (Track(f"/{i}", genre="ab"[i % 2]), unit(1, i)) for i in range(2000)}
    store.upsert_many((track, FileState(1, 1, b""), [0.0], vectors) for track, vectors in held.values())
    for kind in ("tracks", "windows"):
        store.collections.client.flush(store.collections.name(kind))
    again = open_store(url, read_only=True)
    found = again.collections.client.describe_index(again.collections.name("windows"), "vector")
    assert found["index_type"] == index.upper()
    tree = parse_filter("genre = a")
    for by in ("track", "moment"):
        common = 0
        for seed in range(5000, 5020):
            query = unit(1, seed)[0]
            best = {path for _, path, _ in exact(held, query, by, tree)[:10]}
            common += len(best & {track.path for _, track, _ in again.search(query, 10, tree, by)})
        assert common > 160
    with pytest.raises(LibraryError, match=rf"was made with the index {index}; .* kobza library copy"):
        open_store(f"{url}?index=flat")


def of_schema_1(address: str) -> dict[str, Track]:
    """Make a library as Kobza 0.2 did; its tracks by path."""
    text = {"datatype": DataType.VARCHAR, "max_length": 65535}
    whole, number = {"datatype": DataType.INT64}, {"datatype": DataType.DOUBLE}
    of_all = dict.fromkeys(TAGS, whole) | dict.fromkeys(("year", "duration", "added"), number) | {"path": text}
    whole_columns = dict.fromkeys(("run", "windows", "size", "mtime_ns"), whole)
    columns = {
        "meta": {"id": text, "value": text},
        "tracks": {"id": text, "tags": text, "hash": text} | whole_columns | of_all,
        "windows": {"id": whole, "run": whole, "start": number} | of_all,
    }
    meta = {"schema": "1", "fingerprint": "f", "model": "m", "dim": str(DIM), "windows": "{}"}
    rows = {"meta": [], "tracks": [], "windows": []}
    for key, value in meta.items():
        for name, text_of in ((key, json.dumps([f"{key}/0"])), (f"{key}/0", value)):
            rows["meta"].append({"id": name, "value": text_of, "vector": [0.0, 0.0]})
    tracks = {}
    for i in range(30):
        track = Track(f"/m/{i}", f"T{i}", "Ann", "x", ("Jazz", "blues; Jazz")[i % 2], (None, 1980)[i % 3 > 0], 10.0)
        tracks[track.path] = track
        numbers = {"year": -1e9 if track.year is None else track.year, "duration": 10.0, "added": 1.0, "run": 100 * i}
        both = dict.fromkeys(TAGS, i) | numbers | {"path": track.path, "vector": unit(1, i)[0]}
        rows["windows"].append(both | {"id": 100 * i, "start": 0.0})
        tags = json.dumps([track.title, track.artist, track.album, track.genre, track.year])
        of_file = {"size": 1, "mtime_ns": 1, "hash": "00"}
        rows["tracks"].append(both | of_file | {"id": track_id(track.path), "windows": 1, "tags": tags})
    with contextlib.closing(MilvusClient(address.replace("milvus", "http"))) as client:
        for kind, fields in columns.items():
            schema, index = client.create_schema(), client.prepare_index_params()
            for name, column in fields.items():
                schema.add_field(name, is_primary=name == "id", **column)
            schema.add_field("vector", DataType.FLOAT_VECTOR, dim=2 if kind == "meta" else DIM)
            index.add_index("vector", index_type="FLAT", metric_type="IP")
            client.create_collection(f"old_{kind}", schema=schema, index_params=index, consistency_level="Strong")
            client.insert(f"old_{kind}", rows[kind])
    return tracks


def test_a_library_of_schema_1_can_be_read_and_copied_but_not_written(lite, tmp_path):
    tracks = of_schema_1(lite)
    store = open_store(f"{lite}/old")
    assert {track.path: track for track, *_ in store.scan()} == tracks
    for text in (
        "genre = jazz",
        "not genre = jazz and year > 1900",
        "title in (t1, t7)",
        "path under /m",
        "year != 1980",
    ):
        tree = parse_filter(text)
        for by in ("track", "moment"):
            found = {track.path for _, track, _ in store.search(unit(1)[0], 99, tree, by)}
            assert found == {path for path, track in tracks.items() if matches(tree, track)}
    for change in (lambda: put(store, "/a"), lambda: store.delete(["/m/1"]), store.writing().__enter__):
        with pytest.raises(LibraryError, match=r"older Kobza.*can be read.*copy"):
            change()
    assert str(copy_library(f"{lite}/old", f"{lite}/new_of_old")) == "30 copied, 0 there already"
    put(open_store(f"{lite}/new_of_old"), "/a")
