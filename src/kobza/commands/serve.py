"""The command that opens a library in the browser: serve."""

import argparse

from kobza.commands.arguments import SubCommands, command, count, library_options
from kobza.terminal import say


def add(commands: SubCommands) -> None:
    """Declare the sub-commands of this module."""
    served = command(
        commands,
        serve,
        "Open the library in the browser.",
        library_options(),
        examples=("kobza serve", "kobza serve --host 0.0.0.0 --port 8080"),
    )
    served.add_argument("--port", type=count, metavar="N", help="(default: the first free port from 7860)")
    served.add_argument("--host", help="0.0.0.0 allows other machines to connect (default: this machine only)")


def serve(args: argparse.Namespace) -> int:
    try:
        from kobza.webui.app import run
    except ModuleNotFoundError as error:
        raise ValueError(f"kobza serve needs {error.name}; install it with: pip install 'kobza[space]'") from None
    from kobza.webui.collection import open_collection

    say("Loading. If there is no library yet, Kobza first renders an album of its own, which takes half a minute.")
    run(open_collection(args.library, args.model), args.host, args.port)
    return 0
