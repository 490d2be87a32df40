"""Which player or server is meant, by the options of a command and the user's settings."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from kobza.config import DEFAULT_SOURCE, value_of
from kobza.extras import needs
from kobza.players.local import LOCAL_PLAYERS, PlayerError, find_player
from kobza.players.server import Server
from kobza.players.settings import Settings, setting

if TYPE_CHECKING:
    from kobza.players.mpd import MPDAddress
    from kobza.players.subsonic import SubsonicAddress

SERVERS = ("mpd", "subsonic")
PLAYERS = (*LOCAL_PLAYERS, *SERVERS)


@dataclass(frozen=True)
class PlayerChoice:
    """One of `PLAYERS`, and the address of a server as the user gives it; None for the one of the settings."""

    name: str
    address: str | None = None

    @property
    def is_server(self) -> bool:
        return self.name in SERVERS


def choose_player(
    player: str | None = None, mpd: str | None = None, subsonic: str | None = None, settings: Settings = setting
) -> PlayerChoice:
    """A server whose address is given, else the player that is named, else the setting, else the first of this machine.

    Raises:
        PlayerError: it is unknown or not installed.

    >>> choose_player(mpd="nas:6600"), choose_player(settings={"player": "mpd"}.get)
    (PlayerChoice(name='mpd', address='nas:6600'), PlayerChoice(name='mpd', address=None))
    """
    for server, address in (("mpd", mpd), ("subsonic", subsonic)):
        if address is not None:
            return PlayerChoice(server, address)
    name = player or settings("player")
    if name is not None and name not in PLAYERS:
        raise PlayerError(f"{name!r} is not a player that Kobza knows; use one of {', '.join(PLAYERS)}.")
    if name in SERVERS:
        return PlayerChoice(name)
    return PlayerChoice(find_player(name))


def configured_servers() -> list[str]:
    """Those of `SERVERS` whose address is in the user's settings; MPD also if it is the player that the settings name.

    Raises:
        ConfigError: a setting cannot be used.
    """
    named = {
        "mpd": value_of("mpd.host").source != DEFAULT_SOURCE or value_of("player").value == "mpd",
        "subsonic": value_of("subsonic.url").value is not None,
    }
    return [server for server in SERVERS if named[server]]


def server_address(choice: PlayerChoice, settings: Settings = setting) -> "MPDAddress | SubsonicAddress":
    """The address of the server. PlayerError: it is incomplete; MissingPackageError: its client is not installed."""
    with needs("A server of music", "players"):
        if choice.name == "mpd":
            from kobza.players.mpd import mpd_address  # an optional dependency

            return mpd_address(choice.address, settings)
        from kobza.players.subsonic import subsonic_address  # another

        return subsonic_address(choice.address, settings)


def open_server(choice: PlayerChoice, settings: Settings = setting) -> Server:
    """Connect to the server. PlayerError: as for `server_address`, or it cannot be reached."""
    address = server_address(choice, settings)
    if choice.name == "mpd":
        from kobza.players.mpd import MPDAddress, MPDServer

        assert isinstance(address, MPDAddress)
        return MPDServer(address)
    from kobza.players.subsonic import SubsonicAddress, SubsonicServer

    assert isinstance(address, SubsonicAddress)
    return SubsonicServer(address)
