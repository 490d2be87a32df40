"""The command that finds moments in a recording: locate."""

import argparse
import contextlib
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from kobza.commands.arguments import (
    SubCommands,
    command,
    count,
    description_argument,
    library_options,
    open_library,
    seconds,
)
from kobza.commands.matching import say_notes
from kobza.extras import needs
from kobza.terminal import print_table, progress_bar, say, terminal_width

if TYPE_CHECKING:
    from kobza.library import MusicLibrary


def add(commands: SubCommands) -> None:
    """Declare the sub-command of this module."""
    by_moment = command(
        commands,
        locate,
        "Find the moments of a recording that match a description.",
        library_options(),
        examples=(
            'kobza locate mix.mp3 "saxophone solo"',
            'kobza locate mix.mp3 "saxophone solo" --from 1:00:00 --png plot.png',
        ),
    )
    by_moment.add_argument("track", metavar="FILE", help="a track of the library, or any recording")
    description_argument(by_moment, "a description, as for search")
    by_moment.add_argument("-k", type=count, default=5, help="number of moments to list (default: %(default)s)")
    by_moment.add_argument(
        "--from", dest="start", type=seconds, default=0.0, metavar="TIME", help="90, 1:30 or 1:02:30"
    )
    by_moment.add_argument("--to", dest="end", type=seconds, metavar="TIME", help="the same")
    by_moment.add_argument("--json", action="store_true", help="print every window with its score as JSON")
    by_moment.add_argument("--png", metavar="FILE", help="plot the score over time")


@contextlib.contextmanager
def _existing_or_empty_library(args: argparse.Namespace) -> "Iterator[MusicLibrary]":
    """The library, or a temporary empty one if none was named and the default one does not exist."""
    from kobza.folders import NoHomeError
    from kobza.library import MusicLibrary, default_library_address

    try:
        exists = bool(args.library) or not default_library_address().is_absent()
    except NoHomeError:
        exists = False
    if exists:
        with open_library(args, read_only=True) as library:
            yield library
    else:
        with tempfile.TemporaryDirectory() as folder, MusicLibrary.open(folder, args.model) as library:
            yield library


def locate(args: argparse.Namespace) -> int:
    from kobza.library.search import formats

    text = args.text
    if args.png:
        with needs("--png", "plot"):
            from kobza.evaluation.plots import plot_score_over_time
    with _existing_or_empty_library(args) as library:
        with progress_bar("listening") as progress:
            scores = library.locate(args.track, text, args.start, args.end, progress)
        say_notes(library, text)
    best = scores.best(args.k)
    if args.png:
        plot_score_over_time(scores.moments, f"{Path(scores.path).name}: {text}", Path(args.png))
    if formats.no_good_match(best):
        say("No moment is a good match; the closest are:")
    if args.json:
        print(formats.moments_json(scores))
    else:
        print(formats.sparkline(scores, min(formats.SPARKLINE_WIDTH, terminal_width() or formats.SPARKLINE_WIDTH)))
        print_table(formats.moments_table(best))
    return 0
