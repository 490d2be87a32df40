"""The command that makes a playlist from one track to another: playlist. It has sub-commands for saved ones."""

import argparse

from kobza.commands import saved_playlists
from kobza.commands.arguments import SubCommands, command, library_options, open_library, smooth
from kobza.commands.playing import playing_options
from kobza.commands.results import output_options
from kobza.commands.search import find_and_print, selection_options
from kobza.terminal import say


def add(commands: SubCommands) -> None:
    """Declare the sub-commands of this module."""
    parser = command(
        commands,
        playlist,
        "Make a playlist from one track to another in small steps, or keep searches as playlists.",
        selection_options(),
        output_options(),
        playing_options(),
        library_options(),
        examples=(
            "kobza playlist --from a.mp3 --to b.mp3 -k 20 --m3u > evening.m3u8",
            "kobza playlist --from a.mp3 --to b.mp3 --smooth tempo,key",
            'kobza playlist save "Rainy jazz" rainy jazz -k 50',
        ),
    )
    parser.add_argument("--from", dest="first", metavar="TRACK", help="the first track")
    parser.add_argument("--to", dest="last", metavar="TRACK", help="the last track")
    parser.add_argument(
        "--smooth",
        type=smooth,
        default=(),
        metavar="tempo,key",
        help="also change tempo, key or both by small steps (known from tags, or by kobza index --analyze)",
    )
    saved_playlists.add(parser)


def playlist(args: argparse.Namespace) -> int:
    from kobza.library.search.transitions import is_known

    if args.first is None or args.last is None:
        args.parser.error("a playlist needs --from TRACK and --to TRACK, or one of: save, show, list, delete")
    with open_library(args, read_only=True) as library:
        # The way between the ends depends on how many tracks it has, so none is added for one that is missing.
        hits = library.playlist(args.first, args.last, args.k, args.where, args.smooth)
        if unknown := sum(not is_known(hit.track, args.smooth) for hit in hits):
            values = " and ".join(args.smooth)
            say(f"{unknown} of these tracks: {values} not known; find what can be found with: kobza sync --analyze")
        return find_and_print(library, args, lambda n, progress: hits)
