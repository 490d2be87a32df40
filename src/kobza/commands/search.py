"""Questions to your music: search, similar, locate, playlist."""

import argparse
import contextlib
import sys
import tempfile
from pathlib import Path

from kobza.commands.arguments import command, count, open_library, seconds, takes_wishes, which_library
from kobza.terminal import print_table, progress_bar, say


def add(commands) -> None:
    """Declare this file's sub-commands."""
    which = which_library()
    wanted = argparse.ArgumentParser(add_help=False)
    wanted.add_argument("-k", type=count, default=10, help="how many tracks (default: 10)")
    wanted.add_argument(
        "--where", metavar="FILTER", help='only tracks that pass, like "year >= 1980 and genre in (jazz, blues)"'
    )
    form = wanted.add_mutually_exclusive_group()
    form.add_argument("--json", action="store_true", help="print a list of objects, for programs")
    form.add_argument("--m3u", action="store_true", help="print a playlist, for players")
    ranked = argparse.ArgumentParser(add_help=False)
    ranked.add_argument(
        "--by", choices=("track", "moment"), default="track", help="rank whole tracks, or their best moments"
    )

    described = command(commands, search, "Find music by a description.", wanted, ranked, which)
    described.add_argument("text", nargs="+", metavar="TEXT", help='like "slow piano -drums", or piano^2 strings')
    takes_wishes(described)

    alike = command(commands, similar, "Find music that sounds like a track.", wanted, ranked, which)
    alike.add_argument("track", metavar="TRACK")
    alike.add_argument("--but", metavar="TEXT", help='what should be different, like "calmer" or "more strings -drums"')
    takes_wishes(alike)

    where = command(commands, locate, "Find the moments of a recording that a description fits.", which)
    where.add_argument("track", metavar="FILE", help="of the library, or any recording")
    where.add_argument("text", nargs="+", metavar="TEXT")
    where.add_argument("-k", type=count, default=5, help="how many moments are listed (default: 5)")
    where.add_argument("--from", dest="start", type=seconds, default=0.0, metavar="TIME", help="90, 1:30 or 1:02:30")
    where.add_argument("--to", dest="end", type=seconds, metavar="TIME")
    where.add_argument("--json", action="store_true", help="print every window with its score, for programs")
    where.add_argument("--png", metavar="FILE", help="draw the score over time")
    takes_wishes(where)

    ordered = command(commands, playlist, "Go from one track to another by small steps.", wanted, which)
    ordered.add_argument("--from", dest="first", required=True, metavar="TRACK")
    ordered.add_argument("--to", dest="last", required=True, metavar="TRACK")


def _print_hits(library, hits, args: argparse.Namespace) -> int:
    from kobza.library.search import formats

    if not hits and not (args.json or args.m3u):
        if not len(library):
            say("The library is empty; fill it with: kobza index FOLDER")
        elif args.where:
            say("No track passes the filter; widen it.")
        else:
            say("There is no other track in the library yet; add more with: kobza index FOLDER")
        return 1
    if formats.nothing_fits(hits):
        say("Nothing here fits well; the nearest are:")
    if args.json:
        print(formats.as_json(hits))
    elif args.m3u:
        sys.stdout.flush()
        sys.stdout.buffer.write(formats.as_m3u(hits))
        sys.stdout.buffer.flush()
    else:
        print_table(formats.as_table(hits))
    return 0


def search(args: argparse.Namespace) -> int:
    with open_library(args, read_only=True) as library:
        return _print_hits(library, library.search(" ".join(args.text), args.k, args.where, args.by), args)


def similar(args: argparse.Namespace) -> int:
    with open_library(args, read_only=True) as library:
        return _print_hits(library, library.similar(args.track, args.k, args.where, args.by, args.but), args)


def playlist(args: argparse.Namespace) -> int:
    with open_library(args, read_only=True) as library:
        return _print_hits(library, library.playlist(args.first, args.last, args.k, args.where), args)


@contextlib.contextmanager
def _library_if_any(args: argparse.Namespace):
    """For a question about any recording: an empty library if none was named and there is none."""
    from kobza.folders import NoHomeError
    from kobza.library import MusicLibrary, default_library_address

    try:
        there = args.library or not default_library_address().is_absent()
    except NoHomeError:
        there = False
    if there:
        with open_library(args, read_only=True) as library:
            yield library
    else:
        with tempfile.TemporaryDirectory() as folder, MusicLibrary.open(folder, args.model) as library:
            yield library


def locate(args: argparse.Namespace) -> int:
    from kobza.library.search import formats

    text = " ".join(args.text)
    if args.png:
        try:
            from kobza.evaluation.plots import plot_score_over_time
        except ImportError:
            say("To draw, Matplotlib is needed; install it with: pip install 'kobza[plot]'")
            return 1
    with _library_if_any(args) as library, progress_bar("listening") as progress:
        trace = library.locate(args.track, text, args.start, args.end, progress)
    best = trace.best(args.k)
    if args.png:
        plot_score_over_time(trace.moments, f"{Path(trace.path).name}: {text}", Path(args.png))
    if formats.nothing_fits(best):
        say("Nothing there fits well; the nearest moments are:")
    if args.json:
        print(formats.moments_json(trace))
    else:
        print(formats.sparkline(trace))
        print_table(formats.moments_table(best))
    return 0
