"""The command `kobza`: each sub-command reads its arguments, calls the package, prints the answer.

Imports of any weight are inside the functions, so that help comes at once.
"""

import argparse
import contextlib
import os
import sqlite3
import sys
from collections.abc import Callable
from pathlib import Path

from kobza.terminal import print_table, progress_bar, say


def _open(args: argparse.Namespace, read_only: bool = False):
    from kobza.library import MusicLibrary

    return MusicLibrary.open(args.library, args.model, read_only=read_only)


def _print_report(report) -> int:
    """The counts, and each failure with its reason. 1 if nothing went well."""
    for failure in report.failed:
        say(f"failed: {failure.reason}")
    print(report)
    went_well = report.added + report.changed + report.unchanged + report.moved + report.removed
    if not went_well and not report.failed:
        say("No recordings there; name a folder with music in it.")
    return 0 if went_well else 1


def _print_hits(library, hits, args: argparse.Namespace) -> int:
    from kobza.library import formats

    if not hits and not (args.json or args.m3u):
        say(
            "The library is empty; fill it with: kobza index FOLDER"
            if not len(library)
            else "There is no other track in the library yet; add more with: kobza index FOLDER"
        )
        return 1
    if args.json:
        print(formats.as_json(hits))
    elif args.m3u:
        sys.stdout.flush()
        sys.stdout.buffer.write(formats.as_m3u(hits))
        sys.stdout.buffer.flush()
    else:
        print_table(formats.as_table(hits))
    return 0


def index(args: argparse.Namespace) -> int:
    with _open(args) as library, progress_bar() as progress:
        report = library.add(args.paths, progress)
    return _print_report(report)


def sync(args: argparse.Namespace) -> int:
    with _open(args) as library, progress_bar() as progress:
        if not library.folders:
            say("The library knows no folder yet; add one with: kobza index FOLDER")
            return 1
        report = library.sync(progress)
    return _print_report(report)


def search(args: argparse.Namespace) -> int:
    with _open(args, read_only=True) as library:
        return _print_hits(library, library.search(" ".join(args.text), args.k), args)


def similar(args: argparse.Namespace) -> int:
    with _open(args, read_only=True) as library:
        return _print_hits(library, library.similar(args.track, args.k), args)


def remove(args: argparse.Namespace) -> int:
    with _open(args) as library:
        report = library.remove(args.paths)
    print(f"{report.removed} removed")
    if not report.removed:
        say("No track of the library is there; `kobza search` prints the paths it knows.")
    return 0 if report.removed else 1


def info(args: argparse.Namespace) -> int:
    from kobza.audio import printable

    with _open(args, read_only=True) as library:
        meta, totals = library.store.meta, library.store.count()
        print(f"library      {printable(library.path.absolute())}")
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


def doctor(args: argparse.Namespace) -> int:
    from kobza.evaluation.doctor import as_table, examine

    name, findings = examine(args.checkpoint)
    wrong = sum(not finding.ok for finding in findings)
    print_table(as_table(findings))
    print(f"{name}: {f'{wrong} of {len(findings)} checks went wrong' if wrong else 'all is well'}")
    return 1 if wrong else 0


def evaluate(args: argparse.Namespace) -> int:
    from kobza.evaluation.commands import run

    return run(args, progress_bar("testing the model"))


def reproduce(args: argparse.Namespace) -> int:
    from kobza.evaluation.reproduce import reproduce

    outcome = reproduce(Path(args.checkpoints), Path(args.data), Path(args.out), say)
    print(f"{outcome.receipts} measured, {len(outcome.failures)} failed: {outcome.report}")
    return 1 if outcome.failures else 0


def _count(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a count; give 1 or more")
    return int(text)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="kobza", description="Search music by describing it.")
    commands = parser.add_subparsers(metavar="COMMAND", required=True)
    common = argparse.ArgumentParser(add_help=False)
    common.add_argument("--library", metavar="DIR", help="the library's folder (default: $KOBZA_LIBRARY, or your own)")
    common.add_argument("--model", metavar="MODEL", help="a checkpoint: a folder or a Hub id (default: kobza-mini)")
    answers = argparse.ArgumentParser(add_help=False)
    answers.add_argument("-k", type=_count, default=10, help="how many tracks (default: 10)")
    form = answers.add_mutually_exclusive_group()
    form.add_argument("--json", action="store_true", help="print a list of objects, for programs")
    form.add_argument("--m3u", action="store_true", help="print a playlist, for players")

    def command(function: Callable, text: str, *parents, library: bool = True) -> argparse.ArgumentParser:
        parents = [*parents, common] if library else parents
        sub = commands.add_parser(function.__name__, help=text, description=text, parents=parents)
        sub.set_defaults(function=function)
        return sub

    command(index, "Add folders or files of music; known ones are looked at again.").add_argument(
        "paths", nargs="+", metavar="PATH"
    )
    command(search, "Find music by a description.", answers).add_argument("text", nargs="+", metavar="TEXT")
    command(similar, "Find music that sounds like a track.", answers).add_argument("track", metavar="TRACK")
    command(sync, "Look again into all folders that were added.")
    command(remove, "Forget tracks, or all tracks of a folder. The files stay.").add_argument(
        "paths", nargs="+", metavar="PATH"
    )
    command(info, "Say what the library holds and which model made it.")
    command(demo, "Make a small album, index it and ask it eight questions.").add_argument(
        "--folder", metavar="DIR", help="where the album goes (default: kobza-demo in your cache folder)"
    )

    command(doctor, "Look for the faults that checkpoints are known to have.", library=False).add_argument(
        "checkpoint", nargs="?", metavar="CHECKPOINT", help="as for evaluate (default: kobza-mini)"
    )

    measured = command(evaluate, "Measure a checkpoint on a data set and write a receipt.", library=False)
    measured.add_argument("checkpoint", metavar="CHECKPOINT", help="a folder or a Hub id; CLAP's too, or LAION's .pt")
    measured.add_argument(
        "--on",
        required=True,
        metavar="SET:DIR[@PART]",
        help="a data set, its folder, which part of it: musiccaps (@test, @eval, @train, @validation), gtzan (@LIST of "
        "files), magnatagatune (@50, @188), pairs, classes",
    )
    measured.add_argument("--prompt", action="append", metavar="TEXT", help='such as "The {} song"; may be repeated')
    measured.add_argument("--ensemble", action="store_true", help="also take the mean of the prompts' embeddings")
    measured.add_argument("--receipt", metavar="FILE", help="the figures, as JSON (default: CHECKPOINT-SET-PART.json)")
    measured.add_argument("--card", metavar="FILE", help="a model card's README.md, to write the figures into its head")

    again = command(reproduce, "Measure all checkpoints on all data sets; one report beside the thesis.", library=False)
    again.add_argument("--checkpoints", required=True, metavar="DIR", help="folders of checkpoints, LAION's .pt files")
    again.add_argument("--data", required=True, metavar="DIR", help="musiccaps, gtzan, magnatagatune, pairs*, classes*")
    again.add_argument(
        "--out", default="kobza-reproduced", metavar="DIR", help="report.md, plots, receipts (default: %(default)s)"
    )
    return parser


def main(argv: list[str] | None = None) -> int:
    """Run the command line; the exit code: 0 fine, 1 an error said in a sentence, 2 wrong usage, 130 interrupted."""
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(AttributeError):
            stream.reconfigure(errors="backslashreplace")  # a tag must not fail on a terminal that lacks its letters
    args = _parser().parse_args(argv)
    try:
        return args.function(args)
    except KeyboardInterrupt:
        say("Stopped. What was finished is stored; the same command goes on from there.")
        return 130
    except BrokenPipeError:  # `| head` has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except OSError as error:
        what = f"{Path(error.filename)}: {error.strerror}" if error.filename and error.strerror else str(error)
        say(f"kobza: {what}")
        return 1
    except (ValueError, sqlite3.Error) as error:
        say(f"kobza: {error}")
        return 1


if __name__ == "__main__":
    sys.exit(main())
