"""Playing one entry after another, with keys for the next one, the one before, pause and stop."""

from collections.abc import Callable, Sequence

from kobza.audio import printable
from kobza.library.search.columns import clock
from kobza.library.search.entries import Entry
from kobza.players.keys import ReadKey, no_keys
from kobza.players.local import Playing, player_command
from kobza.players.queue import Turn

KEYS = "n next, p previous, space pause, q stop"
SECONDS_BETWEEN_LOOKS = 0.1  # at the keyboard, and whether the player has ended


def play(
    entries: Sequence[Entry],
    player: str,
    turn: Turn,
    read_key: ReadKey | None,
    say: Callable[[str], None],
) -> int:
    """Play the entries, then what is put into the queue meanwhile, until there is no more or the user stops.

    Args:
        read_key: from the terminal, if there is one.
        say: shows a line to the user.

    Returns:
        How many entries were played, also in part; one that the player refuses is named and not counted.

    Raises:
        PlayerError: the player cannot be started.
    """
    waiting, at, played = list(entries), 0, 0
    if read_key is not None:
        say(f"{player}: {KEYS}")
    try:
        while True:
            if at == len(waiting):
                waiting += turn.take_or_end()
                if at == len(waiting):
                    return played
            entry = waiting[at]
            moment = f" from {clock(entry.start)}" if entry.start else ""
            say(f"{at + 1}/{len(waiting)}  {printable(entry.name)}{moment}")
            playing = Playing.start(player_command(player, entry))
            key = _until_end_or_key(playing, read_key or no_keys)
            failure = None if key else playing.failure()
            if failure is None:
                played += 1
            else:
                say(f"{player} cannot play {printable(entry.track.path)} ({failure}).")
            if key == "q":
                return played
            at = max(0, at - 1) if key == "p" else at + 1
    except KeyboardInterrupt:  # Ctrl-C, which the player gets as well, is the same as q
        return max(played, 1)


def _until_end_or_key(playing: Playing, read_key: ReadKey) -> str:
    """Wait until the player has ended; or until "n", "p" or "q" is typed, which ends it and is returned."""
    paused = False
    try:
        while not playing.is_over():
            key = read_key(SECONDS_BETWEEN_LOOKS).lower()
            if key == " ":
                paused = not paused
                playing.pause(paused)
            elif key and key in "npq":
                return key
    finally:
        if not playing.is_over():
            playing.stop()
    return ""
