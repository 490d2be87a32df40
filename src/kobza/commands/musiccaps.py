"""Commands that fetch data: musiccaps download."""

import argparse

from kobza.commands.arguments import SubCommands, command, count
from kobza.terminal import progress_bar, say


def add(commands: SubCommands) -> None:
    """Declare the sub-commands of this module."""
    text = "Fetch MusicCaps, the captioned music that the thesis trains on."
    musiccaps = commands.add_parser("musiccaps", help=text, description=text)
    actions = musiccaps.add_subparsers(metavar="ACTION", required=True)
    fetch = command(
        actions,
        download,
        "Fetch the clips from YouTube; a stopped run resumes with the same command.",
        examples=("kobza musiccaps download data/musiccaps",),
    )
    fetch.add_argument("out", metavar="OUT", help="the folder for the clips, metadata.jsonl and missing.csv")
    fetch.add_argument("--workers", type=count, default=8, metavar="N", help="clips at a time (default: %(default)s)")
    fetch.add_argument("--table", metavar="CSV", help="with MusicCaps' columns (default: google/MusicCaps on the Hub)")
    fetch.add_argument("--url", metavar="URL", help="a video's address, with {ytid} in it (default: YouTube)")


def download(args: argparse.Namespace) -> int:
    from kobza.audio import printable
    from kobza.data.musiccaps_download import download
    from kobza.data.video_clips import PERMANENT_REASONS, YOUTUBE
    from kobza.library import Progress

    with progress_bar("reading the table") as update:

        def progress(done: int, total: int, summary: str) -> None:
            update(Progress(done, total, done / total, summary))

        outcome = download(args.out, args.table, args.workers, args.url or YOUTUBE, progress)
    out = printable(args.out)
    print(
        f"{outcome.present} clips in {out}: {outcome.fetched} fetched now, {outcome.present - outcome.fetched} before"
    )
    missing = sum(outcome.missing.values())
    if missing:
        reasons = ", ".join(f"{count} {reason}" for reason, count in outcome.missing.items())
        print(f"{missing} missing: {reasons}; the error messages are in {out}/missing.csv")
    retried = sum(count for reason, count in outcome.missing.items() if reason not in PERMANENT_REASONS)
    if retried:
        say(f"The same command tries {retried} of them again.")
    return 0 if outcome.present else 1
