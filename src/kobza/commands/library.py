"""Commands that maintain a library: library check, repair, export, import, copy."""

import argparse
from contextlib import closing
from pathlib import Path

from kobza.commands.arguments import SubCommands, command, library_folder, library_option, named_library
from kobza.terminal import progress_bar


def add(commands: SubCommands) -> None:
    """Declare the sub-commands of this module."""
    text = "Check, repair, export, import or copy the library."
    group = commands.add_parser("library", help=text, description=text).add_subparsers(metavar="COMMAND", required=True)
    options = library_option()
    command(group, check, "Look for damage in the library.", options, examples=("kobza library check",))
    command(
        group,
        repair,
        "Repair what can be repaired; damaged parts are kept in a copy beside it.",
        options,
        examples=("kobza library repair",),
    )
    written = command(
        group,
        export,
        "Write all tracks to one file: with their vectors as Parquet, or their tags alone as CSV.",
        options,
        examples=("kobza library export backup.parquet", "kobza library export tracks.csv"),
    )
    written.add_argument("file", metavar="FILE", type=Path, help="a name that ends in .parquet or .csv")
    read = command(
        group,
        import_,
        "Add the tracks of an exported Parquet file to the library.",
        options,
        name="import",
        examples=("kobza library import backup.parquet",),
    )
    read.add_argument("file", metavar="FILE.parquet", type=Path, help="as kobza library export writes it")
    copied = command(
        group,
        copy,
        "Copy all tracks from one library to another, without embedding them again.",
        examples=("kobza library copy ~/library milvus://localhost:19530/music",),
    )
    copied.add_argument("source", metavar="A", help="the folder of a library, or milvus://HOST:PORT/NAME")
    copied.add_argument("target", metavar="B", help="the same of another one, created if absent; its own tracks stay")


def check(args: argparse.Namespace) -> int:
    from kobza.audio import printable
    from kobza.library.stores.integrity import check

    folder = library_folder(args)
    problems = check(folder)
    for problem in problems:
        print(problem.message)
    summary = f"problems found: {len(problems)}" if problems else "no problems found"
    print(f"{printable(folder)}: {summary}")
    return 1 if problems else 0


def repair(args: argparse.Namespace) -> int:
    from kobza.library.stores.integrity import repair

    done = repair(library_folder(args))
    print("\n".join(done) if done else "There was nothing to repair.")
    return 0


def export(args: argparse.Namespace) -> int:
    from kobza.audio import printable
    from kobza.library import open_store
    from kobza.library.ingest.csv import export_csv
    from kobza.library.ingest.parquet import export_library

    kind = args.file.suffix.lower()
    if kind not in (".parquet", ".csv"):
        raise ValueError(
            f"{printable(args.file)} ends in neither .parquet nor .csv: a .parquet file has the vectors, too, and can "
            "be imported again, a .csv file has the tags alone; name one of these."
        )
    with closing(open_store(named_library(args), read_only=True)) as store:
        written = export_csv(store, args.file) if kind == ".csv" else export_library(store, args.file)
    print(f"{written} tracks exported")
    return 0


def import_(args: argparse.Namespace) -> int:
    from kobza.library import open_store
    from kobza.library.ingest.parquet import import_library

    with closing(open_store(named_library(args))) as store:
        print(f"{import_library(store, args.file)} tracks imported")
    return 0


def copy(args: argparse.Namespace) -> int:
    from kobza.library.ingest.copy import copy_library

    with progress_bar() as progress:
        print(copy_library(args.source, args.target, progress))
    return 0
