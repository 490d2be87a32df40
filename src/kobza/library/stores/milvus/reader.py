"""Reading a library in Milvus: its tracks with their windows, and searches."""

import os
from collections.abc import Iterable, Iterator, Sequence

import numpy as np

from kobza.library.filters.tree import Filter, matches
from kobza.library.records import LibraryError, StoredTrack, Track
from kobza.library.stores.milvus import collections
from kobza.library.stores.milvus.collections import Collections, Row, batches, is_in
from kobza.library.stores.milvus.filter import is_exact, to_expression
from kobza.library.stores.milvus.journal import window_ids
from kobza.library.stores.milvus.rows import TRACK_FIELDS, to_file_state, to_path, to_track, track_id

MAX_ATTEMPTS = 20  # to read a track that another process may be replacing
TRACKS_PER_BATCH = 250

Windows = tuple[list[float], np.ndarray]  # starts in seconds, vectors (n, dim)


class Reader:
    """Reads tracks as wholes, whatever is being written: again and strongly, if one was replaced between two reads."""

    def __init__(self, collections: Collections):
        self._collections = collections

    def scan(self, paths: str | Sequence[str] | None = None) -> Iterator[StoredTrack]:
        """Every track (or those at `paths`) with its windows, ordered by path."""
        if paths is not None:
            wanted = [paths] if isinstance(paths, str) else sorted(set(paths), key=os.fsencode)
            ids = [track_id(path) for path in wanted]
        else:
            stored = self._collections.rows("tracks", fields=["path"])
            ids_by_path = {os.fsencode(to_path(row["path"])): row["id"] for row in stored}
            ids = [ids_by_path[key] for key in sorted(ids_by_path)]
        for some in batches(ids, TRACKS_PER_BATCH):
            rows = {row["id"]: row for row in self._collections.rows("tracks", is_in("id", some), TRACK_FIELDS)}
            windows = self._windows(rows.values())
            for key in some:
                row = rows.get(key)
                attempts = 1
                while row and row["run"] not in windows and attempts < MAX_ATTEMPTS:  # replaced between the two reads
                    row = next(self._collections.rows("tracks", is_in("id", [key]), TRACK_FIELDS, latest=True), None)
                    windows |= self._windows([row] if row else [], latest=True)
                    attempts += 1
                if row and row["run"] in windows:
                    yield to_track(row), to_file_state(row), *windows[row["run"]]

    def select(self, where: Filter | None, schema: int) -> list[Track]:
        """The tracks that pass the filter, ordered by path."""
        condition = to_expression(where, schema) if where is not None else ""
        tracks = map(to_track, self._collections.rows("tracks", condition, TRACK_FIELDS))
        passing = [track for track in tracks if where is None or matches(where, track)]
        return sorted(passing, key=lambda track: os.fsencode(track.path))

    def sample(self, n: int) -> np.ndarray:
        """(up to n, dim) vectors of tracks: the first that the server returns."""
        if not self._collections.exists("tracks"):
            return np.zeros((0, 0), np.float32)
        rows = self._collections.client.query(self._collections.name("tracks"), "", ["vector"], limit=n)
        return np.array([row["vector"] for row in rows], np.float32)

    def track_vectors(self) -> tuple[list[str], np.ndarray]:
        """The paths of all tracks, and their vectors (n, dim) float32."""
        rows = list(self._collections.rows("tracks", fields=["path", "vector"]))
        vectors = np.array([row["vector"] for row in rows], np.float32)
        return [to_path(row["path"]) for row in rows], vectors if rows else np.zeros((0, 0), np.float32)

    def _windows(self, rows: Iterable[Row], latest: bool = False) -> dict[int, Windows]:
        """The windows of each track whose windows are all there, by run."""
        counts = {row["run"]: row["windows"] for row in rows}
        found: dict[int, list[tuple[float, np.ndarray]]] = {}
        for some in batches(window_ids(counts), collections.ROWS_PER_REQUEST):
            for window in self._collections.rows("windows", is_in("id", some), ["run", "start", "vector"], latest):
                vector = np.asarray(window["vector"], np.float32)
                found.setdefault(window["run"], []).append((window["start"], vector))
        complete = {}
        for run, windows in found.items():
            if len(windows) == counts.get(run):
                windows.sort(key=lambda window: window[0])
                complete[run] = ([start for start, _ in windows], np.stack([vector for _, vector in windows]))
        return complete

    def search(
        self, query: np.ndarray, k: int, where: Filter | None, by: str, schema: int
    ) -> list[tuple[float, Track, float]]:
        """See `kobza.library.stores.base.Store.search`."""
        if k > collections.MAX_RESULTS:
            raise LibraryError(
                f"k is {k}; a library in Milvus returns at most {collections.MAX_RESULTS} tracks; choose a smaller k."
            )
        if not self._collections.exists("tracks"):
            return []
        condition = to_expression(where, schema) if where is not None else ""
        inexact = where if where is not None and not is_exact(where, schema) else None
        for attempt in range(MAX_ATTEMPTS):  # until no hit was replaced by another process between the reads
            best = self._best(by, query, k, condition, inexact, latest=attempt > 0)
            windows = self._windows((row for _, row in best), latest=attempt > 0)
            if all(row["run"] in windows for _, row in best):
                break
        hits = []
        for score, row in best:
            if row["run"] in windows:
                starts, vectors = windows[row["run"]]
                hits.append((score, to_track(row), starts[int(np.argmax(vectors @ query))]))
        return sorted(hits, key=lambda hit: (-hit[0], hit[1].path))  # a stable order of equal scores

    def _best(
        self, by: str, query: np.ndarray, k: int, condition: str, where: Filter | None, latest: bool
    ) -> list[tuple[float, Row]]:
        """(cosine, row) of the k best tracks that match the condition and pass the filter, best first.

        Where rows have to be looked at (windows may all be of a few tracks, or of no visible one; tracks may not pass),
        it searches again without the runs seen so far until there are k tracks.
        """
        seen: list[int] = []
        best: dict[str, tuple[float, Row]] = {}
        all_count = by == "track" and where is None
        wanted = k if all_count else min(4 * k, collections.MAX_RESULTS)
        while len(best) < k:
            unseen = f"(not ({is_in('run', seen)}))" if seen else ""
            conditions = " and ".join(part for part in (condition, unseen) if part)
            nearest = self._nearest(by, query, wanted, conditions, latest)
            if None in nearest.values() and not latest:  # a track was replaced, or this is a late view of it
                return self._best(by, query, k, condition, where, latest=True)
            for score, row in filter(None, nearest.values()):
                if where is None or matches(where, to_track(row)):
                    best.setdefault(row["path"], (score, row))
            if all_count or not nearest:
                break
            seen += nearest
            if where is not None and len(seen) >= collections.MAX_RESULTS and len(best) < k:  # few pass: which?
                rows = self._collections.rows("tracks", condition, TRACK_FIELDS, latest)
                passing = [row["run"] for row in rows if matches(where, to_track(row))]
                return self._best(by, query, k, is_in("run", passing), None, latest) if passing else []
            wanted = min(4 * wanted, collections.MAX_RESULTS)
        return list(best.values())[:k]

    def _nearest(
        self, by: str, query: np.ndarray, n: int, condition: str, latest: bool
    ) -> dict[int, tuple[float, Row] | None]:
        """The tracks of the n nearest rows, best first, by run: (cosine, row), or None where there is no track."""
        if by == "track":
            found = self._collections.nearest("tracks", query, n, condition, TRACK_FIELDS, latest)
            return {row["run"]: (score, row) for score, row in found}
        scores: dict[int, float] = {}
        for score, window in self._collections.nearest("windows", query, n, condition, ["run"], latest):
            scores.setdefault(window["run"], score)
        tracks = self._collections.rows("tracks", is_in("run", scores), TRACK_FIELDS, latest) if scores else ()
        rows = {row["run"]: row for row in tracks}
        return {run: (score, rows[run]) if run in rows else None for run, score in scores.items()}
