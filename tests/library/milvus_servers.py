"""Servers that speak Milvus's protocol, for tests: started on free ports of this machine, stopped at the end."""

import contextlib
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

ANSWERS = 120  # seconds to wait for a server at the most


def free_port() -> int:
    with socket.socket() as any_port:
        any_port.bind(("127.0.0.1", 0))
        return any_port.getsockname()[1]


def wait_for(ready, process: subprocess.Popen, log: Path) -> None:
    deadline = time.monotonic() + ANSWERS
    while True:
        with contextlib.suppress(OSError):
            if ready():
                return
        if process.poll() is not None or time.monotonic() > deadline:
            raise RuntimeError(f"{process.args[0]} does not answer; its last words: {log.read_text()[-2000:]}")
        time.sleep(0.1)


def stop(process: subprocess.Popen) -> None:
    process.kill()  # there is nothing that the next run needs
    process.wait()


@contextlib.contextmanager
def milvus_lite(folder: Path):
    """Today's protocol: the server of the wheel `milvus-lite`. -> its address"""
    port, log = free_port(), folder / "log"
    command = [sys.executable, "-m", "milvus_lite", "server", "--data-dir", folder / "data"]
    with open(log, "wb") as file:
        process = subprocess.Popen([*command, "--host", "127.0.0.1", "--port", str(port)], stdout=file, stderr=file)
    try:
        wait_for(lambda: socket.create_connection(("127.0.0.1", port)).close() is None, process, log)
        yield f"milvus://127.0.0.1:{port}"
    finally:
        stop(process)


@contextlib.contextmanager
def milvus_server(folder: Path, quick: bool = True):
    """A real server: the wheel `milvus` 2.3.5, standalone, all it keeps in `folder`. -> (its address, its process)

    There can be one on a machine: its etcd always talks to itself on port 2380.
    """
    from milvus import MilvusServer

    server = MilvusServer(wait_for_started=False)
    server.set_base_dir(str(folder))
    # It waits for clocks and looks after itself at such intervals, made for a cluster; here milliseconds do.
    intervals = {"proxy.timeTickInterval": 20, "queryCoord.checkInterval": 50, "queryCoord.distPullInterval": 50}
    for key, milliseconds in intervals.items() if quick else ():
        server.config.set(key, milliseconds)
    try:
        server.start()  # the port may be another than 19530: the launcher takes the next that is free
        health = f"http://127.0.0.1:{server.webservice_port}/healthz"
        log = folder / "logs" / "milvus-stderr.log"
        wait_for(lambda: b"OK" in urllib.request.urlopen(health, timeout=5).read(), server.server_proc, log)
        yield f"milvus://127.0.0.1:{server.listen_port}", server.server_proc.pid
    finally:
        if server.server_proc:
            server.server_proc.kill()  # asked to end, it may hang
        server.stop()
