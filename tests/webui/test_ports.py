"""Where the page is served."""

import threading
import time

import pytest
from filelock import FileLock

from kobza.folders import cache_folder
from kobza.webui.app import Access, launch


def test_a_server_that_starts_waits_for_another_that_does(collection):
    """Two that choose a port at the same time would choose the same one."""
    pages = []
    with FileLock(cache_folder() / "serve.lock"):
        starting = threading.Thread(target=lambda: pages.append(launch(collection)))
        starting.start()
        starting.join(3)
        assert not pages
    starting.join()
    pages[0].close()


@pytest.mark.parametrize("host", ["192.0.2.1", "no.such.host.invalid", "a..b", "::2"])
def test_a_host_that_is_not_this_machine_is_refused_at_once(collection, host):
    start = time.monotonic()
    with pytest.raises(ValueError, match="does not exist; choose with --host and --port"):
        launch(collection, Access(host))
    assert time.monotonic() - start < 60  # a hundred ports take more than eight minutes
