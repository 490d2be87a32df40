"""The parts of a library that this process writes: their leases, and a lock on this machine for each."""

import contextlib
from collections.abc import Iterator
from pathlib import Path

from kobza.folders import cache_folder
from kobza.library.records import LibraryError
from kobza.library.stores.lock import writer_lock
from kobza.library.stores.milvus.collections import Collections
from kobza.library.stores.milvus.lease import Lease, conflict, lease_rows, refusal
from kobza.library.stores.milvus.rows import track_id


class HeldLeases:
    """The leases that one store holds.

    Args:
        library: what tells the library from all others: server, database, name.
        address: its name in messages.
        token: what names the writer.
    """

    def __init__(self, collections: Collections, library: tuple[str, str, str], address: str, token: str):
        self._collections = collections
        self._library = library
        self._address = address
        self._token = token
        self._leases: list[Lease] = []

    def check(self) -> None:
        """LibraryError: one of them was taken over by another process."""
        for lease in self._leases:
            lease.check()

    def _lock_file(self, part: str) -> Path:
        return cache_folder() / f"{track_id(repr((*self._library, part)))}.lock"

    @contextlib.contextmanager
    def held(self, part: str) -> Iterator[Lease]:
        """The lease of a part. LibraryError: another process writes it; the message names it."""
        with contextlib.ExitStack() as stack:
            try:
                stack.enter_context(writer_lock(self._lock_file(part), self._address))
            except LibraryError:
                holders = [row for row in lease_rows(self._collections) if conflict(row.part, part)]
                if holders:
                    raise refusal(self._address, holders[0]) from None
                raise
            lease = Lease(self._collections, self._address, self._token, part, self._lock_file)
            lease.acquire()
            stack.callback(lease.release)
            self._leases.append(lease)
            stack.callback(self._leases.remove, lease)
            self._collections.writing = True
            stack.callback(setattr, self._collections, "writing", False)
            yield lease
