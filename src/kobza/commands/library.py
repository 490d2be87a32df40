"""The library as a thing to be looked after: library check, repair, export, import, copy."""

import argparse
from pathlib import Path

from kobza.commands.arguments import command, library_folder, named_library
from kobza.terminal import progress_bar


def add(commands) -> None:
    """Declare this file's sub-commands."""
    text = "Look after the library itself."
    care = commands.add_parser("library", help=text, description=text).add_subparsers(metavar="COMMAND", required=True)
    where, file = argparse.ArgumentParser(add_help=False), argparse.ArgumentParser(add_help=False)
    where.add_argument("--library", metavar="DIR", help="the library (default: $KOBZA_LIBRARY, or your own)")
    file.add_argument("file", metavar="FILE.parquet", type=Path)
    command(care, check, "Look for anything in the library that is not whole.", where)
    command(care, repair, "Mend what can be mended; what is damaged is kept beside it.", where)
    command(care, export, "Write all tracks, with their vectors, into one file.", where, file)
    command(care, import_, "Put the tracks of an exported file into the library.", where, file, name="import")
    text = "Bring all tracks of a library into another, wherever that is, without embedding them again."
    two = command(care, copy, text)
    two.add_argument("source", metavar="A", help="a library's folder, or milvus://HOST:PORT/NAME")
    two.add_argument("target", metavar="B", help="another's, made if absent; what it has already stays")


def check(args: argparse.Namespace) -> int:
    from kobza.audio import printable
    from kobza.library.stores.integrity import check

    folder = library_folder(args)
    problems = check(folder)
    for problem in problems:
        print(problem.sentence)
    print(f"{printable(folder)}: {f'{len(problems)} of its parts not whole' if problems else 'all is well'}")
    return 1 if problems else 0


def repair(args: argparse.Namespace) -> int:
    from kobza.library.stores.integrity import repair

    done = repair(library_folder(args))
    print("\n".join(done) if done else "There was nothing to mend.")
    return 0


def export(args: argparse.Namespace) -> int:
    from kobza.library import open_store
    from kobza.library.ingest.parquet import export_library

    store = open_store(named_library(args), read_only=True)
    try:
        print(f"{export_library(store, args.file)} tracks exported")
    finally:
        store.close()
    return 0


def import_(args: argparse.Namespace) -> int:
    from kobza.library import open_store
    from kobza.library.ingest.parquet import import_library

    store = open_store(named_library(args))
    try:
        print(f"{import_library(store, args.file)} tracks imported")
    finally:
        store.close()
    return 0


def copy(args: argparse.Namespace) -> int:
    from kobza.library.ingest.copy import copy_library

    with progress_bar() as progress:
        print(copy_library(args.source, args.target, progress))
    return 0
