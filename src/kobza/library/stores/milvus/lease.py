"""The writers' lock of a library, across machines: a lease row in NAME_meta for each process that writes.

Milvus has no locks and no transactions, but strongly consistent reads. A process claims: it writes its row, then reads
all rows. Of two that claim at once, at least the later one sees the other, and withdraws; so never both hold the lock.

The holder renews its row every HEARTBEAT_SECONDS. A lease that was not renewed for EXPIRY_SECONDS is taken over, but
not on the word of two machines' clocks, which may differ: whoever finds such a row first watches it for WATCH_SECONDS
of its own, and takes over only if it is not renewed in that time. A wrong clock can thus delay a takeover, and never
make two holders. A holder that was asleep or cut off for that long notices before its next write, and stops. On one
machine a file lock, which the system releases when a process ends, tells the dead at once.
"""

import contextlib
import json
import os
import random
import socket
import threading
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from filelock import FileLock, Timeout

from kobza.library.records import LibraryError
from kobza.library.stores.milvus.collections import Collections
from kobza.library.stores.milvus.journal import LEASES

HEARTBEAT_SECONDS = 10.0
EXPIRY_SECONDS = 60.0
WATCH_SECONDS = 30.0
MAX_ATTEMPTS = 10  # to claim while others do


@dataclass(frozen=True)
class LeaseRow:
    """What a writer says of itself.

    Attributes:
        part: of the library, see `conflict`.
        machine: what tells whether its lock file is one of this machine: boot, device and inode.
        beat: how often it was renewed.
        time: of the last renewal, in seconds since 1970, by the holder's clock.
    """

    token: str
    part: str
    host: str
    pid: int
    machine: list[str]
    since: float
    held: bool = False
    beat: int = 0
    time: float = 0.0

    @property
    def key(self) -> str:
        return f"{LEASES}{self.token} {self.part}"

    def __str__(self) -> str:
        shard = f" (shard {self.part})" if self.part else ""
        return f"process {self.pid} on {self.host}{shard}"


def conflict(part: str, other: str) -> bool:
    """Whether two parts of a library cannot be written at once: "" is all of it, "2/3" the second of three shards.

    >>> conflict("1/3", "2/3"), conflict("1/3", "1/3"), conflict("1/3", ""), conflict("1/3", "2/4")
    (False, True, True, True)
    """
    return part == other or part.partition("/")[2] != other.partition("/")[2]


def lease_rows(collections: Collections) -> list[LeaseRow]:
    rows = collections.rows("meta", f'id >= "{LEASES}" and id < "{LEASES[:-1]}!"', ["value"], latest=True)
    return [LeaseRow(**json.loads(row["value"])[2]) for row in rows]


def refusal(library: str, holder: LeaseRow) -> LibraryError:
    """Why the library cannot be written now. `library`: its name in messages."""
    since = time.strftime("%Y-%m-%d %H:%M", time.localtime(holder.since))
    return LibraryError(
        f"The library {library} is being written by another kobza: {holder}, since {since} by its clock; wait until "
        f"that has finished or, if it was killed, for {EXPIRY_SECONDS + WATCH_SECONDS:.0f} seconds."
    )


def machine_of(lock_file: Path) -> list[str]:
    """What identifies a lock file among those of all machines and containers."""
    boot = Path("/proc/sys/kernel/random/boot_id")
    stat = lock_file.stat()
    with contextlib.suppress(OSError):
        return [boot.read_text().strip(), str(stat.st_dev), str(stat.st_ino)]
    return ["", str(stat.st_dev), str(stat.st_ino)]


class Lease:
    """The lease of this process on a part of a library, while it writes.

    Args:
        library: its name in messages.
        lock_file: the file that a writer of a part locks on its machine; this process has locked its own.
    """

    def __init__(
        self, collections: Collections, library: str, token: str, part: str, lock_file: Callable[[str], Path]
    ) -> None:
        self._collections = collections
        self._library = library
        self._lock_file = lock_file
        self._row = LeaseRow(token, part, socket.gethostname(), os.getpid(), machine_of(lock_file(part)), time.time())
        self._renewed = (time.monotonic(), time.time())
        self._lost = False
        self._renewing = threading.Lock()
        self._stop = threading.Event()
        self._heartbeat = threading.Thread(target=self._beat, daemon=True)
        self.dead: set[str] = set()  # the tokens of leases that were taken over
        self.dead_here: set[str] = set()  # of these, those whose process has certainly ended

    def acquire(self) -> None:
        """LibraryError: another process writes this part; the message names it."""
        for _ in range(MAX_ATTEMPTS):
            rivals = self._rivals()
            for rival in rivals:
                if rival.held:
                    raise refusal(self._library, rival)
            if not rivals:
                self._write()
                if not (rivals := self._rivals()):
                    self._row = replace(self._row, held=True)
                    self._write()
                    self._heartbeat.start()
                    return
                self._collections.delete("meta", [self._row.key])
            time.sleep(random.uniform(0.1, 1.0))
        raise refusal(self._library, rivals[0])

    def release(self) -> None:
        self._stop.set()
        self._heartbeat.join(HEARTBEAT_SECONDS)
        if not self._lost:
            self._collections.delete("meta", [self._row.key])

    def check(self) -> None:
        """Called before each write. LibraryError: this process does not hold the lock any more."""
        if self._age() > EXPIRY_SECONDS / 2:  # asleep, or cut off from the server
            self._renew()
        if self._lost:
            raise LibraryError(
                f"The lock of the library {self._library} was lost, because this process was asleep or cut off from "
                "the server for more than a minute and another one took over; what was written is safe: run the same "
                "command again when that has finished."
            )

    def _age(self) -> float:
        """Seconds since the last renewal. A monotonic clock may stand still while the machine sleeps."""
        monotonic, wall = self._renewed
        return max(time.monotonic() - monotonic, time.time() - wall)

    def _beat(self) -> None:
        while not self._stop.wait(HEARTBEAT_SECONDS) and not self._lost:
            with contextlib.suppress(LibraryError):  # the server may be back before the lease expires
                self._renew()

    def _renew(self) -> None:
        with self._renewing:
            rows = lease_rows(self._collections)
            rivals = (row for row in rows if row.held and self._is_rival(row))
            if self._row.key not in (row.key for row in rows) or any(rivals):
                self._lost = True
            else:
                self._write()

    def _write(self) -> None:
        began = time.monotonic(), time.time()
        self._row = replace(self._row, beat=self._row.beat + 1, time=began[1])
        value = json.dumps([began[1], [], asdict(self._row)])  # begins as an entry of the journal
        self._collections.upsert("meta", [{"id": self._row.key, "value": value, "vector": [0.0, 0.0]}])
        self._renewed = began

    def _is_rival(self, row: LeaseRow) -> bool:
        return row.key != self._row.key and row.token not in self.dead and conflict(row.part, self._row.part)

    def _rivals(self) -> list[LeaseRow]:
        """The leases that exclude this one; those of dead processes are deleted."""
        rivals = [row for row in lease_rows(self._collections) if self._is_rival(row)]
        return [row for row in rivals if not self._bury(row)]

    def _bury(self, row: LeaseRow) -> bool:
        """Delete the lease of a process that is dead; whether it is."""
        alive = self._is_alive_here(row)
        if alive is None:
            alive = abs(time.time() - row.time) < EXPIRY_SECONDS or self._is_renewed(row)
        elif not alive:
            self.dead_here.add(row.token)
        if not alive:
            self.dead.add(row.token)
            self._collections.delete("meta", [row.key])
        return not alive

    def _is_alive_here(self, row: LeaseRow) -> bool | None:
        """Whether the process lives, by its lock file; None if it is of another machine."""
        file = self._lock_file(row.part)
        if row.host != self._row.host or not file.exists() or machine_of(file) != row.machine:
            return None
        if row.part == self._row.part:
            return False  # this process has its lock
        try:
            with FileLock(file, timeout=0):
                return False
        except Timeout:
            return True

    def _is_renewed(self, row: LeaseRow) -> bool:
        """Watch a lease that looks expired; it may be that only the clocks differ."""
        deadline = time.monotonic() + WATCH_SECONDS
        while time.monotonic() < deadline:
            time.sleep(WATCH_SECONDS / 10)
            now = [other for other in lease_rows(self._collections) if other.key == row.key]
            if not now or now[0].beat != row.beat:
                return bool(now)
        return False
