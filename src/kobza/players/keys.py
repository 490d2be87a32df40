"""Single keys from the terminal, without Enter."""

import contextlib
import os
import select
import sys
import time
from collections.abc import Callable, Iterator

ReadKey = Callable[[float], str]  # (seconds to wait at most) -> the key, "" for none


def no_keys(seconds: float) -> str:
    time.sleep(seconds)
    return ""


@contextlib.contextmanager
def terminal_keys() -> Iterator[ReadKey | None]:
    """Gives the function that reads a key, or None if no terminal is there to type on.

    The terminal's settings are restored after the block.
    """
    try:
        import termios  # not on Windows
        import tty

        terminal = sys.stdin.fileno()
        before = termios.tcgetattr(terminal)
        # A process in the background (`kobza play ... &`) would be stopped when it touches the terminal.
        foreground = os.tcgetpgrp(terminal) == os.getpgrp()
    except (ImportError, OSError, ValueError, AttributeError, termios.error):
        yield None
        return
    if not foreground:
        yield None
        return

    def read_key(seconds: float) -> str:
        if not select.select([terminal], [], [], seconds)[0]:
            return ""
        return os.read(terminal, 16).decode(errors="replace")[:1] or "q"  # nothing to read: the terminal is closed

    tty.setcbreak(terminal)
    try:
        yield read_key
    finally:
        termios.tcsetattr(terminal, termios.TCSADRAIN, before)
