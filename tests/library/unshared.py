"""Processes on a file system whose files cannot be mapped shared, so that SQLite cannot have a WAL there.

python unshared.py {use, read, write} FOLDER
"""

import ctypes
import os
import platform
import struct
import sys
import time

from store_contract import fill

from kobza.library import open_store
from kobza.library.stores import connection
from kobza.library.stores.integrity import check


def refuse_shared_mappings() -> None:
    """For a child: what the kernel answers on file systems whose files cannot be mapped shared (FUSE's direct_io, some
    of the network's), for every file: ENODEV, by seccomp."""
    mmap, enodev = {"x86_64": 9, "aarch64": 222}[platform.machine()], 19
    load, equal, mask, answer = 0x20, 0x15, 0x54, 0x06
    program = [
        (load, 0, 0, 0),  # the system call's number
        (equal, 0, 4, mmap),
        (load, 0, 0, 16 + 3 * 8),  # its flags
        (mask, 0, 0, 0x21),  # MAP_SHARED, MAP_ANONYMOUS
        (equal, 0, 1, 0x01),
        (answer, 0, 0, 0x00050000 | enodev),
        (answer, 0, 0, 0x7FFF0000),  # allowed
    ]
    code = ctypes.create_string_buffer(b"".join(struct.pack("HBBI", *step) for step in program))
    filters = struct.pack("HxxxxxxP", len(program), ctypes.addressof(code))
    libc = ctypes.CDLL(None, use_errno=True)
    assert libc.prctl(38, 1, 0, 0, 0) == 0 and libc.prctl(22, 2, filters) == 0, os.strerror(ctypes.get_errno())


def use(folder) -> None:
    """A writer and a reader side by side."""
    if folder.exists():
        open_store(folder, read_only=True).close()
    store = open_store(folder)
    fill(store, 30)
    reader = open_store(folder, read_only=True)
    store.delete(["/m/0/0"])
    with store.writing():
        store.set_meta(a="b")
    store.optimize()
    assert reader.meta["a"] == "b" and len(reader) == len(store) == 29
    reader.close()
    store.close()
    assert check(folder) == []


def read(folder) -> None:
    """Every track is whole."""
    reader = open_store(folder, read_only=True)
    for _, _, starts, vectors in reader.scan():
        assert len(starts) == len(vectors) > 0
    reader.close()
    assert check(folder) == []


def write(folder) -> None:
    """Until it is killed; a line tells of each statement, before it is carried out."""
    connect = connection.connect

    def telling(name):
        def tell(statement):
            print(statement[:20].replace("\n", " "), flush=True)
            time.sleep(0.003)

        db = connect(name)
        db.execute("PRAGMA cache_size = 10")  # much of a transaction is in the file before it is finished
        db.set_trace_callback(tell)
        return db

    connection.connect = telling
    store = open_store(folder)
    while True:
        with store._transaction():
            for one in store.scan():
                store._put(*one)


if __name__ == "__main__":
    from pathlib import Path

    refuse_shared_mappings()
    {"use": use, "read": read, "write": write}[sys.argv[1]](Path(sys.argv[2]))
