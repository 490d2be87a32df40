"""What a search matches and how many it takes of one artist or album; why it found a track; and copies."""

import argparse
import json
from collections.abc import Sequence
from typing import TYPE_CHECKING

from kobza.commands.arguments import CommandParser, SubCommands, command, count, library_options, open_library
from kobza.terminal import say

if TYPE_CHECKING:
    from kobza.library import Hit, Limits, MusicLibrary


def matching_option() -> CommandParser:
    """A parent parser with --match."""
    options = CommandParser(add_help=False)
    options.add_argument(
        "--match",
        choices=("sound", "tags", "both"),
        help="match the description with the sound, with the words of tags and file names, or with both (the default, "
        "but in Milvus the sound)",
    )
    return options


def explain_option() -> CommandParser:
    """A parent parser with --explain."""
    options = CommandParser(add_help=False)
    options.add_argument("--explain", action="store_true", help="say of each track why it was found")
    return options


def limit_options() -> CommandParser:
    """A parent parser with --per-artist and --per-album."""
    options = CommandParser(add_help=False)
    options.add_argument("--per-artist", type=count, metavar="N", help="at most N tracks of an artist")
    options.add_argument("--per-album", type=count, metavar="N", help="at most N tracks of an album")
    return options


def limits_of(args: argparse.Namespace) -> "Limits":
    from kobza.library import Limits

    return Limits(args.per_artist, args.per_album)


def explain(hits: "Sequence[Hit]") -> None:
    """Say on standard error, of each hit by its number, what of the query matched."""
    from kobza.library.search.explanations import explanation

    for number, hit in enumerate(hits, 1):
        say(f"{number}. {explanation(hit)}")


def add(commands: SubCommands) -> None:
    """Declare the sub-commands of this module."""
    parser = command(
        commands,
        duplicates,
        "List files with the same recording, in whatever format, in groups.",
        library_options(),
        examples=("kobza duplicates", "kobza duplicates --json"),
    )
    parser.add_argument("--json", action="store_true", help="print a JSON list of lists of paths")


def duplicates(args: argparse.Namespace) -> int:
    from kobza.audio import printable
    from kobza.library.paths import path_to_text
    from kobza.library.search.copies import duplicate_groups

    with open_library(args, read_only=True) as library:
        groups = duplicate_groups(library.store.scan())
    if args.json:
        print(json.dumps([[path_to_text(track.path) for track in group] for group in groups], indent=2))
    elif groups:
        print("\n\n".join("\n".join(printable(track.path) for track in group) for group in groups))
        copies = sum(len(some) - 1 for some in groups)
        say(f"Recordings with copies: {len(groups)}; files beyond the first of each: {copies}.")
    else:
        say("No file has the same recording as another.")
    return 0


def say_notes(library: "MusicLibrary", text: str, changes: bool = False) -> None:
    """Say how a description is read, where that is not as it stands: typing errors, what it denies, its language."""
    for note in library.interpret(text, changes).notes:
        say(str(note))
