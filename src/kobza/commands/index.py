"""Commands that fill a library and describe it: index, sync, reindex, info, demo."""

import argparse
import json
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

from kobza.commands.arguments import (
    CommandParser,
    SubCommands,
    command,
    encoding,
    exclusion_lines,
    length,
    library_folder,
    library_options,
    open_library,
    shard,
)
from kobza.terminal import progress_bar, say

if TYPE_CHECKING:
    from kobza.library import Report
    from kobza.library.indexing import EmbeddingEngine


def add(commands: SubCommands) -> None:
    """Declare the sub-commands of this module."""
    options = library_options()
    tags = CommandParser(add_help=False)
    tags.add_argument(
        "--tags",
        action="store_true",
        help="also read the tags of unchanged files again, without embedding anything",
    )
    tags.add_argument(
        "--tag-encoding",
        type=encoding,
        metavar="NAME",
        help="the encoding of tags that do not name theirs, such as cp1251; the library keeps it (auto: guess)",
    )
    analysis = CommandParser(add_help=False)
    analysis.add_argument(
        "--analyze",
        action="store_true",
        help="also find tempo, key, loudness and energy, of tracks indexed before too (needs kobza[analysis])",
    )
    indexed = command(
        commands,
        index,
        "Add folders or files of music; only new and changed files are read.",
        tags,
        analysis,
        options,
        examples=("kobza index ~/Music", "kobza index /media/usb/jazz new-song.flac", "kobza index --list paths.txt"),
    )
    indexed.add_argument(
        "paths", nargs="*", metavar="PATH", help="a folder, a file, or an address such as s3://bucket/music"
    )
    indexed.add_argument(
        "--list", metavar="FILE", help="a playlist (m3u, pls), or a text file with one of these on each line"
    )
    indexed.add_argument(
        "--shard", type=shard, metavar="I/N", help="only the I-th of N parts, for N machines (see docs/operate.md)"
    )
    indexed.add_argument(
        "--engine", choices=("local", "ray"), default="local", help="where to embed (default: %(default)s)"
    )
    indexed.add_argument(
        "--max-length",
        type=length,
        metavar="LENGTH",
        help="leave out what is longer, such as 1h; from now on, also in sync (see: kobza exclude)",
    )
    synced = command(
        commands,
        sync,
        "Scan all folders again that were added before.",
        tags,
        analysis,
        options,
        examples=("kobza sync", "kobza sync --analyze", "kobza sync --tags", "kobza sync --tags --tag-encoding cp1251"),
    )
    for parser in (indexed, synced):
        parser.add_argument("--retry", action="store_true", help="read files again that failed and have not changed")
        parser.add_argument("--show-skipped", action="store_true", help="list what was passed over, and why")
    command(
        commands,
        reindex,
        "Rebuild the library, with another model if --model names one.",
        options,
        examples=("kobza reindex --model laion/clap-htsat-unfused",),
    )
    described = command(
        commands,
        info,
        "Show what the library contains and which model made it.",
        options,
        examples=("kobza info", "kobza info --json"),
    )
    described.add_argument("--json", action="store_true", help="print a JSON object")
    described.add_argument("--failed", action="store_true", help="list the files that failed, with the reasons")
    shown = command(
        commands, demo, "Render a small album, index it and run eight searches.", options, examples=("kobza demo",)
    )
    shown.add_argument(
        "--folder", metavar="DIR", help="where the album goes (default: kobza-demo in your cache folder)"
    )


def _print_report(report: "Report", show_skipped: bool = False) -> int:
    """Print the counts, each new failure, and what was skipped. The exit code: 1 if there is no success."""
    from kobza.audio import printable

    for failure in report.failed:
        if not failure.is_known:
            say(f"failed: {failure.reason}")
    if known := sum(failure.is_known for failure in report.failed):
        say(f"failed before: {known} (list: kobza info --failed; another try: --retry)")
    if show_skipped:
        for skipped in report.skipped:
            say(f"skipped: {printable(skipped.path)} ({skipped.reason})")
    elif report.skipped:
        kinds = Counter(skipped.reason for skipped in report.skipped).most_common()
        say(f"skipped: {', '.join(f'{reason} ({count})' for reason, count in kinds)}; list them with --show-skipped")
    print(report)
    succeeded = report.added + report.changed + report.unchanged + report.moved + report.removed
    succeeded += report.retagged + report.excluded
    if not succeeded and not report.failed:
        say("No recordings were found; name a folder with music in it.")
    return 0 if succeeded else 1


def index(args: argparse.Namespace) -> int:
    paths = list(args.paths)
    if args.list:
        from kobza.library.ingest.path_list import read_path_list

        paths += read_path_list(args.list)
    if not paths:
        say("Name folders or files of music to index, or a file that lists them with --list.")
        return 2
    with open_library(args) as library, progress_bar() as progress:
        if args.max_length:
            library.exclude(max_length=args.max_length)
        if args.engine == "ray":
            from kobza.library.ingest.ray import embed_on_ray

            engine: EmbeddingEngine = embed_on_ray
        else:
            from kobza.library.ingest.embed import embed_jobs

            engine = embed_jobs
        report = library.add(
            paths, progress, args.shard, engine, args.tags, args.tag_encoding, args.analyze, args.retry
        )
    return _print_report(report, args.show_skipped)


def sync(args: argparse.Namespace) -> int:
    from kobza.players.refresh import refresh_all

    with open_library(args) as library:
        if not library.folders:
            say("No folder has been added to the library yet; add one with: kobza index FOLDER")
            return 1
        with progress_bar() as progress:
            report = library.sync(progress, args.tags, args.tag_encoding, args.analyze, args.retry)
        if refreshed := refresh_all(library, say):
            say(f"Saved playlists refreshed: {refreshed}")
    return _print_report(report, args.show_skipped)


def reindex(args: argparse.Namespace) -> int:
    from kobza.library.ingest.reindex import reindex

    with progress_bar() as progress:
        report = reindex(library_folder(args), args.model, progress)
    return _print_report(report)


def info(args: argparse.Namespace) -> int:
    from kobza.audio import printable
    from kobza.library.arithmetic import noted
    from kobza.library.paths import path_to_text

    with open_library(args, read_only=True) as library:
        if args.failed:
            for failure in library.store.failures().values():
                print(failure.reason)
            return 0
        meta, totals = library.store.meta, library.store.count()
        if args.json:
            described = {
                "library": str(library.address),
                "tracks": totals.tracks,
                "windows": totals.windows,
                "seconds": totals.seconds,
                "model": meta.get("model"),
                "fingerprint": meta.get("fingerprint"),
                "arithmetic": noted(meta),
                "failed": len(library.store.failures()),
                "folders": [path_to_text(folder) for folder in library.folders],
                "excluded": {
                    "paths": [path_to_text(path) for path in sorted(library.exclusions.paths)],
                    "patterns": [path_to_text(pattern) for pattern in library.exclusions.patterns],
                    "max_length": library.exclusions.max_length,
                },
            }
            print(json.dumps(described, indent=2))
            return 0
        print(f"library      {library.address}")
        print(f"tracks       {totals.tracks} ({totals.seconds / 3600:.1f} hours, {totals.windows} windows)")
        print(f"model        {meta.get('model', 'none yet')}")
        print(f"fingerprint  {meta.get('fingerprint', 'none yet')}")
        print(f"arithmetic   {noted(meta) or 'none yet'}")
        for folder in library.folders:
            print(f"folder       {printable(folder)}")
        if failed := len(library.store.failures()):
            print(f"failed       {failed} (list: kobza info --failed)")
        for line in exclusion_lines(library.exclusions):
            print(f"excluded     {line}")
    return 0


def demo(args: argparse.Namespace) -> int:
    from kobza.audio import printable
    from kobza.library.demo import default_demo_folder, run_demo

    folder = Path(args.folder) if args.folder else default_demo_folder()
    say(f"Rendering, indexing and searching Kobza's own album in {printable(folder)}")
    with progress_bar("starting") as progress:
        answers = run_demo(folder, args.library, args.model, progress)
    for answer in answers:
        print(f"\n{answer.query.text}  [{'correct' if answer.correct else 'wrong'}]")
        for hit, piece in answer.best:
            print(f"  {hit.score:.3f}  {piece.title}: {piece.caption}")
    correct = sum(answer.correct for answer in answers)
    print(f"\n{correct} of {len(answers)} queries ranked a correct piece first")
    return 0
