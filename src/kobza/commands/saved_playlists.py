"""Searches kept as playlists: kobza playlist save, show, list, delete."""

import argparse
import os
import shlex
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

from kobza.commands.arguments import (
    CommandParser,
    SubCommands,
    command,
    description_argument,
    library_options,
    named_library,
    open_library,
)
from kobza.commands.matching import limit_options, matching_option
from kobza.commands.playing import playing_options, print_sent, server_options
from kobza.commands.results import output_options
from kobza.commands.search import find_and_print, ranking_options, search_arguments, selection_options
from kobza.terminal import say

if TYPE_CHECKING:
    from kobza.library import LibraryAddress, MusicLibrary
    from kobza.library.search.saved import SavedSearch


def add(parser: CommandParser) -> None:
    """Declare the sub-commands of `kobza playlist`, whose parser this is."""
    group: SubCommands = parser.add_subparsers(title="saved searches", metavar="COMMAND")
    options = library_options()
    saved = command(
        group,
        save,
        "Keep a search as a playlist; `kobza sync` refreshes it.",
        selection_options(),
        matching_option(),
        ranking_options(),
        limit_options(),
        options,
        examples=(
            'kobza playlist save "Rainy jazz" rainy jazz -k 50',
            "kobza playlist save rain rainy jazz --file rain.m3u8 --relative-to .",
            "kobza playlist save rain rainy jazz --mpd localhost:6600",
        ),
    )
    saved.add_argument("name", metavar="NAME", help="the playlist's name")
    description_argument(saved, "what to search for, as in kobza search")
    place = saved.add_argument_group("where the playlist is, in one or more places")
    place.add_argument("--file", metavar="FILE.m3u8", help="a playlist file (default: one in the library's folder)")
    server_options(place)
    file = saved.add_argument_group("what is in the file")
    file.add_argument("--relative-to", metavar="DIR", help="paths that are relative to this folder")
    file.add_argument("--skip-missing", action="store_true", help="no tracks whose files are not there at the time")

    shown = command(
        group,
        show,
        "Search again for a saved playlist, and print or play it.",
        output_options(),
        playing_options(),
        options,
        examples=("kobza playlist show rain --play",),
    )
    command(group, list_, "List the saved playlists.", options, name="list", examples=("kobza playlist list",))
    deleted = command(
        group,
        delete,
        "Forget a saved playlist. Its file, and playlists on servers, stay.",
        options,
        examples=("kobza playlist delete rain",),
    )
    for one in (shown, deleted):
        one.add_argument("name", metavar="NAME", help="the playlist's name")
    for one in group.choices.values():
        _share_options(parser, one)


def _share_options(parser: CommandParser, sub_parser: CommandParser) -> None:
    """Let options that both have stand before the sub-command, too: argparse would replace their values by the
    sub-command's defaults."""
    shared = {action.dest for action in parser._actions}
    for action in sub_parser._actions:
        if action.dest in shared and action.dest != "help":
            action.help = (action.help or "").replace("%(default)s", str(action.default))
            action.default = argparse.SUPPRESS


def save(args: argparse.Namespace) -> int:
    from kobza.audio import printable
    from kobza.library import open_store
    from kobza.library.search import saved as saved_searches
    from kobza.players.refresh import refresh

    with open_library(args, read_only=True) as library:  # a library that is not there is not created
        saved = _saved_search(library, args)
        for sent in refresh(library, saved):
            print_sent(sent)
    with closing(open_store(named_library(args))) as store:
        saved_searches.save(store, saved)
    if saved.file is not None:
        print(f"the playlist is in {printable(saved.file)}")
    return 0


def _saved_search(library: "MusicLibrary", args: argparse.Namespace) -> "SavedSearch":
    """LibraryError: its file would replace one that is not its own, or a password would be kept in the library."""
    from kobza.audio import printable
    from kobza.library import LibraryError
    from kobza.library.search.saved import SavedSearch, saved_searches
    from kobza.players.choice import PlayerChoice, server_address

    servers = {}
    for name, address in (("mpd", args.mpd), ("subsonic", args.subsonic)):
        if address is not None:
            if _has_password(name, address):
                raise LibraryError(
                    "A library keeps no passwords; leave it out, and set it with: "
                    f"kobza config set {name}.password PASSWORD"
                )
            servers[name] = server_address(PlayerChoice(name, address)).text
    file = os.path.abspath(args.file) if args.file else None
    if file is None and not servers:
        file = os.fspath(_default_file(library.address, args.name))
    own = any(one.name == args.name and one.file == file for one in saved_searches(library.store))
    if file is not None and os.path.lexists(file) and not own:
        raise LibraryError(f"{printable(file)} exists; delete it, or name another file with --file.")
    return SavedSearch(
        args.name,
        search_arguments(args),
        file,
        None if args.relative_to is None else os.path.abspath(args.relative_to),
        args.skip_missing,
        **servers,
    )


def _has_password(server: str, address: str) -> bool:
    """
    >>> _has_password("mpd", "secret@nas:6600"), _has_password("subsonic", "https://ann@nas:4533")
    (True, False)
    """
    user = address.partition("://")[2].rpartition("@")[0]
    return ":" in user if server == "subsonic" else "@" in address


def _default_file(address: "LibraryAddress", name: str) -> Path:
    from kobza.library import FolderAddress, LibraryError

    if not isinstance(address, FolderAddress):
        raise LibraryError("A library in a database has no folder for playlists; name a file with --file.")
    return address.folder.absolute() / "playlists" / f"{name.replace('/', '_')}.m3u8"


def show(args: argparse.Namespace) -> int:
    from kobza.library.search.saved import run_search, saved_search

    with open_library(args, read_only=True) as library:
        saved = saved_search(library.store, args.name)
        shown = argparse.Namespace(**{"where": None} | vars(args) | saved.search)
        shown.skip_missing = args.skip_missing or saved.skip_missing
        return find_and_print(
            library, shown, lambda n, progress: run_search(library, **saved.search | {"k": n}, progress=progress)
        )


def list_(args: argparse.Namespace) -> int:
    from kobza.audio import printable
    from kobza.library.search.saved import saved_searches

    with open_library(args, read_only=True) as library:
        found = saved_searches(library.store)
    for saved in found:
        places = [printable(place) for place in (saved.file, saved.mpd, saved.subsonic) if place is not None]
        print(f"{printable(saved.name)}: {_command_line(saved)} -> {', '.join(places)}")
    if not found:
        say("No playlist is saved yet; save a search with: kobza playlist save NAME TEXT")
    return 0


def _command_line(saved: "SavedSearch") -> str:
    """The search as the user would type it.

    >>> from kobza.library.search.saved import SavedSearch
    >>> _command_line(SavedSearch("Rain", {"text": "rainy jazz", "k": 20, "by": "track", "per_artist": 2}))
    "kobza search 'rainy jazz' -k 20 --by track --per-artist 2"
    """
    words = ["kobza", "search", saved.search["text"]]
    for name, value in saved.search.items():
        if name != "text":
            words += [f"-{name}" if len(name) == 1 else f"--{name.replace('_', '-')}", str(value)]
    return shlex.join(words)


def delete(args: argparse.Namespace) -> int:
    from kobza.audio import printable
    from kobza.library import open_store
    from kobza.library.search import saved as saved_searches

    with open_library(args, read_only=True) as library:
        saved_searches.saved_search(library.store, args.name)
    with closing(open_store(named_library(args))) as store:
        deleted = saved_searches.delete(store, args.name)
    stays = f"; {printable(deleted.file)} stays" if deleted.file is not None else ""
    print(f"deleted{stays}")
    return 0
