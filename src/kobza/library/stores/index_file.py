"""An index file: one block of the vector index on disk, opened quickly by mapping it into memory.

    track ids | starts | FAISS's serialized index | codes, serialized too | trailer (JSON) | its length, 8 bytes

It is derived from the database, which records the name of the current file. Its checksum and name are verified on
opening, so an incomplete file, or one of another database, is rejected.
"""

import json
import logging
import mmap
import secrets
import zlib
from pathlib import Path
from typing import Any

import numpy as np

from kobza.atomic import PARTIAL_SUFFIX, atomic_path
from kobza.audio import printable
from kobza.library.stores.vector_block import Block, new_codes, untyped_faiss
from kobza.library.stores.vector_index import VectorIndex

FORMAT = "kobza search file 2"
FORMAT_WITHOUT_CODES = "kobza search file 1"  # of versions before 0.3; read, and rewritten by the next run that writes
log = logging.getLogger("kobza")


class DamagedIndexFileError(ValueError):
    """An index file whose content is not what was written."""


def write(path: Path, block: Block, last_id: int) -> None:
    """Write `block`, which covers all tracks with ids up to `last_id`.

    Raises:
        OSError: it cannot be written; nothing is left behind.
    """
    checksum = 0
    length = 0

    def put(data: bytes) -> None:
        nonlocal checksum, length
        file.write(data)
        checksum = zlib.crc32(data, checksum)
        length += len(data)

    with atomic_path(path) as partial, open(partial, "wb") as file:
        put(block.track_ids.astype("<i8").tobytes())
        put(block.starts.astype("<f8").tobytes())
        untyped_faiss.write_index(block.index, untyped_faiss.PyCallbackIOWriter(put))
        trailer = {"magic": FORMAT, "name": path.name, "rows": len(block), "last": last_id, "codes": length}
        if block.lacks_codes:
            untyped_faiss.write_index(new_codes(block.index), untyped_faiss.PyCallbackIOWriter(put))
        trailer |= {"length": length, "crc32": checksum}
        end = json.dumps(trailer).encode()
        file.write(end + len(end).to_bytes(8, "little"))


def read(path: Path) -> tuple[Block, int]:
    """-> (the block, the highest track id that it covers).

    Raises:
        DamagedIndexFileError, OSError: it cannot be used.
    """
    try:
        with open(path, "rb") as file:
            # MAP_PRIVATE: some network and FUSE file systems support no shared mappings, and the file never changes.
            mapping = mmap.mmap(file.fileno(), 0, flags=mmap.MAP_PRIVATE, prot=mmap.PROT_READ)
        data = np.frombuffer(mapping, np.uint8)
        trailer_length = int.from_bytes(data[-8:].tobytes(), "little")
        trailer = json.loads(data[-8 - trailer_length : -8].tobytes())
        rows, length = trailer["rows"], trailer["length"]
        if length != len(data) - trailer_length - 8 or zlib.crc32(data[:length]) != trailer["crc32"]:
            raise ValueError("checksum mismatch")
        if trailer["magic"] not in (FORMAT, FORMAT_WITHOUT_CODES) or trailer["name"] != path.name:
            raise ValueError("it belongs to another library or version")
        # The FAISS index refers to the mapping without owning it; `track_ids` of the same block keeps it alive.
        index_end = length if trailer["magic"] == FORMAT_WITHOUT_CODES else trailer["codes"]
        index = _read_index(data[16 * rows : index_end])
        codes = _read_index(data[index_end:length]) if index_end < length else None
        track_ids = data[: 8 * rows].view("<i8")
        starts = data[8 * rows : 16 * rows].view("<f8")
        return Block(track_ids, starts, index, codes), trailer["last"]
    except (ValueError, KeyError, TypeError, RuntimeError) as error:
        raise DamagedIndexFileError(f"damaged: {error}") from error


def _read_index(data: np.ndarray) -> Any:
    return untyped_faiss.read_index(untyped_faiss.ZeroCopyIOReader(untyped_faiss.swig_ptr(data), len(data)))


def open_index(folder: Path, name: str | None, by: str) -> VectorIndex:
    """The index in the file `name`; an empty one if there is none, or it cannot be used, which is logged."""
    if name is not None:
        try:
            return VectorIndex(by, *read(folder / name))
        except (DamagedIndexFileError, OSError) as error:
            log.warning(
                "The index file %s cannot be used (%s). Nothing is lost: searches read the database, more slowly, "
                "until the next kobza sync rewrites the file.",
                printable(name),
                error,
            )
    return VectorIndex(by)


def write_index(folder: Path, index: VectorIndex) -> str | None:
    """Write an index that is all in memory; the file's name; None if it is empty or cannot be written (logged)."""
    name = f"search-{index.by}-{secrets.token_hex(8)}.index"
    if index.recent is None:
        return None
    try:
        write(folder / name, index.recent, index.last_id)
    except OSError as error:
        log.warning("The index file %s was not written (%s); the first search will be slower.", name, error)
        return None
    return name


def remove_old_files(folder: Path, by: str, current: str) -> None:
    """Delete all index files of this kind but the current one, and what killed processes left."""
    leftovers = folder.glob(f".search-{by}-*{PARTIAL_SUFFIX}")
    for old in (*folder.glob(f"search-{by}-*"), *leftovers):
        if old.name != current:
            old.unlink(missing_ok=True)  # processes that have it mapped can go on reading it
