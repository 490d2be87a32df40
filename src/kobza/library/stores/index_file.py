"""An index file: one block of the vector index on disk, opened quickly by mapping it into memory.

    track ids | first rows | rotation | vectors | codes | their scales | trailer (JSON) | its length, 8 bytes

each at a multiple of 64 bytes. It is derived from the database, which records the name of the current file. Its
checksum and name are verified on opening, so an incomplete file, or one of another database, is rejected.
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
from kobza.library.stores.vector_block import Block
from kobza.library.stores.vector_codes import VALUES_PER_SCALE, Codes, encode_in_steps, random_rotation
from kobza.library.stores.vector_index import VectorIndex

FORMAT = "kobza search file 3"
# Of versions before 0.3: ids and starts of all rows, then a FAISS index. Rewritten by the next run that writes.
FORMAT_OF_FAISS = "kobza search file 1"
FAISS_KIND = b"IxSQ"  # IndexScalarQuantizer; then come the dimension (int32), other settings, and last the vectors
ALIGNMENT = 64
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

    def put(data: np.ndarray) -> None:
        nonlocal checksum, length
        content = np.ascontiguousarray(data).data.cast("B")
        file.write(content)
        checksum = zlib.crc32(content, checksum)
        length += len(content)

    def align() -> None:
        put(np.zeros(-length % ALIGNMENT, np.uint8))

    rotation = random_rotation(block.halves.shape[1])
    scales = []
    with atomic_path(path) as partial, open(partial, "wb") as file:
        for part in (
            block.track_ids.astype("<i8"),
            block.first_rows.astype("<i8"),
            rotation.astype("<f4"),
            block.halves,
        ):
            put(part)
            align()
        for codes, their_scales in encode_in_steps(rotation, block.halves):
            put(codes)
            scales.append(their_scales)
        align()
        put(np.concatenate(scales).astype("<f4"))
        shape = {"tracks": len(block.track_ids), "rows": len(block), "dim": len(rotation), "width": rotation.shape[1]}
        trailer = {"magic": FORMAT, "name": path.name, "last": last_id, **shape, "length": length}
        end = json.dumps(trailer | {"crc32": _checksum_with(trailer, checksum)}).encode()
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
        content, expected = data[: trailer["length"]], trailer.pop("crc32")
        checksum = zlib.crc32(content)
        if trailer["magic"] == FORMAT:  # older trailers have no checksum
            checksum = _checksum_with(trailer, checksum)
        if len(content) != len(data) - trailer_length - 8 or checksum != expected:
            raise ValueError("checksum mismatch")
        if trailer["magic"] not in (FORMAT, FORMAT_OF_FAISS) or trailer["name"] != path.name:
            raise ValueError("it belongs to another library or version")
        block = _read_block(content, trailer) if trailer["magic"] == FORMAT else _read_faiss(content, trailer["rows"])
        return block, trailer["last"]
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise DamagedIndexFileError(f"damaged: {error}") from error


def _checksum_with(trailer: dict[str, Any], checksum: int) -> int:
    """The checksum of the content that has `checksum`, followed by the trailer."""
    return zlib.crc32(json.dumps(trailer).encode(), checksum)


def _read_block(content: np.ndarray, trailer: dict[str, Any]) -> Block:
    tracks, rows, dim, width = (trailer[name] for name in ("tracks", "rows", "dim", "width"))
    parts: list[np.ndarray] = []
    end = 0
    for kind, *shape in (
        ("<i8", tracks),
        ("<i8", tracks + 1),
        ("<f4", dim, width),
        ("<f2", rows, dim),
        ("u1", rows, width // 2),
        ("<f4", rows, width // VALUES_PER_SCALE),
    ):
        first = end + -end % ALIGNMENT
        end = first + np.dtype(kind).itemsize * int(np.prod(shape))
        parts.append(content[first:end].view(kind).reshape(shape))
    track_ids, first_rows, rotation, halves, codes, scales = parts
    return Block(track_ids, first_rows, halves, Codes(rotation, codes, scales), is_mapped=True)


def _read_faiss(content: np.ndarray, rows: int) -> Block:
    """The block in a file of a version before 0.3."""
    row_ids = content[: 8 * rows].view("<i8")
    index = content[16 * rows :]
    if index[:4].tobytes() != FAISS_KIND:
        raise ValueError("it holds another kind of index")
    dim = int(index[4:8].view("<i4")[0])
    unaligned = content[len(content) - 2 * dim * rows :]  # at an odd address: NumPy takes 100 times as long to read it
    halves = unaligned.copy().view("<f2").reshape(rows, dim)
    track_ids, first_rows = np.unique(row_ids, return_index=True)
    return Block(track_ids, np.append(first_rows, rows), halves, is_mapped=True)


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
