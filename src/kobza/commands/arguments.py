"""What sub-commands share: how one is declared, and arguments that several of them take."""

import argparse
import re
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from kobza.library.address import LibraryAddress


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


def open_library(args: argparse.Namespace, read_only: bool = False):
    """The `MusicLibrary` that --library and --model name."""
    from kobza.library import MusicLibrary

    return MusicLibrary.open(named_library(args), args.model, read_only=read_only)


def named_library(args: argparse.Namespace) -> "LibraryAddress":
    """The address of the library that --library names, or the default one."""
    from kobza.library.address import default_library_address, library_address

    return library_address(args.library) if args.library else default_library_address()


def library_folder(args: argparse.Namespace) -> Path:
    """For commands that need the library's files. LibraryError: it is in no folder."""
    from kobza.library.address import folder_of

    return folder_of(named_library(args))


def count(text: str) -> int:
    """The type of an argument that is 1 or more."""
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a count; give 1 or more")
    return int(text)


def seconds(text: str) -> float:
    """The type of a point in time: 90, 1:30 or 1:02:30."""
    if not re.fullmatch(r"(\d+:)?(\d+:)?\d+(\.\d+)?", text, re.ASCII):
        raise argparse.ArgumentTypeError(f"{text!r} is no time; give seconds, 1:30 or 1:02:30")
    return sum(float(part) * 60**power for power, part in enumerate(reversed(text.split(":"))))


def takes_wishes(parser: argparse.ArgumentParser) -> None:
    """Let "-drums" be a wish and no option: whatever has one dash and is longer than an option (and no -k20).

    argparse takes no argument that begins with a space for an option, and whoever reads wishes strips it.
    """
    parse = parser.parse_known_args

    def parse_known_args(words, namespace=None):
        return parse([f" {word}" if re.match(r"-(?!-)(?!k\d+$)..", word) else word for word in words], namespace)

    parser.parse_known_args = parse_known_args


def shard(text: str) -> tuple[int, int]:
    """The type of an argument like 2/4: the second of four parts."""
    part = re.fullmatch(r"(\d+)/(\d+)", text, re.ASCII)
    if not part or not 1 <= int(part[1]) <= int(part[2]):
        raise argparse.ArgumentTypeError(f"{text!r} is no part; give I/N with I from 1 to N, like 2/4")
    return int(part[1]), int(part[2])
