"""The command `kobza`; its sub-commands are in `commands`.

Slow imports are inside the functions, so that `--help` starts at once.
"""

import argparse
import io
import os
import sqlite3
import sys

from kobza import __version__
from kobza.commands import evaluate, index, library, musiccaps, push, search, serve
from kobza.commands.arguments import CommandParser
from kobza.terminal import say

GROUPS = (index, search, library, serve, musiccaps, evaluate, push)  # in the order of `kobza --help`


def make_parser() -> argparse.ArgumentParser:
    """The parser of the whole command line; the reference page of the docs is generated from it, too."""
    parser = argparse.ArgumentParser(prog="kobza", description="Search music by describing it.")
    parser.add_argument("--version", action="version", version=f"kobza {__version__}")
    commands = parser.add_subparsers(metavar="COMMAND", parser_class=CommandParser)
    for group in GROUPS:
        group.add(commands)
    return parser


def main(argv: list[str] | None = None) -> int:
    """Run the command line.

    Returns:
        The exit code: 0 success, 1 an error with a message, 2 wrong usage, 130 interrupted.
    """
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # a tag must not fail on a terminal that cannot show its letters
            stream.reconfigure(errors="backslashreplace")
    parser = make_parser()
    args = parser.parse_args(argv)
    if not hasattr(args, "function"):  # `kobza` alone
        parser.print_help(sys.stderr)
        return 2
    try:
        code: int = args.function(args)
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
