"""The command `kobza`; its sub-commands are in `commands`.

Slow imports are inside the functions, so that `--help` starts at once.
"""

import argparse
import errno
import io
import os
import sqlite3
import sys
import textwrap
from collections.abc import Iterable

from kobza import __version__
from kobza.commands import (
    completion,
    config,
    evaluate,
    index,
    library,
    listing,
    locate,
    matching,
    musiccaps,
    playlists,
    push,
    removal,
    search,
    serve,
    study,
    watch,
)
from kobza.commands.arguments import CommandParser, SubCommands, with_settings
from kobza.terminal import say

SECTIONS = {  # of `kobza --help`
    "find music": (search, locate, listing, playlists, serve),
    "keep a library": (index, removal, watch, library, matching),
    "set up": (config, completion),
    "evaluate, train and publish models": (musiccaps, evaluate, study, push),
}
HELP_WIDTH = 78  # columns, as argparse has it in a terminal of 80
EXAMPLES = """examples:
  kobza demo                            try it: an album is made and searched
  kobza index ~/Music                   listen to your music, once
  kobza search "slow sad piano" -drums  find some of it
  kobza search --help                   help on a command, with examples"""


def make_parser() -> CommandParser:
    """The parser of the whole command line; the reference page of the docs is generated from it, too."""
    usage = "kobza [-h] [--version] COMMAND ..."
    parser = CommandParser(prog="kobza", usage=usage, description="Search music by describing it.")
    parser.add_argument("--version", action="version", version=f"kobza {__version__}")
    commands: SubCommands = parser.add_subparsers(
        prog="kobza", metavar="COMMAND", help=argparse.SUPPRESS, parser_class=CommandParser
    )
    parts = []
    for title, modules in SECTIONS.items():
        before = set(commands.choices)
        for module in modules:
            module.add(commands)
        parts.append(_section(title, commands, (name for name in commands.choices if name not in before)))
    parser.epilog = "\n\n".join([*parts, EXAMPLES])
    return parser


def _section(title: str, commands: SubCommands, names: Iterable[str]) -> str:
    lines = [f"{title}:"]
    for name in names:
        text = f"  {name:<12}{commands.choices[name].description}"
        lines += textwrap.wrap(
            text, HELP_WIDTH, subsequent_indent=" " * 14, drop_whitespace=True, break_on_hyphens=False
        )
    return "\n".join(lines)


def main(argv: list[str] | None = None) -> int:
    """Run the command line.

    Returns:
        The exit code: 0, the command did what was asked; 1, it did not, and said why: an error, nothing found, or
        faults found by a check; 2, the command line is not understood; 130, interrupted.
    """
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:  # closed by who started this, as by `>&-`
            setattr(sys, name, open(os.devnull, "w"))  # noqa: SIM115 (until the end)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # a tag must not fail on a terminal that cannot show its letters
            stream.reconfigure(errors="backslashreplace")
    parser = make_parser()
    if "_ARGCOMPLETE" in os.environ:  # the shell asks for completions
        completion.complete(parser)
    args, not_understood = parser.parse_known_args(argv)
    if not_understood:
        getattr(args, "parser", parser).refuse(not_understood)
    if not hasattr(args, "function"):  # `kobza` alone
        parser.print_help(sys.stderr)
        return 2
    try:
        code: int = args.function(with_settings(args))
        return code
    except KeyboardInterrupt:
        say("Stopped. Finished tracks are stored; the same command continues from there.")
        return 130
    except BrokenPipeError:  # the reader has closed the pipe, such as `| head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except OSError as error:
        from kobza.audio import printable

        reason = f"{printable(error.filename)}: {error.strerror}" if error.filename and error.strerror else str(error)
        if error.errno == errno.ENOSPC and not error.filename:
            reason = "The output cannot be written, because its disk is full; write it elsewhere."
        say(f"kobza: {reason}")
        return 1
    except (ValueError, sqlite3.Error) as error:
        say(f"kobza: {error}")
        return 1
    except Exception as error:  # an error in Kobza, or in a library that it calls
        from kobza.internal_error import InternalError, internal_error

        say(f"kobza: {error if isinstance(error, InternalError) else internal_error(error)}")
        return 1


if __name__ == "__main__":
    sys.exit(main())
