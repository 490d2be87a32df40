"""Commands for what a library leaves out: remove, undo, exclude."""

import argparse
import sys
from typing import TYPE_CHECKING

from kobza.commands.arguments import SubCommands, command, exclusion_lines, length, library_options, open_library
from kobza.terminal import say

if TYPE_CHECKING:
    from kobza.library import MusicLibrary

MAX_UNCONFIRMED_TRACKS = 20  # an album; more are removed only after a question


def add(commands: SubCommands) -> None:
    """Declare the sub-commands of this module."""
    options = library_options()
    removed = command(
        commands,
        remove,
        "Remove tracks or folders from the library. The files stay.",
        options,
        examples=("kobza remove ~/Music/audiobooks", "kobza remove --dry-run ~/Music/audiobooks"),
    )
    removed.add_argument("paths", nargs="+", metavar="PATH", help="a track or a folder")
    removed.add_argument(
        "--yes", action="store_true", help=f"do not ask, however many tracks (more than {MAX_UNCONFIRMED_TRACKS} ask)"
    )
    removed.add_argument("--dry-run", action="store_true", help="print the tracks that would be removed, remove none")
    command(commands, undo, "Take back the last remove of the last hour.", options, examples=("kobza undo",))
    text = "List what the library leaves out, or leave out more: paths, patterns, long recordings."
    excluded = command(
        commands,
        exclude,
        text,
        options,
        examples=(
            "kobza exclude",
            "kobza exclude '*karaoke*' Audiobooks/ /music/old",
            "kobza exclude --max-length 1h",
            "kobza exclude --remove '*karaoke*'",
        ),
    )
    excluded.add_argument(
        "patterns",
        nargs="*",
        metavar="PATTERN",
        help="a path, or a pattern with gitignore's rules, such as '*karaoke*' or Audiobooks/; quote it",
    )
    excluded.add_argument("--remove", action="store_true", help="take these exclusions back")
    excluded.add_argument(
        "--max-length",
        type=_length_or_off,
        metavar="LENGTH",
        help="leave out what is longer, such as 1h; off for no limit",
    )


def _length_or_off(text: str) -> float:
    """In seconds; 0 for "off"."""
    return 0.0 if text == "off" else length(text)


def remove(args: argparse.Namespace) -> int:
    from kobza.audio import printable

    with open_library(args, read_only=args.dry_run) as library:
        paths = library.tracks_under(args.paths)
        if args.dry_run:
            for path in paths:
                print(printable(path))
            say(f"{len(paths)} tracks of {len(library)} would be removed.")
            return 0
        if len(paths) > MAX_UNCONFIRMED_TRACKS and not args.yes and not _confirmed(library, len(paths)):
            return 1
        removed = library.remove(args.paths).removed
        print(f"{removed} removed")
        if not removed:
            say("The library has no track there; `kobza search` prints the paths of its tracks.")
            return 1
        if library.store.removed is not None:
            say("To take that back within an hour: kobza undo")
    return 0


def _confirmed(library: "MusicLibrary", count: int) -> bool:
    final = "" if library.store.removed is not None else ", and a removal from a database cannot be undone"
    if not sys.stdin.isatty():
        say(
            f"This would remove {count} of {len(library)} tracks{final}; nothing was removed. Add --yes to remove them."
        )
        return False
    print(f"Remove {count} of {len(library)} tracks{final}? [y/N] ", end="", file=sys.stderr, flush=True)
    if sys.stdin.readline().strip().lower() in ("y", "yes"):
        return True
    say("Nothing was removed.")
    return False


def undo(args: argparse.Namespace) -> int:
    with open_library(args) as library:
        print(f"{library.undo().added} back")
    return 0


def exclude(args: argparse.Namespace) -> int:
    if args.remove and not args.patterns:
        say("Name the exclusions to take back; this lists them: kobza exclude")
        return 2
    changes = bool(args.patterns) or args.max_length is not None
    with open_library(args, read_only=not changes) as library:
        for pattern in args.patterns:
            if args.remove:
                library.include(pattern)
            else:
                library.exclude(pattern)
        if args.max_length:
            library.exclude(max_length=args.max_length)
        elif args.max_length is not None:
            library.include(max_length=True)
        for line in exclusion_lines(library.exclusions):
            print(line)
        if changes:
            say("This takes effect with the next: kobza sync")
        elif library.exclusions.is_empty:
            say("Nothing is excluded; exclude with: kobza exclude PATTERN, or a file .kobzaignore in a folder of music")
    return 0
