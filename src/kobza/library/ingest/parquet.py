"""Exporting a library with its vectors to a Parquet file, and importing it: for backups, moves and other tools.

A row is a track; `starts` and `vectors` are lists over its windows. The metadata names the model of the vectors.
"""

import json
import os
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any, get_args, get_type_hints

import numpy as np

from kobza.atomic import atomic_path
from kobza.audio import printable
from kobza.extras import needs
from kobza.library import arithmetic
from kobza.library.paths import merge_paths_json
from kobza.library.records import FileState, LibraryError, StoredTrack, Track
from kobza.library.stores.base import Store
from kobza.library.stores.rows import TRACK_COLUMNS

EMBEDDER_KEYS = ("fingerprint", "model", "dim", "windows", "arithmetic")  # what a library's meta says about its vectors
TRACKS_PER_BATCH = 500
FILE_COLUMNS = ("size", "mtime_ns", "hash", "audio_hash")  # of a file's state; device and inode are of one machine
TRACK_COLUMNS_0_2 = {"path", "title", "artist", "album", "genre", "year", "duration", "added"}
REQUIRED_COLUMNS = TRACK_COLUMNS_0_2 | {"size", "mtime_ns", "hash", "starts", "vectors"}


def _pyarrow() -> Any:
    with needs("A Parquet file", "parquet"):
        import pyarrow
        import pyarrow.parquet
    return pyarrow


def _schemas(pa: Any) -> tuple[Any, Any]:
    """-> (the schema without the windows' columns, the schema of the file)"""
    types = {str: pa.string(), int: pa.int64(), float: pa.float64()}
    hints = get_type_hints(Track)
    columns = {name: types[(get_args(hints[name]) or (hints[name],))[0]] for name in TRACK_COLUMNS}  # int of int | None
    file_states = {"size": pa.int64(), "mtime_ns": pa.int64(), "hash": pa.binary(), "audio_hash": pa.binary()}
    plain = list((columns | file_states | {"path": pa.binary()}).items())  # binary: not every path is UTF-8
    windows = [("starts", pa.list_(pa.float64())), ("vectors", pa.list_(pa.list_(pa.float16())))]
    return pa.schema(plain), pa.schema(plain + windows)


def _has_columns(pa: Any, schema: Any) -> bool:
    """Whether a file's columns are ours, or those that Kobza 0.2 and before wrote."""
    expected = _schemas(pa)[1]
    if not REQUIRED_COLUMNS <= set(schema.names) <= set(expected.names):
        return False
    pairs = [(field.type, expected.field(field.name).type) for field in schema]
    return all(a == b or (pa.types.is_integer(a) and pa.types.is_integer(b)) for a, b in pairs)


def export_library(store: Store, file: Path) -> int:
    """Write all tracks of `store` to `file`, which must not exist; how many.

    Raises:
        LibraryError: the file exists, or pyarrow is not installed.
    """
    pa = _pyarrow()
    if file.exists():
        raise LibraryError(f"{printable(file)} exists already; name another file, or delete it.")
    meta = {key: value for key, value in store.meta.items() if key in (*EMBEDDER_KEYS, "folders")}
    schema = _schemas(pa)[1].with_metadata({"kobza": json.dumps(meta)})
    tracks = store.scan()
    written = 0
    with atomic_path(file) as partial, pa.parquet.ParquetWriter(partial, schema, compression="zstd") as writer:
        while rows := list(islice(tracks, TRACKS_PER_BATCH)):
            writer.write_table(_table(pa, rows).cast(schema))
            written += len(rows)
    return written


def _table(pa: Any, rows: list[StoredTrack]) -> Any:
    tracks, file_states, starts, vectors = zip(*rows, strict=True)
    plain = [
        vars(track) | {"path": os.fsencode(track.path)} | {name: getattr(file_state, name) for name in FILE_COLUMNS}
        for track, file_state in zip(tracks, file_states, strict=True)
    ]
    numbers = np.concatenate(vectors).astype(np.float16)
    ends = np.arange(0, numbers.size + 1, numbers.shape[1], dtype=np.int32)
    windows = pa.ListArray.from_arrays(ends, pa.array(numbers.ravel()))
    counts = np.cumsum([0, *map(len, starts)], dtype=np.int32)
    table = pa.Table.from_pylist(plain, _schemas(pa)[0]).append_column("starts", pa.array(list(starts)))
    return table.append_column("vectors", pa.ListArray.from_arrays(counts, windows))


def import_library(store: Store, file: Path) -> int:
    """Write all tracks of an exported `file` into `store`, replacing what their paths had; how many.

    Raises:
        LibraryError: it is not such a file, or its vectors are of another model than the library's.
    """
    pa = _pyarrow()
    try:
        table = pa.parquet.ParquetFile(file)
        meta = json.loads((table.schema_arrow.metadata or {}).get(b"kobza", b"null"))
        if meta is None or not _has_columns(pa, table.schema_arrow):
            raise ValueError("its columns differ")
    except (pa.ArrowException, ValueError) as error:
        raise LibraryError(
            f"{printable(file)} is not a library exported by Kobza ({error}); export one with: "
            "kobza library export FILE"
        ) from error
    with store.writing():
        present = store.meta
        if len(store) and present.get("fingerprint") != meta.get("fingerprint"):
            raise LibraryError(
                f"{printable(file)} was made with {meta.get('model')} (fingerprint {meta.get('fingerprint')}), the "
                f"library with {present.get('model')} ({present.get('fingerprint')}); name a new one with --library."
            )
        folders = merge_paths_json(present.get("folders", "[]"), meta.get("folders", "[]"))
        note = arithmetic.joined(arithmetic.noted(meta), arithmetic.noted(present) if len(store) else "")
        described = {key: meta[key] for key in EMBEDDER_KEYS if key in meta} | {arithmetic.KEY: note}
        store.set_meta(**described, folders=folders)
        tracks = _tracks(table, file)
        read = 0
        while some := list(islice(tracks, TRACKS_PER_BATCH)):
            store.upsert_many(some)
            read += len(some)
        store.optimize()
    return read


def _tracks(table: Any, file: Path) -> Iterator[StoredTrack]:
    try:
        for batch in table.iter_batches(TRACKS_PER_BATCH):
            numbers = batch["vectors"].flatten().flatten().to_numpy(zero_copy_only=False)
            ends = np.cumsum([len(starts) for starts in batch["starts"]])[:-1]
            vectors = np.split(numbers.reshape(len(batch["starts"].flatten()), -1), ends)
            for row, own in zip(batch.drop_columns(["vectors"]).to_pylist(), vectors, strict=True):
                file_state = FileState(**{name: row.pop(name) for name in FILE_COLUMNS if name in row})
                starts = row.pop("starts")
                yield Track(**row | {"path": os.fsdecode(row["path"])}), file_state, starts, own.astype(np.float32)
    except (OSError, TypeError, ValueError) as error:
        raise LibraryError(f"{printable(file)} is damaged ({error}); export the library again.") from error
