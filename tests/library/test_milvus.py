"""The store in Milvus: the contract and what is its own, against milvus-lite's server and (slow) a real one."""

import pytest
from milvus_servers import milvus_lite, milvus_server
from store_contract import StoreContract, put, unit

from kobza.library import LibraryError, Track, open_store


@pytest.fixture(scope="session")
def lite(tmp_path_factory):
    with milvus_lite(tmp_path_factory.mktemp("milvus-lite")) as address:
        yield address


@pytest.fixture(scope="session")
def real(tmp_path_factory):
    with milvus_server(tmp_path_factory.mktemp("milvus")) as address:
        yield address


def emptied(address: str):
    """`reopen` for a library that is empty, but for its collections: making these takes a server seconds."""
    opened = []

    def reopen(read_only: bool = False):
        opened.append(open_store(f"{address}/tested", read_only))
        return opened[-1]

    store = reopen()
    store.delete(store.revs())
    yield reopen
    for store in opened:
        store.close()


class TestLite(StoreContract):
    @pytest.fixture
    def reopen(self, lite):
        yield from emptied(lite)


@pytest.mark.slow
class TestReal(StoreContract):
    @pytest.fixture
    def reopen(self, real):
        yield from emptied(real)
