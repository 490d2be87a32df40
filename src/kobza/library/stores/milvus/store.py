"""A library in a Milvus database, for collections that outgrow one machine.

Three collections: NAME_tracks (one row per track, with its mean vector), NAME_windows (one row per window) and
NAME_meta. Milvus has no transactions, so atomic writes per track come from their order: a row of NAME_tracks names the
`run` of windows that belong to it, and is written after them, in one step; the windows of its previous run are deleted
last. Windows that no row names are invisible, and a journal in NAME_meta lists those that a killed process may leave.

Results are exact unless the library was made with an approximate index (`indexes`). Opening a store sees everything
written before; later, a store that does not write itself may see other processes' writes some seconds late
(`collections`).
"""

import contextlib
import secrets
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Literal

import numpy as np

from kobza.library.address import MilvusAddress
from kobza.library.filters.tree import Filter
from kobza.library.records import (
    Adjustments,
    FileState,
    KnownFailure,
    LibraryError,
    StoredTrack,
    Totals,
    Track,
    WordMatch,
)
from kobza.library.stores.milvus.client import ConnectionParameters
from kobza.library.stores.milvus.collections import Collections, Row, batches, is_in
from kobza.library.stores.milvus.held_leases import HeldLeases
from kobza.library.stores.milvus.journal import Journal, window_ids
from kobza.library.stores.milvus.meta import (
    Layout,
    check_index,
    failures_from_json,
    failures_to_json,
    read_meta,
    stored_layout,
    write_meta,
)
from kobza.library.stores.milvus.reader import Reader
from kobza.library.stores.milvus.rows import (
    SCHEMA,
    to_file_state,
    to_path,
    to_rows,
    track_id,
)
from kobza.library.stores.validation import refuse_invalid, refuse_read_only, storable

TRACKS_PER_BATCH = 500


class MilvusStore:
    """A `kobza.library.stores.base.Store` in Milvus. Threads may share it."""

    has_words = False  # its servers have no full-text search before 2.5
    flush_interval_seconds = 5.0  # a write takes about half a second, of one track or of hundreds
    removed = None  # Milvus moves nothing between collections: a removal is final

    def __init__(self, address: MilvusAddress, read_only: bool = False):
        self.address = address
        self.parameters = ConnectionParameters.parse(address)
        self.read_only = read_only
        self.collections = Collections(self.parameters)
        self._reader = Reader(self.collections)
        token = secrets.token_hex(8)
        self._journal = Journal(self.collections, token)
        self._leases = HeldLeases(self.collections, self.parameters.library, str(address), token)
        self._schema = SCHEMA
        if not read_only:
            self.collections.ensure("meta", 2)
        elif not self.collections.exists("meta"):
            raise LibraryError(f"There is no library at {self.address} yet; create one with: kobza index FOLDER")
        self._check_layout()

    def _check_layout(self) -> None:
        """The layout is that of the library; that of an empty one is chosen here."""
        meta = self.meta
        layout = stored_layout(meta, self.address)
        if not self.read_only and ("schema" not in meta or not self.collections.exists("tracks")):
            layout = Layout(SCHEMA, self.parameters.index_name or layout.index_name)
            self.set_meta(schema=str(layout.schema), index=layout.index_name)
        check_index(self.parameters.index_name, layout.index_name, self.address)
        self._schema, self.collections.index = layout

    def _refuse_to_write(self) -> None:
        refuse_read_only(self.read_only, self.address)
        if self._schema < SCHEMA:
            raise LibraryError(
                f"The library {self.address} was written by an older Kobza, whose collections have no columns for "
                "today's tags: it can be read, but not written; copy it, which embeds nothing again: "
                "kobza library copy OLD_ADDRESS NEW_ADDRESS"
            )
        self._leases.check()

    @contextlib.contextmanager
    def writing(self, part: str = "") -> Iterator[None]:
        """Held by the one process that writes `part` ("i/n", a shard, or "", all) of the library, see `lease`."""
        self._refuse_to_write()
        with self._leases.held(part) as lease:
            self._journal.delete_orphans(lease.dead_here)
            yield
            self._journal.clear()

    @property
    def meta(self) -> dict[str, str]:
        return read_meta(self.collections)

    def set_meta(self, **values: str) -> None:
        self._refuse_to_write()
        write_meta(self.collections, values)

    def upsert(self, track: Track, file_state: FileState, starts: list[float], vectors: np.ndarray) -> None:
        """Write a track and its windows, replacing what its path had before."""
        self.upsert_many([(track, file_state, starts, vectors)])

    def upsert_many(self, tracks: Iterable[StoredTrack]) -> None:
        """`upsert` all of them, which costs little more than one."""
        self._refuse_to_write()
        for some in batches(tracks, TRACKS_PER_BATCH):
            self._put({track_id(one[0].path): one for one in some})

    def _put(self, tracks: dict[str, StoredTrack]) -> None:
        stored = self.collections.rows("tracks", is_in("id", tracks), ["run", "windows", "added"], latest=True)
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
        self._refuse_to_write()  # if this process was asleep since
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
        return failures_from_json(self.meta.get("failures", "{}"))

    def set_failures(self, failures: Mapping[str, KnownFailure | None]) -> None:
        """Keep the failures of these files, or with None forget them."""
        if failures:
            self.set_meta(failures=failures_to_json({**self.failures(), **failures}))

    def retag(self, track: Track, file_state: FileState) -> None:
        """Replace what is known of a track and of its file; its windows stay."""
        for _, _, starts, vectors in self.scan(track.path):
            self.upsert(track, file_state, starts, vectors)

    def delete(self, paths: Iterable[str]) -> int:
        """Delete these tracks; how many there were."""
        deleted = 0
        for some in batches(paths, TRACKS_PER_BATCH):
            self._refuse_to_write()
            ids = is_in("id", map(track_id, some))
            rows = list(self.collections.rows("tracks", ids, ["run", "windows"], latest=True))
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

    def select(self, where: Filter | None = None, limit: int | None = None) -> list[Track]:
        """The (first) tracks that pass the filter, ordered by path."""
        return self._reader.select(where, self._schema)[:limit]

    def scan(self, paths: str | Sequence[str] | None = None) -> Iterator[StoredTrack]:
        """Every track (or those at `paths`) with its windows, ordered by path."""
        return self._reader.scan(paths)

    def match_words(self, words: Sequence[str]) -> list[WordMatch]:
        raise LibraryError(
            f"The library {self.address} is in Milvus, where tags cannot be searched; search by the sound (--match "
            "sound), and narrow it with a filter such as --where \"artist = 'Nina Simone'\"."
        )

    def tracks_with_words(self, words: Sequence[str]) -> list[Track]:
        return self.select()  # all tracks: the caller looks which have them

    def sample(self, n: int) -> np.ndarray:
        """(up to n, dim) vectors of tracks that stand for all: the first that the server returns."""
        return self._reader.sample(n)

    def track_vectors(self) -> tuple[list[str], np.ndarray]:
        return self._reader.track_vectors()

    def search(
        self,
        vector: np.ndarray,
        k: int,
        where: Filter | None = None,
        by: Literal["track", "moment"] = "track",
        adjustments: Adjustments | None = None,
    ) -> list[tuple[float, Track, float]]:
        """The k tracks nearest to `vector` (dim,) among those that pass the filter: see `Store.search`."""
        return self._reader.search(np.ascontiguousarray(vector, np.float32), k, where, by, self._schema)

    def __len__(self) -> int:
        return self.collections.count("tracks")

    def count(self) -> Totals:
        rows = list(self.collections.rows("tracks", fields=["windows", "duration"]))
        return Totals(len(rows), sum(row["windows"] for row in rows), sum(row["duration"] for row in rows))

    def version(self) -> object:
        """Changes when tracks come or go; one that is replaced by as many does not change it."""
        return len(self)

    def optimize(self) -> None:
        """Does nothing: Milvus compacts and indexes on its own."""

    def close(self) -> None:
        self.collections.close()
