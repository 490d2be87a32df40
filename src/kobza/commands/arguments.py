"""What sub-commands share: how one is declared, and arguments that several of them take."""

import argparse
import re
from collections.abc import Callable
from pathlib import Path


def command(
    commands, function: Callable, text: str, *parents: argparse.ArgumentParser, name: str | None = None
) -> argparse.ArgumentParser:
    """Declare a sub-command that calls `function(args)`, whose result is the exit code; it has the function's name."""
    sub = commands.add_parser(name or function.__name__, help=text, description=text, parents=parents)
    sub.set_defaults(function=function)
    return sub


def which_library() -> argparse.ArgumentParser:
    """--library and --model."""
    common = argparse.ArgumentParser(add_help=False)
    common.add_argument(
        "--library",
        metavar="DIR",
        help="the library: a folder, or milvus://HOST:PORT/NAME (default: $KOBZA_LIBRARY, or your own)",
    )
    common.add_argument("--model", metavar="MODEL", help="a checkpoint: a folder or a Hub id (default: kobza-mini)")
    return common


def library_folder(args: argparse.Namespace) -> Path:
    """For commands that need the library's files. LibraryError: it is in no folder."""
    from ..library import LibraryError, default_library_path
    from ..library.remote import is_address

    folder = args.library or default_library_path()
    if is_address(folder):
        raise LibraryError("A library in a database looks after itself; this command is for a library in a folder.")
    return Path(folder)


def count(text: str) -> int:
    """The type of an argument that is 1 or more."""
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a count; give 1 or more")
    return int(text)


def shard(text: str) -> tuple[int, int]:
    """The type of an argument like 2/4: the second of four parts."""
    part = re.fullmatch(r"(\d+)/(\d+)", text, re.ASCII)
    if not part or not 1 <= int(part[1]) <= int(part[2]):
        raise argparse.ArgumentTypeError(f"{text!r} is no part; give I/N with I from 1 to N, like 2/4")
    return int(part[1]), int(part[2])
