"""Commands that search a library: search, play, similar."""

import argparse
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, TypeAlias

from kobza.commands.arguments import (
    CommandParser,
    Configured,
    SubCommands,
    command,
    count,
    description_argument,
    library_options,
    open_library,
)
from kobza.commands.matching import explain, explain_option, limit_options, limits_of, matching_option, say_notes
from kobza.commands.playing import find_hits, play_hits, playing_options, wants_player
from kobza.commands.results import chosen_columns, output_options, print_hits
from kobza.terminal import progress_if_any, say

if TYPE_CHECKING:
    from kobza.library import Hit, MusicLibrary, Progress

    Find: TypeAlias = Callable[[int, Callable[[Progress], None]], Sequence[Hit]]

MAX_NAMES = 3  # in a message


def selection_options() -> CommandParser:
    """A parent parser with how many tracks, and which."""
    options = CommandParser(add_help=False)
    options.add_argument("-k", type=count, default=Configured("k"), help="number of tracks (default: %(default)s)")
    options.add_argument(
        "--where",
        metavar="FILTER",
        help='only tracks that pass this filter, such as "year >= 1980 and genre in (jazz, blues)"',
    )
    return options


def ranking_options() -> CommandParser:
    """A parent parser with --by."""
    options = CommandParser(add_help=False)
    options.add_argument(
        "--by", choices=("track", "moment"), default="track", help="rank tracks as a whole, or by their best moment"
    )
    return options


def add(commands: SubCommands) -> None:
    """Declare the sub-commands of this module."""
    options, results, ranking = library_options(), selection_options(), ranking_options()
    output, playing = output_options(), playing_options()
    matching, limits = matching_option(), limit_options()
    by_text = command(
        commands,
        search,
        "Find music that matches a description.",
        results,
        matching,
        explain_option(),
        ranking,
        limits,
        output,
        playing,
        options,
        examples=(
            'kobza search "slow sad piano" -k 20',
            "kobza search piano^2 strings -drums",
            'kobza search "piano by Nina Simone" --explain',
            'kobza search "drum solo" --by moment --where "year < 1980 and genre = jazz"',
            'kobza search "rainy jazz" --m3u > rain.m3u8',
            "kobza search waltz --columns title,artist,year,duration",
            "kobza search waltz -0 | xargs -0 du -ch",
        ),
    )
    description_argument(by_text, 'such as "slow piano -drums", or piano^2 strings')

    played = command(
        commands,
        play,
        "Play music that matches a description, each track from the moment that fits best.",
        results,
        matching,
        ranking,
        limits,
        playing_options(always=True),
        options,
        examples=(
            'kobza play "slow sad piano" -k 20',
            'kobza play "rainy jazz" --queue --per-artist 2',
            'kobza play "rainy jazz" --mpd localhost:6600',
            "kobza play rainy jazz -k 50 --subsonic https://ann@nas --playlist Rain",
        ),
    )
    description_argument(played, "a description, as for search")

    by_track = command(
        commands,
        similar,
        "Find music that sounds like a track.",
        results,
        ranking,
        limits,
        output,
        playing,
        options,
        examples=(
            "kobza similar song.mp3",
            'kobza similar song.mp3 --but "calmer -drums"',
            'kobza similar "so what" "blue in green" --minus "freddie freeloader"',
        ),
    )
    by_track.takes_query = True
    by_track.add_argument(
        "track",
        nargs="+",
        metavar="TRACK",
        help="a track of the library, by its path, a part of it or its title; or any recording; or several",
    )
    by_track.add_argument(
        "--minus", action="append", default=[], metavar="TRACK", help="a track that the results should not sound like"
    )
    by_track.add_argument(
        "--but", metavar="TEXT", help='what should be different, such as "calmer" or "more strings -drums"'
    )


def search_arguments(args: argparse.Namespace) -> dict[str, Any]:
    """The arguments of `saved.run_search` that the options of a search stand for; a saved search keeps them."""
    arguments = {name: getattr(args, name) for name in ("text", "k", "where", "by", "match", "per_artist", "per_album")}
    return {name: value for name, value in arguments.items() if value is not None}


def find_and_print(library: "MusicLibrary", args: argparse.Namespace, find: "Find") -> int:
    """Find the args.k best hits, and print or play them. `find`: n, and what to tell of the progress -> the n best."""
    if not wants_player(args):
        chosen_columns(args)  # a mistake in the settings is said before anything is searched
    with progress_if_any() as progress:
        hits = find_hits(args, lambda n: find(n, progress))
    return _print_hits(library, hits, args)


def _print_hits(library: "MusicLibrary", hits: "Sequence[Hit]", args: argparse.Namespace) -> int:
    """Print the hits, and on standard error what is to be said of them. The exit code: 1 if there are none."""
    from kobza.audio import printable
    from kobza.library.search.formats import no_good_match

    if getattr(args, "but", None) is not None:
        say_notes(library, args.but, changes=True)
    elif hasattr(args, "text"):
        say_notes(library, args.text)
    for sentence in library.unknown_values(args.where, [hit.track for hit in hits]):
        say(sentence)
    if not hits:
        if not len(library):
            say("The library is empty; fill it with: kobza index FOLDER")
        elif getattr(args, "match", None) == "tags":
            say("No tag or file name has a word of this query; search by the sound as well, without --match tags.")
        elif args.where:
            say("No track passes the filter; use a less strict one.")
        else:
            say("The library has no other track yet; add more with: kobza index FOLDER")
    elif no_good_match(hits):
        say("No track is a good match; the closest are:")
    if wants_player(args):
        return play_hits(hits, args) if hits else 1
    print_hits(hits, library.folders, args)
    if getattr(args, "explain", False):
        explain(hits)
    if away := [printable(hit.track.path) for hit in hits if not hit.available]:
        names = ", ".join(away[:MAX_NAMES]) + (f" and {len(away) - MAX_NAMES} more" if len(away) > MAX_NAMES else "")
        say(f"Not there now: {names}; leave out what is on a disc elsewhere with: --skip-missing")
    return 0 if hits else 1


def search(args: argparse.Namespace) -> int:
    from kobza.library.search.saved import run_search

    arguments = search_arguments(args)
    with open_library(args, read_only=True) as library:
        return find_and_print(
            library, args, lambda n, progress: run_search(library, **arguments | {"k": n}, progress=progress)
        )


def play(args: argparse.Namespace) -> int:
    return search(argparse.Namespace(skip_missing=False, **vars(args)))


def similar(args: argparse.Namespace) -> int:
    with open_library(args, read_only=True) as library:
        return find_and_print(
            library,
            args,
            lambda n, progress: library.similar(
                args.track, n, args.where, args.by, args.but, args.minus, limits_of(args), progress
            ),
        )
