"""Commands that show the library without a query: list, values."""

import argparse
import json

from kobza.commands.arguments import CommandParser, SubCommands, command, library_options, open_library
from kobza.commands.config import columns_setting
from kobza.commands.results import output_options, print_hits
from kobza.config import value_of
from kobza.terminal import print_table, say

COLUMNS = ["title", "artist", "album", "genre", "year", "duration", "path"]


def add(commands: SubCommands) -> None:
    """Declare the sub-commands of this module."""
    options = library_options()
    filtered = CommandParser(add_help=False)
    filtered.add_argument("--where", metavar="FILTER", help='only tracks that pass this filter, such as "year 1980s"')
    listed = command(
        commands,
        list_,
        "List the tracks of the library.",
        filtered,
        output_options(),
        options,
        name="list",
        examples=(
            'kobza list --where "genre ~ metal and year 1980s" --sort year',
            "kobza list --sort added- --columns added,title,artist",
        ),
    )
    listed.add_argument(
        "--sort",
        metavar="FIELD",
        default="path",
        help="year, or year- from the last to the first (default: %(default)s)",
    )
    counted = command(
        commands,
        values,
        "Count the values of a field, such as genre.",
        filtered,
        options,
        examples=("kobza values genre", 'kobza values artist --where "genre = jazz" --json'),
    )
    counted.add_argument("field", metavar="FIELD", help="such as genre, artist, year, format")
    counted.add_argument("--json", action="store_true", help="print a JSON list of objects")


def list_(args: argparse.Namespace) -> int:
    from kobza.library.records import Hit
    from kobza.library.search.formats import as_dict

    with open_library(args, read_only=True) as library:
        tracks = library.tracks(args.where, args.sort)
        for sentence in library.unknown_values(args.where, tracks):
            say(sentence)
        if not tracks and not len(library):
            say("The library is empty; fill it with: kobza index FOLDER")
        elif not tracks:
            say("No track passes the filter; use a less strict one.")
        if args.json:
            print(json.dumps([as_dict(track) for track in tracks], indent=2))
        else:
            args.columns = args.columns or columns_setting(value_of("columns")) or COLUMNS
            print_hits([Hit(0.0, track, 0.0) for track in tracks], library.folders, args)
    return 0 if tracks else 1


def values(args: argparse.Namespace) -> int:
    from kobza.library.search import formats

    with open_library(args, read_only=True) as library:
        counts = library.values(args.field, args.where)
    if args.json:
        print(json.dumps([{"value": value, "tracks": count} for value, count in counts], indent=2))
    elif counts:
        print_table(formats.values_table(args.field, counts))
    else:
        say(f"No track has a value for {args.field}.")
    return 0 if counts else 1
