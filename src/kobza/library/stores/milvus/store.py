"""A library in a Milvus database, for collections that outgrow one machine.

Three collections: NAME_tracks (one row per track, with its mean vector), NAME_windows (one row per window) and
NAME_meta. Milvus has no transactions, so atomic writes per track come from their order: a row of NAME_tracks names the
`run` of windows that belong to it, and is written after them, in one step; the windows of its previous run are deleted
last. Windows that no row names are invisible, and a journal in NAME_meta lists those that a killed process may leave.

Indexes are FLAT and reads strongly consistent: results are exact, and writes are visible at once.
"""

import contextlib
import json
import os
import secrets
import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Literal

import numpy as np

from kobza.folders import cache_folder
from kobza.library.address import MilvusAddress
from kobza.library.filters.tree import Filter
from kobza.library.paths import path_from_text, path_to_text
from kobza.library.records import (
    FileState,
    KnownFailure,
    LibraryError,
    StoredTrack,
    Totals,
    Track,
    refuse_invalid,
    storable,
)
from kobza.library.stores.lock import writer_lock
from kobza.library.stores.milvus import collections
from kobza.library.stores.milvus.client import ConnectionParameters
from kobza.library.stores.milvus.collections import Collections, Row, batches, is_in
from kobza.library.stores.milvus.filter import to_expression
from kobza.library.stores.milvus.journal import NOT_JOURNAL, Journal, window_ids
from kobza.library.stores.milvus.rows import (
    MAX_TEXT_BYTES,
    TRACK_FIELDS,
    to_file_state,
    to_path,
    to_rows,
    to_track,
    track_id,
)

SCHEMA = 1
MAX_ATTEMPTS = 20  # to read a track that another process may be replacing
TRACKS_PER_BATCH = 500

Windows = tuple[list[float], np.ndarray]  # starts in seconds, vectors (n, dim)


class MilvusStore:
    """A `kobza.library.stores.base.Store` in Milvus. Threads may share it."""

    flush_interval_seconds = 5.0  # a write takes about half a second, of one track or of hundreds
    removed = None  # Milvus moves nothing between collections: a removal is final

    def __init__(self, address: MilvusAddress, read_only: bool = False):
        self.address = address
        self.parameters = ConnectionParameters.parse(address)
        self.read_only = read_only
        self.collections = Collections(self.parameters)
        self._journal = Journal(self.collections)
        if not read_only:
            self.collections.ensure("meta", 2)
            if "schema" not in self.meta:
                self.set_meta(schema=str(SCHEMA))
        elif not self.collections.exists("meta"):
            raise LibraryError(f"There is no library at {self.address} yet; create one with: kobza index FOLDER")
        if (written := int(self.meta.get("schema", SCHEMA))) > SCHEMA:
            raise LibraryError(
                f"The library {self.address} was written by a newer Kobza (schema {written}, this one supports up to "
                f"{SCHEMA}); upgrade Kobza."
            )

    @contextlib.contextmanager
    def writing(self, part: str = "") -> Iterator[None]:
        """Held by the one process of this machine that writes `part` (a shard, or all) of the library.

        Milvus has no locks, so writers on other machines are not excluded. That is safe: if two write the same track,
        it is that of one of them, complete.
        """
        if self.read_only:
            raise LibraryError(f"The library {self.address} was opened read-only; open it without read_only to write.")
        with writer_lock(cache_folder() / f"{track_id(repr((str(self.address), part)))}.lock", str(self.address)):
            self._journal.delete_orphans()
            yield
            self._journal.clear()

    @property
    def meta(self) -> dict[str, str]:
        rows = self.collections.rows("meta", NOT_JOURNAL, ["value"])
        parts = {row["id"]: row["value"] for row in rows}
        return {key: "".join(parts[part] for part in json.loads(ids)) for key, ids in parts.items() if "/" not in key}

    def set_meta(self, **values: str) -> None:
        """A long value (a list of thousands of files) takes several rows, which the row of its key lists in order."""
        rows: dict[str, str] = {}
        for key, value in values.items():
            parts = {f"{key}/{i}": "".join(part) for i, part in enumerate(batches(value, MAX_TEXT_BYTES // 4))}
            rows |= parts | {key: json.dumps(list(parts))}
        entries = [{"id": key, "value": value, "vector": [0.0, 0.0]} for key, value in rows.items()]
        self.collections.upsert("meta", entries)

    def upsert(self, track: Track, file_state: FileState, starts: list[float], vectors: np.ndarray) -> None:
        """Write a track and its windows, replacing what its path had before."""
        self.upsert_many([(track, file_state, starts, vectors)])

    def upsert_many(self, tracks: Iterable[StoredTrack]) -> None:
        """`upsert` all of them, which costs little more than one."""
        for some in batches(tracks, TRACKS_PER_BATCH):
            self._put({track_id(one[0].path): one for one in some})

    def _put(self, tracks: dict[str, StoredTrack]) -> None:
        stored = self.collections.rows("tracks", is_in("id", tracks), ["run", "windows", "added"])
        before = {row["id"]: row for row in stored}
        rows: list[Row] = []
        windows: list[Row] = []
        replaced = {row["run"]: row["windows"] for row in before.values()}
        dim = self.collections.dim() or next(iter(tracks.values()))[3].shape[1]
        for key, (track, file_state, starts, vectors) in tracks.items():
            refuse_invalid(track.path, starts, vectors, dim)
            track = storable(track)
            if track.added is None:
                track = replace(track, added=before[key]["added"] if key in before else time.time())
            row, its_windows = to_rows(track, file_state, starts, vectors, run=secrets.randbits(62))
            rows.append(row)
            windows += its_windows
        for kind in ("windows", "tracks"):
            self.collections.ensure(kind, dim)
        self._journal.record(replaced | {row["run"]: row["windows"] for row in rows})
        self.collections.insert("windows", windows)
        self.collections.upsert("tracks", rows)
        self.collections.delete("windows", window_ids(replaced))

    def move(self, path: str, new_path: str, mtime_ns: int) -> None:
        """Change the path (or only the modification time) of a recording whose content is the same."""
        for track, file_state, starts, vectors in self.scan(path):
            self.upsert(replace(track, path=new_path), file_state._replace(mtime_ns=mtime_ns), starts, vectors)
            if path != new_path:
                self.delete([path])

    def set_identities(self, identities: Mapping[str, tuple[int | None, int | None]]) -> None:
        """Does nothing: device and inode are of one machine, and a library in Milvus is of many."""

    def failures(self) -> dict[str, KnownFailure]:
        """The files that failed, by path."""
        rows = json.loads(self.meta.get("failures", "{}"))
        return {path_from_text(path): KnownFailure(*row) for path, row in rows.items()}

    def set_failures(self, failures: Mapping[str, KnownFailure | None]) -> None:
        """Keep the failures of these files, or with None forget them."""
        if failures:
            all_failures = {**self.failures(), **failures}
            kept = {path: failure for path, failure in all_failures.items() if failure is not None}
            self.set_meta(failures=json.dumps({path_to_text(path): failure for path, failure in kept.items()}))

    def delete(self, paths: Iterable[str]) -> int:
        """Delete these tracks; how many there were."""
        deleted = 0
        for some in batches(paths, TRACKS_PER_BATCH):
            rows = list(self.collections.rows("tracks", is_in("id", map(track_id, some)), ["run", "windows"]))
            runs = {row["run"]: row["windows"] for row in rows}
            if runs:
                self._journal.record(runs)
                self.collections.delete("tracks", [row["id"] for row in rows])
                self.collections.delete("windows", window_ids(runs))
            deleted += len(rows)
        return deleted

    def longer_than(self, seconds: float) -> list[str]:
        """The paths of the longer tracks."""
        return [to_path(row["path"]) for row in self.collections.rows("tracks", f"duration > {seconds}", ["path"])]

    def file_states(self) -> dict[str, FileState]:
        rows = self.collections.rows("tracks", fields=["path", "size", "mtime_ns", "hash"])
        return {to_path(row["path"]): to_file_state(row) for row in rows}

    def scan(self, path: str | None = None) -> Iterator[StoredTrack]:
        """Every track (or the one at `path`) with its windows, ordered by path."""
        condition = is_in("id", [track_id(path)]) if path is not None else ""
        stored = self.collections.rows("tracks", condition, ["path"])
        ids_by_path = {os.fsencode(to_path(row["path"])): row["id"] for row in stored}
        for some in batches([ids_by_path[key] for key in sorted(ids_by_path)], TRACKS_PER_BATCH // 2):
            rows = {row["id"]: row for row in self.collections.rows("tracks", is_in("id", some), TRACK_FIELDS)}
            windows = self._windows(rows.values())
            for key in some:
                row = rows.get(key)
                attempts = 1
                while row and row["run"] not in windows and attempts < MAX_ATTEMPTS:  # replaced between the two reads
                    row = next(self.collections.rows("tracks", is_in("id", [key]), TRACK_FIELDS), None)
                    windows |= self._windows([row] if row else [])
                    attempts += 1
                if row and row["run"] in windows:
                    yield to_track(row), to_file_state(row), *windows[row["run"]]

    def _windows(self, rows: Iterable[Row]) -> dict[int, Windows]:
        """The windows of each track whose windows are all there, by run."""
        counts = {row["run"]: row["windows"] for row in rows}
        found: dict[int, list[tuple[float, np.ndarray]]] = {}
        for some in batches(window_ids(counts), collections.ROWS_PER_REQUEST):
            for window in self.collections.rows("windows", is_in("id", some), ["run", "start", "vector"]):
                vector = np.asarray(window["vector"], np.float32)
                found.setdefault(window["run"], []).append((window["start"], vector))
        complete = {}
        for run, windows in found.items():
            if len(windows) == counts.get(run):
                windows.sort(key=lambda window: window[0])
                complete[run] = ([start for start, _ in windows], np.stack([vector for _, vector in windows]))
        return complete

    def search(
        self, vector: np.ndarray, k: int, where: Filter | None = None, by: Literal["track", "moment"] = "track"
    ) -> list[tuple[float, Track, float]]:
        """The k tracks nearest to `vector` (dim,) among those that pass the filter: see `Store.search`."""
        if k > collections.MAX_RESULTS:
            raise LibraryError(
                f"k is {k}; a library in Milvus returns at most {collections.MAX_RESULTS} tracks; choose a smaller k."
            )
        if not self.collections.exists("tracks"):
            return []
        query = np.ascontiguousarray(vector, np.float32)
        condition = to_expression(where) if where is not None else ""
        for _ in range(MAX_ATTEMPTS):  # until no hit was replaced by another process between the two reads
            best = self._best(by, query, k, condition)
            windows = self._windows(row for _, row in best)
            if all(row["run"] in windows for _, row in best):
                break
        hits = []
        for score, row in best:
            if row["run"] in windows:
                starts, vectors = windows[row["run"]]
                hits.append((score, to_track(row), starts[int(np.argmax(vectors @ query))]))
        return sorted(hits, key=lambda hit: (-hit[0], hit[1].path))  # a stable order of equal scores

    def _best(self, by: str, query: np.ndarray, k: int, condition: str) -> list[tuple[float, Row]]:
        """(cosine, row) of the k best tracks.

        By moment it searches again without the runs seen so far until there are k tracks: the nearest windows may all
        be of a few tracks, or of no visible one.
        """
        if by == "track":
            return self.collections.nearest("tracks", query, k, condition, TRACK_FIELDS)
        seen: list[int] = []
        best: dict[str, tuple[float, Row]] = {}
        wanted = min(4 * k, collections.MAX_RESULTS)
        while len(best) < k:
            unseen = f"(not ({is_in('run', seen)}))" if seen else ""
            conditions = " and ".join(part for part in (condition, unseen) if part)
            scores: dict[int, float] = {}
            for score, window in self.collections.nearest("windows", query, wanted, conditions, ["run"]):
                scores.setdefault(window["run"], score)
            if not scores:
                break
            rows = {row["run"]: row for row in self.collections.rows("tracks", is_in("run", scores), TRACK_FIELDS)}
            for run, score in scores.items():
                if run in rows:
                    best.setdefault(rows[run]["id"], (score, rows[run]))
            seen += scores
            wanted = min(4 * wanted, collections.MAX_RESULTS)
        return list(best.values())[:k]

    def __len__(self) -> int:
        return self.collections.count("tracks")

    def count(self) -> Totals:
        rows = list(self.collections.rows("tracks", fields=["windows", "duration"]))
        return Totals(len(rows), sum(row["windows"] for row in rows), sum(row["duration"] for row in rows))

    def optimize(self) -> None:
        """Does nothing: Milvus compacts and indexes on its own."""

    def close(self) -> None:
        self.collections.close()
