"""How the commands speak to a person: sentences, a bar and tables."""

import contextlib
import os
import sys
from collections.abc import Callable, Iterator


def say(text: str) -> None:
    """A sentence for the person at the terminal; standard output is for answers."""
    print(text, file=sys.stderr)


@contextlib.contextmanager
def progress_bar(first: str = "looking for changes") -> Iterator[Callable]:
    """A bar with the time that is left, drawn on standard error; gives the function to call with each `Progress`."""
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

        def update(now) -> None:
            name = printable(os.path.basename(now.path))
            bar.update(task, total=1.0, completed=now.fraction, count=f"{now.done}/{now.total}", name=name)

        yield update


def print_table(table) -> None:
    from rich.console import Console

    console = Console(emoji=False, highlight=False)
    if not console.is_terminal:  # in a pipe nothing is folded: one line a track
        console = Console(emoji=False, highlight=False, width=10_000)
    console.print(table)
