"""The user's settings of players and servers."""

from collections.abc import Callable

from kobza.config import password, value_of

Settings = Callable[[str], str | None]  # "player", "mpd.host", "subsonic.password", ... -> its value; None: not set


def setting(key: str) -> str | None:
    """The value of a setting; a password may come from its command. ConfigError: it cannot be used."""
    server, _, name = key.partition(".")
    if name == "password":
        return password(server)
    value = value_of(key).value
    return None if value is None else str(value)
