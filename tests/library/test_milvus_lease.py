"""The writers' lock of a library in Milvus, across machines: a machine is here a cache folder of its own."""

import itertools
import threading
import time

import pytest
from child_processes import context
from milvus_writer import hold
from store_contract import put

from kobza.library import LibraryError, open_store
from kobza.library.stores.milvus import journal, lease
from kobza.library.stores.milvus.lease import Lease

NUMBERS = itertools.count()
ON_EVERY_SERVER = pytest.mark.parametrize(
    "library", ["lite", pytest.param("real", marks=pytest.mark.slow)], indirect=True
)


@pytest.fixture
def library(request):
    """A new library's address."""
    return f"{request.getfixturevalue(getattr(request, 'param', 'lite'))}/locked_{next(NUMBERS)}"


@pytest.fixture
def hurried(monkeypatch):
    """A minute is a second."""
    for name in ("HEARTBEAT_SECONDS", "EXPIRY_SECONDS", "WATCH_SECONDS"):
        monkeypatch.setattr(lease, name, getattr(lease, name) / 60)


@pytest.fixture
def on_machine(tmp_path, monkeypatch):
    """on_machine(NAME): what follows happens there."""
    return lambda name: monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / name))


def start_holder(url: str, cache, clock_offset: float = 0.0):
    """A process that writes on a machine of its own, until it is killed."""
    holding = context.Event()
    child = context.Process(target=hold, args=(url, str(cache), clock_offset, holding))
    child.start()
    assert holding.wait(60)
    return child


@ON_EVERY_SERVER
def test_who_writes_is_named_on_other_machines_too(library, on_machine):
    store, other = open_store(library), open_store(library)
    for machine in ("one", "two"):
        on_machine("one")
        with store.writing("1/2"):
            on_machine(machine)
            for part in ("", "1/2", "1/3"):
                named = r"is being written by another kobza: process \d+ on .* \(shard 1/2\), since 20.* wait until"
                with pytest.raises(LibraryError, match=named), other.writing(part):
                    pass
            with other.writing("2/2"):
                put(other, "/a")
        with other.writing():
            put(other, "/b")
    assert len(list(store.collections.rows("meta", journal.NOT_JOURNAL))) == len(list(store.collections.rows("meta")))


@ON_EVERY_SERVER
def test_of_many_that_begin_at_once_one_writes(library, tmp_path, monkeypatch):
    """Each is on a machine of its own, so nothing but the lease keeps it out."""
    writing, most, done = [], [], []

    def write(number: int) -> None:
        store = open_store(library)
        (tmp_path / str(number)).touch()
        while True:
            mine = Lease(store.collections, "it", f"token {number}", "", lambda _: tmp_path / str(number))
            try:
                mine.acquire()
            except LibraryError:
                continue
            writing.append(number)
            most.append(len(writing))
            time.sleep(0.05)
            writing.remove(number)
            mine.release()
            done.append(number)
            return

    threads = [threading.Thread(target=write, args=(number,)) for number in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert sorted(done) == list(range(5)) and set(most) == {1}


@pytest.mark.parametrize("clock_offset", [0.0, 7200.0, -7200.0])
def test_a_killed_writers_lease_expires_and_no_living_ones(library, tmp_path, on_machine, hurried, clock_offset):
    """Whatever its machine's clock says."""
    on_machine("here")
    child = start_holder(library, tmp_path / "there", clock_offset)
    store = open_store(library)
    time.sleep(2 * lease.EXPIRY_SECONDS)
    with pytest.raises(LibraryError, match="is being written by another"), store.writing():
        pass
    child.kill()
    child.join()
    deadline = time.monotonic() + 3 * (lease.EXPIRY_SECONDS + lease.WATCH_SECONDS)
    while True:
        try:
            with store.writing():
                put(store, "/a")
            break
        except LibraryError:
            assert time.monotonic() < deadline
    assert list(store.file_states()) == ["/a"]


def test_a_writer_killed_on_this_machine_is_followed_at_once(library, tmp_path, on_machine):
    on_machine("here")
    child = start_holder(library, tmp_path / "here")
    store = open_store(library)
    with pytest.raises(LibraryError, match=f"process {child.pid} on "), store.writing():
        pass
    child.kill()
    child.join()
    with store.writing("1/2"):
        put(store, "/a")
    assert list(store.file_states()) == ["/a"]


def test_a_writer_that_slept_too_long_stops(library, on_machine, hurried, monkeypatch):
    monkeypatch.setattr(lease, "HEARTBEAT_SECONDS", 1000.0)
    store, other = open_store(library), open_store(library)
    on_machine("one")
    with store.writing():
        put(store, "/a")
        time.sleep(lease.EXPIRY_SECONDS)
        put(store, "/b")  # nobody took over
        time.sleep(1.1 * lease.EXPIRY_SECONDS)
        on_machine("two")
        with other.writing():
            put(other, "/c")
            for write in (lambda: put(store, "/d"), lambda: store.delete(["/a"]), lambda: store.set_meta(x="y")):
                with pytest.raises(LibraryError, match=r"The lock of the library .* was lost"):
                    write()
    assert sorted(store.file_states()) == ["/a", "/b", "/c"] and "x" not in store.meta
