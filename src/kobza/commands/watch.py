"""The command that keeps a library in step with its folders: watch."""

import argparse
import signal
import threading

from kobza.commands.arguments import SubCommands, command, library_options, open_library
from kobza.terminal import say


def add(commands: SubCommands) -> None:
    """Declare the sub-commands of this module."""
    text = (
        "Keep the library and its saved playlists in step with its folders until it is stopped; prints a line for each "
        "change."
    )
    command(commands, watch, text, library_options(), examples=("kobza watch",))


def watch(args: argparse.Namespace) -> int:
    from kobza.library.watching import Watcher
    from kobza.players.refresh import refresh_all

    def stop(*_: object) -> None:
        raise KeyboardInterrupt

    signal.signal(signal.SIGTERM, stop)  # how systemd and Docker stop it
    with open_library(args) as library:
        if not library.folders:
            say("No folder has been added to the library yet; add one with: kobza index FOLDER")
            return 1
        print(f"watching the folders of {library.address}", flush=True)
        watcher = Watcher(
            library,
            lambda line: print(line, flush=True),
            threading.Event(),
            lambda tell: refresh_all(library, tell),
        )
        try:
            watcher.run()
        except KeyboardInterrupt:
            print("stopped", flush=True)
    return 0
