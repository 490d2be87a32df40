"""Output of the commands that list tracks: their options, a table, JSON, a playlist or paths."""

import argparse
import os
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

from kobza.commands.arguments import CommandParser
from kobza.commands.config import columns_setting
from kobza.config import value_of
from kobza.terminal import print_lines, say, terminal_width

if TYPE_CHECKING:
    from kobza.library import Hit
    from kobza.library.search.table import Layout


def output_options() -> CommandParser:
    """A parent parser with what tracks are printed as."""
    options = CommandParser(add_help=False)
    options.add_argument(
        "--columns",
        type=columns,
        metavar="NAMES",
        help="the table's columns, such as title,artist,album,year,genre,duration,path (default: the setting columns, "
        "or what the terminal has room for; a wrong name lists all)",
    )
    output = options.add_mutually_exclusive_group()
    output.add_argument("--json", action="store_true", help="print a JSON list of objects")
    output.add_argument("--m3u", action="store_true", help="print an M3U8 playlist; with --by moment, VLC begins there")
    output.add_argument("--paths", action="store_true", help="print the paths, one a line")
    output.add_argument(
        "-0", "--null", action="store_true", help="print the paths, each with a zero byte after it, for xargs -0"
    )
    options.add_argument("--relative-to", metavar="DIR", help="the playlist's paths are relative to this folder")
    options.add_argument(
        "--skip-missing",
        action="store_true",
        help="leave out tracks whose files are not there now, as on a disc that is away",
    )
    return options


def columns(text: str) -> list[str]:
    """The argparse type of --columns."""
    from kobza.library.search.columns import column_names

    try:
        return column_names(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from error


def chosen_columns(args: argparse.Namespace) -> list[str] | None:
    """The columns of --columns, or of the setting. ConfigError: the setting names one that does not exist."""
    return args.columns or columns_setting(value_of("columns"))


def print_hits(hits: "Sequence[Hit]", roots: Sequence[str], args: argparse.Namespace) -> None:
    """Print the hits as `args` of `output_options` say. `roots`: the library's folders."""
    from kobza.library.search import formats
    from kobza.library.search.entries import entries_of
    from kobza.library.search.m3u import as_m3u
    from kobza.library.search.table import HITS

    if args.json:
        print(formats.as_json(hits))
    elif args.m3u:
        _write(as_m3u(entries_of(hits, from_moment=getattr(args, "by", None) == "moment"), args.relative_to))
    elif args.paths or args.null:
        end = b"\0" if args.null else b"\n"
        _write(b"".join(os.fsencode(hit.track.file) + end for hit in hits))
    elif hits:
        print_hit_table(hits, roots, args, HITS)


def print_hit_table(hits: "Sequence[Hit]", roots: Sequence[str], args: argparse.Namespace, layout: "Layout") -> None:
    """Print a table with the columns of --columns, or of the setting, or else of `layout`."""
    from kobza.library.search.table import Layout, table

    chosen = chosen_columns(args)
    lines = table(hits, Layout(tuple(chosen)) if chosen else layout, terminal_width(), roots)
    print_lines(lines)
    if chosen and (hidden := chosen[len(lines[0]) :]):
        say(f"The terminal is too narrow for {', '.join(hidden)}; widen it, or choose fewer with --columns.")


def _write(data: bytes) -> None:
    """To standard output, as bytes, because paths are."""
    sys.stdout.flush()
    sys.stdout.buffer.write(data)
    sys.stdout.buffer.flush()
