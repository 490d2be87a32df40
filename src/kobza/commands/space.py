"""In the browser: serve."""

import argparse

from ..terminal import say
from .arguments import command, count, which_library


def add(commands) -> None:
    """Declare this file's sub-commands."""
    served = command(commands, serve, "Open the library in the browser.", which_library())
    served.add_argument("--port", type=count, metavar="N", help="(default: the first free one from 7860)")
    served.add_argument("--host", help="0.0.0.0 lets other machines in (default: this one only)")


def serve(args: argparse.Namespace) -> int:
    try:
        from ..space.app import run
    except ModuleNotFoundError as error:
        raise ValueError(f"The browser needs {error.name}; install it with: pip install 'kobza[space]'") from None
    from ..space.collection import open_collection

    say("Loading; where there is no library yet, Kobza first composes an album of its own, in half a minute.")
    run(open_collection(args.library, args.model), args.host, args.port)
    return 0
