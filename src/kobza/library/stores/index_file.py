"""A search file: one block of the vector index on the disc, opened in a moment by mapping it into memory.

    owners | starts | FAISS's own bytes | trailer (JSON) | length of the trailer, 8 bytes

It is derived from the database, and named by its generation, which the database publishes: a file that is not whole,
or not of this database, is never taken for one that is.
"""

import json
import mmap
import zlib
from pathlib import Path

import faiss
import numpy as np

from kobza.atomic import atomic_path
from kobza.library.stores.vector_index import Block

MAGIC = "kobza search file 1"


class DamagedIndexFileError(ValueError):
    """A search file that is not what was written."""


def write(path: Path, block: Block, last: int) -> None:
    """`last`: the highest track id that the block knows of. OSError: it cannot be written; nothing is left behind."""
    checksum = length = 0

    def put(data) -> None:
        nonlocal checksum, length
        file.write(data)
        checksum, length = zlib.crc32(data, checksum), length + len(data)

    with atomic_path(path) as part, open(part, "wb") as file:
        put(block.owners.astype("<i8").tobytes())
        put(block.starts.astype("<f8").tobytes())
        faiss.write_index(block.index, faiss.PyCallbackIOWriter(put))
        trailer = {"magic": MAGIC, "name": path.name, "rows": len(block.owners), "last": last}
        trailer |= {"length": length, "crc32": checksum}
        end = json.dumps(trailer).encode()
        file.write(end + len(end).to_bytes(8, "little"))


def read(path: Path) -> tuple[Block, int]:
    """-> (the block, the highest track id that it knows of). DamagedIndexFileError, OSError: it cannot be used."""
    try:
        with open(path, "rb") as file:
            # Private: some network and FUSE file systems map nothing that is shared, and the file never changes.
            mapping = mmap.mmap(file.fileno(), 0, flags=mmap.MAP_PRIVATE, prot=mmap.PROT_READ)
        data = np.frombuffer(mapping, np.uint8)
        end = int.from_bytes(data[-8:].tobytes(), "little")
        trailer = json.loads(data[-8 - end : -8].tobytes())
        rows, length = trailer["rows"], trailer["length"]
        whole = length == len(data) - end - 8 and zlib.crc32(data[:length]) == trailer["crc32"]
        if not whole or (trailer["magic"], trailer["name"]) != (MAGIC, path.name):
            raise ValueError("its bytes are others")
        # FAISS looks into the mapping itself, which `owners` of the same block keeps alive.
        body = data[16 * rows : length]
        index = faiss.read_index(faiss.ZeroCopyIOReader(faiss.swig_ptr(body), len(body)))
        owners, starts = data[: 8 * rows].view("<i8"), data[8 * rows : 16 * rows].view("<f8")
        return Block(owners, starts, index), trailer["last"]
    except (ValueError, KeyError, TypeError, RuntimeError) as error:
        raise DamagedIndexFileError(f"{path} is not as it was written ({error})") from error
