"""Terminal output: messages, a progress bar and tables."""

import contextlib
import os
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Protocol, TextIO

from kobza.cells import Cell

if TYPE_CHECKING:
    from rich.console import Console, RenderableType
    from rich.table import Table

PIPE_WIDTH = 10_000  # columns: not a terminal, so a row is one line however long
SECONDS_PER_LINE = 10.0  # of progress, where standard error is not a terminal
MIN_ESTIMATED = 0.01  # of the work done, before the remaining time is worth saying
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
    _print(console, [table])


def _print(console: "Console", what: "Iterable[RenderableType]") -> None:
    """Print with `console`'s colours and links. Not by itself, because it ends the program with 1 if the reader of a
    pipe has closed it, as `head` does."""
    with console.capture() as captured:
        for one in what:
            console.print(one)
    print(captured.get(), end="", flush=True)


def terminal_width() -> int | None:
    """The width of standard output in cells; None if it is not a terminal."""
    from rich.console import Console

    return Console().width if sys.stdout.isatty() else None


def print_lines(lines: Sequence[Sequence[Cell]]) -> None:
    """Print lines of cells, the first in bold. Links are OSC 8 escape sequences, for terminals that may know them."""
    from rich.console import Console
    from rich.style import Style
    from rich.text import Text

    console = Console(emoji=False, highlight=False, soft_wrap=True)
    term = os.environ.get("TERM", "").partition(".")[0].partition("-")[0]
    with_links = sys.stdout.isatty() and term not in TERMINALS_WITHOUT_LINKS
    texts = []
    for number, line in enumerate(lines):
        text = Text(style="" if number else "bold")
        for cell in line:
            text.append(cell.before)
            text.append(cell.text, Style(link=cell.link) if cell.link and with_links else None)
            text.append(cell.after)
        texts.append(text)
    _print(console, texts)
