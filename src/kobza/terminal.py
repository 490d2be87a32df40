"""Terminal output: messages, a progress bar and tables."""

import contextlib
import os
import sys
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from rich.table import Table

PIPE_WIDTH = 10_000  # columns: not a terminal, so a row is one line however long


class ProgressState(Protocol):
    """What a progress bar shows, such as `library.Progress`."""

    @property
    def done(self) -> int: ...
    @property
    def total(self) -> int: ...
    @property
    def fraction(self) -> float: ...
    @property
    def path(self) -> str | os.PathLike[str]: ...


def say(text: str) -> None:
    """Print a message to standard error; standard output is for results."""
    print(text, file=sys.stderr)


@contextlib.contextmanager
def progress_bar(first: str = "looking for changes") -> Iterator[Callable[[ProgressState], None]]:
    """A progress bar on standard error, with the remaining time. Gives the function to call with each state."""
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

    from kobza.audio import printable

    columns = (
        TextColumn("{task.fields[count]}", markup=False),
        BarColumn(),
        TaskProgressColumn(),
        TimeRemainingColumn(),
        TextColumn("{task.fields[name]}", markup=False),
    )
    console = Console(stderr=True, emoji=False)
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as bar:
        task = bar.add_task("", total=None, count=first, name="")

        def update(now: ProgressState) -> None:
            name = printable(os.path.basename(now.path))
            bar.update(task, total=1.0, completed=now.fraction, count=f"{now.done}/{now.total}", name=name)

        yield update


def print_table(table: "Table") -> None:
    """Print a `rich` table to standard output, at full width if that is not a terminal."""
    from rich.console import Console

    console = Console(emoji=False, highlight=False)
    if not console.is_terminal:
        console = Console(emoji=False, highlight=False, width=PIPE_WIDTH)
    console.print(table)
