"""In the browser: serve."""

import argparse

from kobza.commands.arguments import command, count, which_library
from kobza.terminal import say


def add(commands) -> None:
    """Declare this file's sub-commands."""
    served = command(commands, serve, "Open the library in the browser.", which_library())
    served.add_argument("--port", type=count, metavar="N", help="(default: the first free one from 7860)")
    served.add_argument("--host", help="0.0.0.0 lets other machines in (default: this one only)")


def serve(args: argparse.Namespace) -> int:
    try:
        from kobza.webui.app import run
    except ModuleNotFoundError as error:
        raise ValueError(f"The browser needs {error.name}; install it with: pip install 'kobza[space]'") from None
    from kobza.webui.collection import open_collection

    say("Loading; where there is no library yet, Kobza first composes an album of its own, in half a minute.")
    run(open_collection(args.library, args.model), args.host, args.port)
    return 0
