"""Playing what a command found: its options, and sending the tracks to a player, a queue or a playlist."""

import argparse
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from kobza.commands.arguments import CommandParser
from kobza.terminal import say

if TYPE_CHECKING:
    from kobza.library import Hit
    from kobza.library.search.entries import Entry
    from kobza.players.choice import PlayerChoice
    from kobza.players.server import Sent

MAX_NAMED_TRACKS = 5  # of those that a server does not know


def playing_options(always: bool = False) -> CommandParser:
    """A parent parser with --play, --queue, --playlist, and where to. `always`: the command plays in any case, and
    needs no --play."""
    options = CommandParser(add_help=False)
    action = options.add_mutually_exclusive_group()
    if always:
        options.set_defaults(play=True)
    else:
        action.add_argument("--play", action="store_true", help="play the tracks, from the moments that fit best")
    action.add_argument("--queue", action="store_true", help="play them after what is playing now")
    action.add_argument("--playlist", metavar="NAME", help="create or replace this playlist on a server")
    place = options.add_mutually_exclusive_group()
    place.add_argument(
        "--player",
        metavar="PLAYER",
        help="mpv, vlc, ffplay, mpd or subsonic (default: the setting player, or the first of mpv, vlc and ffplay that "
        "is installed)",
    )
    server_options(place)
    return options


def server_options(group: "argparse._ActionsContainer") -> None:
    """Add --mpd and --subsonic."""
    group.add_argument("--mpd", metavar="HOST[:PORT]", help="on the Music Player Daemon there, such as localhost:6600")
    group.add_argument(
        "--subsonic",
        metavar="URL",
        help="on a Subsonic server (Navidrome, gonic, ...): https://USER@HOST, with the setting subsonic.password",
    )


def tracks(count: int) -> str:
    """
    >>> tracks(1), tracks(2)
    ('1 track', '2 tracks')
    """
    return "1 track" if count == 1 else f"{count} tracks"


def wants_player(args: argparse.Namespace) -> bool:
    """Whether the tracks are to be sent somewhere instead of printed."""
    return args.play or args.queue or args.playlist is not None


def find_hits(args: argparse.Namespace, find: "Callable[[int], Sequence[Hit]]") -> "Sequence[Hit]":
    """The args.k hits that the command is about; without those whose files are not there, if they are to be played on
    this machine or --skip-missing is given.

    Args:
        find: n -> the n best hits.

    Raises:
        PlayerError: none of them is there, or the player is not.
    """
    from kobza.library.search.entries import present_hits
    from kobza.players.local import PlayerError

    if not (args.skip_missing or (wants_player(args) and not _choice(args).is_server)):
        return find(args.k)
    hits, left_out = present_hits(find, args.k)
    if left_out and not hits:
        raise PlayerError(
            f"Of the tracks that were found ({left_out}), no file is there now; connect the disc that they are on."
        )
    if left_out:
        say(f"Left out, because their files are not there now: {tracks(left_out)}")
    return hits


def play_hits(hits: "Sequence[Hit]", args: argparse.Namespace) -> int:
    """Play the hits, or put them into a queue or playlist, as `args` of `playing_options` say.

    Raises:
        PlayerError: there is no such player or server, or it cannot do that.
    """
    from kobza.library.search.entries import entries_of
    from kobza.players.local import PlayerError

    choice = _choice(args)
    entries = entries_of(hits, from_moment=_from_moment(args))
    if choice.is_server:
        return _send(entries, choice, args)
    if args.playlist is not None:
        raise PlayerError(
            "A playlist of that kind is on a server; name one with --mpd or --subsonic, or write a file with --m3u."
        )
    return _play_here(entries, choice.name, args.queue)


def _choice(args: argparse.Namespace) -> "PlayerChoice":
    from kobza.players.choice import choose_player

    return choose_player(args.player, args.mpd, args.subsonic)


def _from_moment(args: argparse.Namespace) -> bool:
    """What is only queued begins at its beginning, unless moments were asked for."""
    return (args.play and not args.queue) or getattr(args, "by", None) == "moment"


def _send(entries: "Sequence[Entry]", choice: "PlayerChoice", args: argparse.Namespace) -> int:
    from kobza.players.choice import open_server

    server = open_server(choice)
    try:
        if args.playlist is not None:
            sent = server.replace_playlist(args.playlist, entries)
        else:
            sent = server.queue(entries, play=not args.queue)
    finally:
        server.close()
    print_sent(sent)
    return 0


def print_sent(sent: "Sent") -> None:
    """Say what a server was given, and which tracks it does not know."""
    from kobza.audio import printable

    print(f"{tracks(sent.count)} sent to {sent.place}")
    if sent.unknown:
        say(f"Not known there, and left out: {tracks(len(sent.unknown))}")
        for track in sent.unknown[:MAX_NAMED_TRACKS]:
            say(f"  {printable(track.path)}")
        if len(sent.unknown) > MAX_NAMED_TRACKS:
            say("  ...")


def _play_here(entries: "Sequence[Entry]", player: str, queue: bool) -> int:
    from kobza.players.keys import terminal_keys
    from kobza.players.local import PlayerError
    from kobza.players.queue import PlayQueue
    from kobza.players.session import play

    waiting = PlayQueue.of_this_user()
    if queue and waiting.append(entries):
        print(f"{tracks(len(entries))} sent to the queue of what is playing")
        return 0
    turn = waiting.begin()
    if turn is None:
        raise PlayerError("Another kobza is playing; add to its queue with --queue, or stop it with q in its terminal.")
    try:
        with terminal_keys() as read_key:
            played = play(entries, player, turn, read_key, say)
    finally:
        turn.end()
    return 0 if played else 1
