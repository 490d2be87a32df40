"""Terminal output: messages, a progress bar and tables."""

import contextlib
import os
import shutil
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Protocol, TextIO

from kobza.cells import Cell

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

PIPE_WIDTH = 10_000  # columns: not a terminal, so a row is one line however long
SECONDS_PER_LINE = 10.0  # of progress, where standard error is not a terminal
MIN_ESTIMATED = 0.01  # of the work done, before the remaining time is worth saying
BOLD, PLAIN = "\x1b[1m", "\x1b[0m"
LINK, END = "\x1b]8;;", "\x1b\\"  # with an address between them a link begins, without one it ends
TERMINALS_WITHOUT_LINKS = ("linux", "screen")  # and all that are called "screen.SOMETHING": they may print the address


class ProgressState(Protocol):
    """What a progress bar shows, such as `library.Progress`. `stage`, if there is any, stands for all the rest."""

    @property
    def done(self) -> int: ...
    @property
    def total(self) -> int: ...
    @property
    def fraction(self) -> float: ...
    @property
    def path(self) -> str | os.PathLike[str]: ...
    @property
    def stage(self) -> str: ...


def say(text: str) -> None:
    """Print a message to standard error; standard output is for results."""
    print(text, file=sys.stderr)


@contextlib.contextmanager
def progress_bar(first: str = "looking for changes") -> Iterator[Callable[[ProgressState], None]]:
    """Progress on standard error: a bar with the remaining time, or a line every ten seconds if that is not a terminal.
    Gives the function to call with each state."""
    from rich.console import Console

    console = Console(stderr=True, emoji=False)
    if console.is_terminal:
        with _bar(console, first) as update:
            yield update
    else:
        with progress_lines(first, sys.stderr) as update:
            yield update


@contextlib.contextmanager
def progress_if_any() -> Iterator[Callable[[ProgressState], None]]:
    """A `progress_bar` that is not there before its first state, for what is mostly done at once."""
    with contextlib.ExitStack() as stack:
        bars: list[Callable[[ProgressState], None]] = []

        def update(now: ProgressState) -> None:
            if not bars:
                bars.append(stack.enter_context(progress_bar(now.stage)))
            bars[0](now)

        yield update


@contextlib.contextmanager
def _bar(console: "Console", first: str) -> Iterator[Callable[[ProgressState], None]]:
    from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn
    from rich.table import Column

    from kobza.audio import printable

    columns = (
        TextColumn("{task.fields[count]}", markup=False),
        BarColumn(),
        TaskProgressColumn(),
        TimeRemainingColumn(),
        TextColumn("{task.fields[name]}", markup=False, table_column=Column(no_wrap=True, overflow="ellipsis")),
    )
    with Progress(*columns, console=console, transient=True) as bar:
        task = bar.add_task("", total=None, count=first, name="")

        def update(now: ProgressState) -> None:
            if now.stage:
                bar.update(task, count=now.stage)
            else:
                name = printable(os.path.basename(now.path))
                bar.update(task, total=1.0, completed=now.fraction, count=f"{now.done}/{now.total}", name=name)

        yield update


@contextlib.contextmanager
def progress_lines(
    first: str, stream: TextIO, interval: float = SECONDS_PER_LINE
) -> Iterator[Callable[[ProgressState], None]]:
    """Progress as lines of text, for logs: one every `interval` seconds, and so none for what is done sooner."""
    start = time.monotonic()
    latest = [first]
    ended = threading.Event()

    def update(now: ProgressState) -> None:
        latest[0] = now.stage or progress_line(now, time.monotonic() - start)

    def write() -> None:
        while not ended.wait(interval):
            print(latest[0], file=stream, flush=True)

    thread = threading.Thread(target=write, daemon=True)
    thread.start()
    try:
        yield update
    finally:
        ended.set()
        thread.join()


def progress_line(now: ProgressState, seconds: float) -> str:
    """A state as text, with an estimate from the `seconds` that it took."""
    line = f"{now.done}/{now.total} ({now.fraction:.0%})"
    if now.fraction < MIN_ESTIMATED:
        return line
    return f"{line}, about {remaining(seconds * (1 - now.fraction) / now.fraction)} left"


def remaining(seconds: float) -> str:
    """A time to wait, in the unit that suits it.

    >>> remaining(42), remaining(600), remaining(7300)
    ('42 s', '10 min', '2 h 2 min')
    """
    if seconds < 60:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 60 else f"{minutes // 60} h {minutes % 60} min"


def print_table(table: "Table") -> None:
    """Print a `rich` table to standard output, at full width if that is not a terminal."""
    from rich.console import Console

    console = Console(emoji=False, highlight=False)
    if not console.is_terminal:
        console = Console(emoji=False, highlight=False, width=PIPE_WIDTH)
    with console.capture() as captured:  # by itself it ends the program with 1 if the reader of a pipe has closed it
        console.print(table)
    print(captured.get(), end="", flush=True)


def terminal_width() -> int | None:
    """The width of standard output in cells; None if it is not a terminal."""
    return shutil.get_terminal_size().columns if sys.stdout.isatty() else None


def print_lines(lines: Sequence[Sequence[Cell]]) -> None:
    """Print lines of cells. In a terminal the first is bold, and links are OSC 8 escape sequences if it may know them.

    Not with rich, which takes a second for some thousand lines.
    """
    term = os.environ.get("TERM", "dumb") if sys.stdout.isatty() else "dumb"
    links = term != "dumb" and term.partition(".")[0].partition("-")[0] not in TERMINALS_WITHOUT_LINKS
    for number, line in enumerate(lines):
        text = "".join(cell.before + (_linked(cell) if links else cell.text) + cell.after for cell in line)
        print(text if number or term == "dumb" else f"{BOLD}{text}{PLAIN}")


def _linked(cell: Cell) -> str:
    return f"{LINK}{cell.link}{END}{cell.text}{LINK}{END}" if cell.link else cell.text
