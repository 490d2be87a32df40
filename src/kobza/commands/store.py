"""The library as a thing to be looked after: library check, library copy."""

import argparse
from pathlib import Path

from ..terminal import progress_bar
from .arguments import command, which_library


def add(commands) -> None:
    """Declare this file's sub-commands."""
    text = "Look after the library itself."
    care = commands.add_parser("library", help=text, description=text).add_subparsers(metavar="COMMAND", required=True)
    command(care, check, "Look for anything in the library that is not whole.", which_library())
    text = "Bring all tracks of a library into another, wherever that is, without embedding them again."
    sub = command(care, copy, text)
    sub.add_argument("source", metavar="A", help="a library's folder, or milvus://HOST:PORT/NAME")
    sub.add_argument("target", metavar="B", help="another's, made if absent; what it has already stays")


def _folder(args: argparse.Namespace) -> Path:
    from ..library import default_library_path

    return Path(args.library) if args.library else default_library_path()


def check(args: argparse.Namespace) -> int:
    from ..audio import printable
    from ..library.maintenance import check

    folder = _folder(args)
    problems = check(folder)
    for problem in problems:
        print(problem)
    print(f"{printable(folder)}: {f'{len(problems)} problems' if problems else 'all is well'}")
    return 1 if problems else 0


def copy(args: argparse.Namespace) -> int:
    from ..library.copying import copy_library

    with progress_bar() as progress:
        print(copy_library(args.source, args.target, progress))
    return 0
