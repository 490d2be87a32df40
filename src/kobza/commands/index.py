"""Your music: index, sync, reindex, remove, info, demo."""

import argparse
import os
from pathlib import Path

from kobza.commands.arguments import command, library_folder, open_library, shard, which_library
from kobza.terminal import progress_bar, say


def add(commands) -> None:
    """Declare this file's sub-commands."""
    which = which_library()
    paths = argparse.ArgumentParser(add_help=False)
    paths.add_argument("paths", nargs="+", metavar="PATH")

    into = command(commands, index, "Add folders or files of music; known ones are looked at again.", which)
    into.add_argument(
        "paths", nargs="*", metavar="PATH", help="a folder, a file, or an address such as s3://bucket/music"
    )
    into.add_argument("--list", metavar="FILE", help="a file that names more of these, one a line")
    into.add_argument(
        "--shard", type=shard, metavar="I/N", help="only the I-th of N parts, for N machines (see README)"
    )
    into.add_argument("--engine", choices=("local", "ray"), default="local", help="where to embed (default: local)")
    command(commands, sync, "Look again into all folders that were added.", which)
    command(commands, reindex, "Make the library anew, with another checkpoint if --model names one.", which)
    command(commands, remove, "Forget tracks, or all tracks of a folder. The files stay.", paths, which)
    command(commands, info, "Say what the library holds and which model made it.", which)
    command(commands, demo, "Make a small album, index it and ask it eight questions.", which).add_argument(
        "--folder", metavar="DIR", help="where the album goes (default: kobza-demo in your cache folder)"
    )


def _print_report(report) -> int:
    """The counts, and each failure with its reason. 1 if nothing went well."""
    for failure in report.failed:
        say(f"failed: {failure.reason}")
    print(report)
    went_well = report.added + report.changed + report.unchanged + report.moved + report.removed
    if not went_well and not report.failed:
        say("No recordings there; name a folder with music in it.")
    return 0 if went_well else 1


def index(args: argparse.Namespace) -> int:
    engine = {}
    if args.engine == "ray":
        from kobza.library.ingest.ray import embed_on_ray

        engine = {"engine": embed_on_ray}
    paths = args.paths + ([*filter(None, Path(args.list).read_bytes().splitlines())] if args.list else [])
    if not paths:
        say("Name the folders or files of music to index, or a file that lists them with --list.")
        return 2
    with open_library(args) as library, progress_bar() as progress:
        report = library.add(map(os.fsdecode, paths), progress, args.shard, **engine)
    return _print_report(report)


def sync(args: argparse.Namespace) -> int:
    with open_library(args) as library, progress_bar() as progress:
        if not library.folders:
            say("The library knows no folder yet; add one with: kobza index FOLDER")
            return 1
        report = library.sync(progress)
    return _print_report(report)


def reindex(args: argparse.Namespace) -> int:
    from kobza.library.ingest.reindex import reindex

    with progress_bar() as progress:
        report = reindex(library_folder(args), args.model, progress)
    return _print_report(report)


def remove(args: argparse.Namespace) -> int:
    with open_library(args) as library:
        report = library.remove(args.paths)
    print(f"{report.removed} removed")
    if not report.removed:
        say("No track of the library is there; `kobza search` prints the paths it knows.")
    return 0 if report.removed else 1


def info(args: argparse.Namespace) -> int:
    from kobza.audio import printable

    with open_library(args, read_only=True) as library:
        meta, totals = library.store.meta, library.store.count()
        print(f"library      {library.address}")
        print(f"tracks       {totals.tracks} ({totals.seconds / 3600:.1f} hours, {totals.windows} windows)")
        print(f"model        {meta.get('model', 'none yet')}")
        print(f"fingerprint  {meta.get('fingerprint', 'none yet')}")
        for folder in library.folders:
            print(f"folder       {printable(folder)}")
    return 0


def demo(args: argparse.Namespace) -> int:
    from kobza.library.demo import default_demo_folder, run_demo

    folder = Path(args.folder) if args.folder else default_demo_folder()
    say(f"Composing, indexing and searching an album of its own in {folder}")
    with progress_bar("composing") as progress:
        answers = run_demo(folder, args.library, args.model, progress)
    for answer in answers:
        print(f"\n{answer.query.text}  [{'right' if answer.right else 'wrong'}]")
        for hit, piece in answer.best:
            print(f"  {hit.score:.3f}  {piece.title}: {piece.caption}")
    print(f"\n{sum(a.right for a in answers)} of {len(answers)} queries put a right piece first")
    return 0
