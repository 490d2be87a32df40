"""Child processes for tests of other users, and of writers that are killed at a chosen moment.

They are forked from a server process that runs nothing else. A fork of the test process itself would copy locks that
its other threads hold (OpenBLAS, OpenMP), and could wait for them forever. So what a child runs must be a function of
a module, and its arguments must be picklable.
"""

import multiprocessing
import os
import signal
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from recordings import ToneEmbedder, counts, tone, write

from kobza import MusicLibrary
from kobza.library.stores import connection

NOBODY = 65534

context = multiprocessing.get_context("forkserver")
context.set_forkserver_preload(["pytest", "av", "kobza.library.library", "kobza.library.stores.index_file"])


def dawdle_at_each_statement(steps, within: str = "") -> None:
    """For a child: SQLite waits before each statement that contains `within`, and counts it in `steps`. Most kills
    strike there, many of them within a transaction."""
    connect = connection.connect

    def dawdling(name):
        def dawdle(statement):
            if within in statement:
                steps.value += 1
                time.sleep(0.003)

        db = connect(name)
        db.set_trace_callback(dawdle)
        return db

    connection.connect = dawdling


def killed_at(moment: int, work: Callable[..., None], *arguments: object, wait: float = 0.0) -> bool:
    """Run `work(steps, *arguments)` in a child; kill -9 it `wait` seconds after it has counted to `moment`.

    Returns:
        whether the kill came before it had finished.
    """
    steps = context.Value("i", 0)
    child = context.Process(target=work, args=(steps, *arguments))
    child.start()
    while steps.value < moment and child.is_alive():
        time.sleep(0.0005)
    time.sleep(wait)
    child.kill()
    child.join()
    return child.exitcode == -signal.SIGKILL


def run(work: Callable[..., None], *arguments: object) -> int:
    """The exit status of `work(*arguments)` in a child."""
    child = context.Process(target=work, args=arguments)
    child.start()
    child.join()
    return child.exitcode


def become_nobody() -> None:
    """For a child of root, who may read and write everything: become a user who may not.

    That user may be barred from Python's own folders, too, so what is imported on first use is used before.
    """
    if os.geteuid() == 0:
        with tempfile.TemporaryDirectory() as name:
            write(Path(name, "music", "tone.flac"), tone(300, 2))
            with MusicLibrary.open(Path(name, "library"), ToneEmbedder()) as library:
                library.add(Path(name, "music"))
                library.search("tone 300", where="year > 1900")
        np.random.default_rng(0)
        os.setgroups([])
        os.setgid(NOBODY)
        os.setuid(NOBODY)


def index_as_nobody(folder: Path, sender) -> None:
    """Send (the report's counts, {file name: reason of its failure})."""
    become_nobody()
    with MusicLibrary.open(folder / "library", ToneEmbedder()) as library:
        report = library.add(folder / "music")
        sender.send((counts(report), {os.path.basename(f.path): f.reason for f in report.failed}))
