"""The search indexes of a library in SQLite: opened when first needed, and kept up to date with the database."""

import os
from typing import TYPE_CHECKING

import numpy as np

from kobza.library.filters.tree import Filter, to_sql

if TYPE_CHECKING:
    from kobza.library.stores.sqlite import SQLiteStore
    from kobza.library.stores.vector_index import VectorIndex

MIN_ROWS_FOR_INDEX_FILE = 200_000  # fewer are read from the database in a second or two
MAX_STALE_FRACTION = 0.25  # an index file with more deleted or missing rows is rewritten


class SearchIndexes:
    """The indexes of the tracks' vectors ("track") and of the windows' ("moment")."""

    def __init__(self, store: "SQLiteStore"):
        self._store = store
        self._indexes: dict[str, VectorIndex] = {}
        self._versions: dict[str, object] = {}  # of the database, that they are up to date with
        # Results with the version of the database, and the request, that they are of
        self._filtered: tuple[object, np.ndarray] | None = None
        self._sample: tuple[object, np.ndarray] | None = None

    def matching(self, where: Filter) -> np.ndarray:
        """(ids,) bool: whether the track of each id passes, up to the highest id that does. Cached: users change the
        query more often than the filter."""
        version = (self._store.version(), where)
        if self._filtered is None or self._filtered[0] != version:
            condition, values = to_sql(where)
            # As one text: 40,000 rows as Python's objects take 10 ms, which is more than the search
            ((text,),) = self._store._query(f"SELECT group_concat(id, ' ') FROM tracks WHERE {condition}", values)
            ids = np.fromstring(text or "", np.int64, sep=" ")
            passing = np.zeros(1 + int(np.max(ids)) if len(ids) else 0, bool)
            passing[ids] = True
            self._filtered = version, passing
        return self._filtered[1]

    def current(self, by: str) -> "VectorIndex":
        """The index of the tracks' or the windows' vectors, up to date with the database."""
        version = self._store.version()
        if self._versions.get(by) != version:
            if by not in self._indexes:
                self._indexes[by] = self._open_index(by)
            self._indexes[by].refresh(self._store._db)
            self._versions[by] = version
        return self._indexes[by]

    def file_names(self) -> dict[str, str]:
        """The names of the current index files, by kind."""
        return dict(self._store._query("SELECT kind, name FROM search_files"))

    def _open_index(self, by: str) -> "VectorIndex":
        from kobza.library.stores import index_file  # imported here: only a search needs it

        return index_file.open_index(self._store.folder, self.file_names().get(by), by)

    def update_file(self, by: str) -> None:
        """Rewrite the index file if it is missing though worthwhile, or too much of it is out of date."""
        from kobza.library.stores import index_file
        from kobza.library.stores.vector_index import VectorIndex

        with self._store._transaction("DEFERRED"):
            index = self.current(by)
            rows = sum(map(len, index.blocks))
            stale = index.mapped is None or index.mapped.lacks_codes or index.stale_rows > MAX_STALE_FRACTION * rows
            if rows < MIN_ROWS_FOR_INDEX_FILE or not stale:
                return
            index = VectorIndex(by)
            index.refresh(self._store._db)
        name = index_file.write_index(self._store.folder, index)
        if name is None:
            return
        with self._store._transaction():
            self._store._db.execute("INSERT OR REPLACE INTO search_files VALUES (?, ?)", (by, name))
        index_file.remove_old_files(self._store.folder, by, name)
        del self._indexes[by], self._versions[by]

    def sample(self, n: int) -> np.ndarray:
        """(about n, dim) vectors of tracks that stand for all: see `Store.sample`."""
        version = (self._store.version(), n)
        if self._sample is None or self._sample[0] != version:
            with self._store._transaction("DEFERRED"):
                self._sample = version, self.current("track").sample(n)
        return self._sample[1]

    def track_vectors(self) -> tuple[list[str], np.ndarray]:
        """The paths of all tracks, and their vectors (n, dim) float32."""
        with self._store._transaction("DEFERRED"):
            track_ids, vectors = self.current("track").rows()
            paths = dict(self._store._query("SELECT id, path FROM tracks"))
        return [os.fsdecode(paths[track_id]) for track_id in track_ids.tolist()], vectors
