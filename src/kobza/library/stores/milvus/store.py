"""A library in a Milvus database, for where one machine is outgrown.

Three collections: NAME_tracks (a row a track, with its mean vector), NAME_windows (a row a window) and NAME_meta.
Milvus knows no transactions, so the order of writing makes a track whole or not there: a row of NAME_tracks names the
`run` of windows that belong to it, and is written, in one step, after them; the windows that it had before are deleted
last. Windows that no row names are invisible; a journal in NAME_meta says which these may be after a kill.

Indexes are FLAT and reads strongly consistent: results are exact, and what is written is found at once.
"""

import contextlib
import json
import os
import secrets
import time
from collections.abc import Iterable, Iterator
from dataclasses import replace
from itertools import islice
from typing import Literal

import numpy as np
from pymilvus import MilvusClient

from kobza.folders import cache_folder
from kobza.library.address import MilvusAddress
from kobza.library.filters.tree import Filter
from kobza.library.records import LibraryError, FileState, Totals, Track, StoredTrack, refuse_invalid
from kobza.library.stores.lock import writer_lock
from kobza.library.stores.milvus.address import Client, Place
from kobza.library.stores.milvus.filter import to_expression
from kobza.library.stores.milvus.rows import LONGEST, TRACK, schema, to_path, to_rev, to_rows, to_track, track_id

SCHEMA, ATTEMPTS = 1, 20
AT_ONCE = 500  # tracks
PAGE = 4000  # rows with vectors a request: some 4 MB, where servers take and give up to 64
MOST = 16384  # rows that a server gives at the most
STALE = 24 * 3600.0  # seconds after which a journal's writer is taken for dead
JOURNAL, JOURNAL_END = "journal ", "journal!"  # what the keys of its entries in NAME_meta lie between


def _among(field: str, values: Iterable) -> str:
    return f"{field} in {json.dumps(list(values))}"


def _parts(items: Iterable, size: int) -> Iterator[list]:
    items = iter(items)
    while part := list(islice(items, size)):
        yield part


def _windows_of(runs: dict[int, int]) -> Iterator[int]:
    """The ids of windows: those of a run of n are the n numbers from its own on."""
    return (run + i for run, windows in runs.items() for i in range(windows))


class MilvusStore:
    """See `kobza.library.stores.base.Store`. May be shared by threads."""

    flush_interval_seconds = 5.0  # a write takes about half a second, of one track or of hundreds

    def __init__(self, address: MilvusAddress, read_only: bool = False):
        self.address, self.place, self.read_only = address, Place.parse(address), read_only
        self._journal = JOURNAL + secrets.token_hex(8)
        self._client, self._loaded, self._width = Client(self.place), set(), None
        if not read_only:
            self._make("meta", 2)
            if "schema" not in self.meta:
                self.set_meta(schema=str(SCHEMA))
        elif not self._there("meta"):
            raise LibraryError(f"There is no library at {self.address} yet; make one with: kobza index FOLDER")
        if (written := int(self.meta.get("schema", SCHEMA))) > SCHEMA:
            raise LibraryError(
                f"The library {self.address} was written by a newer Kobza (schema {written}, this one knows "
                f"{SCHEMA}); upgrade Kobza."
            )

    def _name(self, kind: str) -> str:
        return f"{self.place.name}_{kind}"

    def _there(self, kind: str) -> bool:
        """Whether the collection can be asked; one that another process has made is made ready."""
        if kind not in self._loaded and self._client.has_collection(self._name(kind)):
            self._make(kind)
        return kind in self._loaded

    def _make(self, kind: str, dim: int = 0) -> None:
        """Make the collection as far as it is not there; each step may be what a killed process has left undone."""
        name = self._name(kind)
        if kind in self._loaded:
            return
        for attempts in range(ATTEMPTS, 0, -1):
            try:
                if not self._client.has_collection(name):
                    self._client.create_collection(name, schema=schema(kind, dim), consistency_level="Strong")
                if not self._client.list_indexes(name):
                    index = MilvusClient.prepare_index_params()
                    index.add_index("vector", index_type="FLAT", metric_type="IP")
                    self._client.create_index(name, index)
                break
            except LibraryError:  # another shard may be making it at this moment
                if attempts == 1:
                    raise
                time.sleep(0.1)
        self._client.load_collection(name)
        self._loaded.add(kind)

    def _dim(self) -> int | None:
        """Of the vectors that are there."""
        if self._width is None and self._there("tracks"):
            fields = self._client.describe_collection(self._name("tracks"))["fields"]
            self._width = next(field["params"]["dim"] for field in fields if field["name"] == "vector")
        return self._width

    def _rows(self, kind: str, where: str = "", fields: Iterable[str] = ()) -> Iterator[dict]:
        """All rows that pass; with vectors in smaller pages."""
        if self._there(kind):
            yield from self._client.rows(self._name(kind), where, ["id", *fields], PAGE if "vector" in fields else MOST)

    def _delete(self, kind: str, ids: Iterable) -> None:
        for some in _parts(ids, PAGE):
            self._client.delete(self._name(kind), filter=_among("id", some))

    @contextlib.contextmanager
    def writing(self, part: str = "") -> Iterator[None]:
        """Held by the one process of this machine that writes `part` (a shard, or all) of the library.

        Milvus has no locks, so writers on other machines are not kept out. They may write at the same time: if two
        write the same track, one of them has it, whole.
        """
        if self.read_only:
            raise LibraryError(f"The library {self.address} was opened read-only; open it without to write.")
        with writer_lock(cache_folder() / f"{track_id(repr((str(self.address), part)))}.lock", str(self.address)):
            self._sweep()
            yield
            self._note({})

    def _note(self, runs: dict[int, int]) -> None:
        """Write into the journal which windows may be without a track from now on; none ends the entry."""
        if runs:
            entry = {"id": self._journal, "value": json.dumps([time.time(), list(runs.items())]), "vector": [0.0, 0.0]}
            self._client.upsert(self._name("meta"), [entry])
        else:
            self._delete("meta", [self._journal])

    def _sweep(self) -> None:
        """Delete the windows that killed writers have left without a track."""
        for entry in list(self._rows("meta", f'id >= "{JOURNAL}" and id < "{JOURNAL_END}"', ["value"])):
            noted, runs = json.loads(entry["value"])
            if time.time() - noted >= STALE:
                used = {row["run"] for row in self._rows("tracks", _among("run", dict(runs)), ["run"])}
                self._delete("windows", _windows_of({run: n for run, n in runs if run not in used}))
                self._delete("meta", [entry["id"]])

    @property
    def meta(self) -> dict[str, str]:
        rows = self._rows("meta", f'id < "{JOURNAL}" or id >= "{JOURNAL_END}"', ["value"])
        parts = {row["id"]: row["value"] for row in rows}
        return {key: "".join(map(parts.get, json.loads(ids))) for key, ids in parts.items() if "/" not in key}

    def set_meta(self, **values: str) -> None:
        """A long value (a list of thousands of files) takes several rows: the key's own names them, in order."""
        rows = {}
        for key, value in values.items():
            parts = {f"{key}/{i}": "".join(part) for i, part in enumerate(_parts(value, LONGEST // 4))}
            rows |= parts | {key: json.dumps(list(parts))}
        entries = [{"id": key, "value": value, "vector": [0.0, 0.0]} for key, value in rows.items()]
        self._client.upsert(self._name("meta"), entries)

    def upsert(self, track: Track, file_state: FileState, starts: list[float], vectors: np.ndarray) -> None:
        """Write a track and all of its windows, in place of what its path held before."""
        self.upsert_many([(track, file_state, starts, vectors)])

    def upsert_many(self, tracks: Iterable[StoredTrack]) -> None:
        """`upsert` for many, which costs little more than for one."""
        for some in _parts(tracks, AT_ONCE):
            self._put({track_id(one[0].path): one for one in some})

    def _put(self, tracks: dict[str, StoredTrack]) -> None:
        before = {row["id"]: row for row in self._rows("tracks", _among("id", tracks), ["run", "windows", "added"])}
        rows, windows, replaced = [], [], {row["run"]: row["windows"] for row in before.values()}
        dim = self._dim() or next(iter(tracks.values()))[3].shape[1]
        for key, (track, file_state, starts, vectors) in tracks.items():
            refuse_invalid(track.path, starts, vectors, dim)
            if track.added is None:
                track = replace(track, added=before[key]["added"] if key in before else time.time())
            row, its_windows = to_rows(track, file_state, starts, vectors, run=secrets.randbits(62))
            rows.append(row)
            windows += its_windows
        for kind in ("windows", "tracks"):
            self._make(kind, dim)
        self._note(replaced | {row["run"]: row["windows"] for row in rows})
        for some in _parts(windows, PAGE):
            self._client.insert(self._name("windows"), some)
        self._client.upsert(self._name("tracks"), rows)
        self._delete("windows", _windows_of(replaced))

    def move(self, path: str, new_path: str, mtime_ns: int) -> None:
        """The same recording under another path (or the same one), last changed at another time."""
        for track, file_state, starts, vectors in self.scan(path):
            self.upsert(replace(track, path=new_path), file_state._replace(mtime_ns=mtime_ns), starts, vectors)
            if path != new_path:
                self.delete([path])

    def delete(self, paths: Iterable[str]) -> int:
        """Forget these tracks; how many there were."""
        forgotten = 0
        for some in _parts(paths, AT_ONCE):
            rows = list(self._rows("tracks", _among("id", map(track_id, some)), ["run", "windows"]))
            runs = {row["run"]: row["windows"] for row in rows}
            if runs:
                self._note(runs)
                self._delete("tracks", [row["id"] for row in rows])
                self._delete("windows", _windows_of(runs))
            forgotten += len(rows)
        return forgotten

    def file_states(self) -> dict[str, FileState]:
        rows = self._rows("tracks", fields=["path", "size", "mtime_ns", "hash"])
        return {to_path(row["path"]): to_rev(row) for row in rows}

    def scan(self, path: str | None = None) -> Iterator[StoredTrack]:
        """Every track (or the one at `path`) with all it has, in the order of paths."""
        where = _among("id", [track_id(path)]) if path is not None else ""
        paths = {os.fsencode(to_path(row["path"])): row["id"] for row in self._rows("tracks", where, ["path"])}
        ids = [paths[path] for path in sorted(paths)]
        for some in _parts(ids, AT_ONCE // 2):
            rows = {row["id"]: row for row in self._rows("tracks", _among("id", some), TRACK)}
            windows = self._windows(rows.values())
            for key in some:
                row, attempts = rows.get(key), ATTEMPTS
                while row and row["run"] not in windows and (attempts := attempts - 1):  # replaced in between
                    row = next(self._rows("tracks", _among("id", [key]), TRACK), None)
                    windows |= self._windows([row] if row else [])
                if row and row["run"] in windows:
                    yield to_track(row), to_rev(row), *windows[row["run"]]

    def _windows(self, rows: Iterable[dict]) -> dict[int, tuple[list[float], np.ndarray]]:
        """The windows of each track that has all of them, by run."""
        counts, found = {row["run"]: row["windows"] for row in rows}, {}
        for some in _parts(_windows_of(counts), PAGE):
            for window in self._rows("windows", _among("id", some), ["run", "start", "vector"]):
                found.setdefault(window["run"], []).append((window["start"], np.asarray(window["vector"], np.float32)))
        whole = {run: sorted(of, key=lambda w: w[0]) for run, of in found.items() if len(of) == counts.get(run)}
        return {run: ([start for start, _ in of], np.stack([v for _, v in of])) for run, of in whole.items()}

    def search(
        self, vector: np.ndarray, k: int, where: Filter | None = None, by: Literal["track", "moment"] = "track"
    ) -> list[tuple[float, Track, float]]:
        """The k tracks nearest to `vector` (dim,) of those that pass: see `Store.search`."""
        if k > MOST:
            raise LibraryError(f"k is {k}; a library in Milvus gives {MOST} tracks at the most.")
        if not self._there("tracks"):
            return []
        query = np.ascontiguousarray(vector, np.float32)
        condition = to_expression(where) if where is not None else ""
        for _ in range(ATTEMPTS):  # until none of the hits was replaced by another process in between
            best = self._best(by, query, k, condition)
            windows = self._windows(row for _, row in best)
            if all(row["run"] in windows for _, row in best):
                break
        hits = []
        for score, row in best:
            if row["run"] in windows:
                starts, vectors = windows[row["run"]]
                hits.append((score, to_track(row), starts[int(np.argmax(vectors @ query))]))
        return sorted(hits, key=lambda hit: (-hit[0], hit[1].path))  # equal scores in a lasting order

    def _nearest(self, kind: str, query: np.ndarray, k: int, condition: str, fields) -> list[tuple[float, dict]]:
        (found,) = self._client.search(self._name(kind), [query], condition, limit=k, output_fields=list(fields))
        return [(hit["distance"], hit["entity"]) for hit in found]

    def _best(self, by: str, query: np.ndarray, k: int, condition: str) -> list[tuple[float, dict]]:
        """(cosine, row) of the k best tracks. As one may hold many windows, or be invisible: on without it."""
        if by == "track":
            return self._nearest("tracks", query, k, condition, TRACK)
        seen, best, wanted, found = [], {}, min(4 * k, MOST), MOST
        while len(best) < k and found:
            others = " and ".join(filter(None, [condition, seen and f"(not ({_among('run', seen)}))"]))
            scores = {}
            for score, window in self._nearest("windows", query, wanted, others, ["run"]):
                scores.setdefault(window["run"], score)
            rows = {row["run"]: row for row in self._rows("tracks", _among("run", scores), TRACK)} if scores else {}
            for run in filter(rows.get, scores):
                best.setdefault(rows[run]["id"], (scores[run], rows[run]))
            seen, found, wanted = [*seen, *scores], len(scores), min(4 * wanted, MOST)
        return list(best.values())[:k]

    def __len__(self) -> int:
        return self._client.query(self._name("tracks"), "", ["count(*)"])[0]["count(*)"] if self._there("tracks") else 0

    def count(self) -> Totals:
        rows = list(self._rows("tracks", fields=["windows", "duration"]))
        return Totals(len(rows), sum(row["windows"] for row in rows), sum(row["duration"] for row in rows))

    def optimize(self) -> None:
        """Nothing: Milvus seals, indexes and compacts by itself."""

    def close(self) -> None:
        self._client.close()
