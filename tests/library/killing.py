"""Processes that are killed while they write, at a moment that can be chosen."""

import multiprocessing
import signal
import time
from collections.abc import Callable

from kobza.library.stores import connection

fork = multiprocessing.get_context("fork")  # a child that starts at once, for many rounds


def dawdle_at_each_statement(steps, within: str = "") -> None:
    """For the child: SQLite waits before each statement with these words, counting it in `steps`. There most kills
    strike, many of them within a transaction."""
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


def killed_at(moment: int, work: Callable[[object], None], wait: float = 0.0) -> bool:
    """Run `work(steps)` in a child; kill -9 it `wait` seconds after it has counted to `moment`. Whether that struck."""
    steps = fork.Value("i", 0)
    child = fork.Process(target=work, args=(steps,))
    child.start()
    while steps.value < moment and child.is_alive():
        time.sleep(0.0005)
    time.sleep(wait)
    child.kill()
    child.join()
    return child.exitcode == -signal.SIGKILL
