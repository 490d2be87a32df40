"""The command that opens a library in the browser: serve."""

import argparse
import os

from kobza.commands.arguments import SubCommands, command, count, library_options
from kobza.extras import needs
from kobza.terminal import say


def add(commands: SubCommands) -> None:
    """Declare the sub-commands of this module."""
    served = command(
        commands,
        serve,
        "Open the library in the browser.",
        library_options(),
        examples=(
            "kobza serve",
            "KOBZA_PASSWORD=SECRET kobza serve --host 0.0.0.0 --port 8080",
            "kobza serve --allow-host music.example.org",
        ),
    )
    served.add_argument("--port", type=count, metavar="N", help="(default: the first free port from 7860)")
    served.add_argument("--host", help="0.0.0.0 allows other machines to connect (default: this machine only)")
    served.add_argument(
        "--password",
        help="what visitors must type (default: KOBZA_PASSWORD, which other users of this machine cannot see)",
    )
    served.add_argument(
        "--allow-host",
        action="append",
        metavar="NAME",
        help="a further name that visitors reach this machine by, such as that of a proxy; may be given several times",
    )


def serve(args: argparse.Namespace) -> int:
    with needs("kobza serve", "space"):
        from kobza.webui.app import Access, run
    from kobza.webui.collection import open_collection

    password = args.password if args.password is not None else os.environ.get("KOBZA_PASSWORD", "")
    if args.password == "":
        raise ValueError("The password is empty; give one with --password, or leave the option out.")
    access = Access(args.host, args.port, tuple(args.allow_host or ()), password)
    say("Loading. If there is no library yet, Kobza first renders an album of its own, which takes half a minute.")
    run(open_collection(args.library, args.model), access)
    return 0
