"""The settings of a user: from the environment, or the configuration file config.toml, or their defaults.

    library = "~/Music/kobza"         # $KOBZA_LIBRARY
    k = 20                            # $KOBZA_K
    columns = ["title", "artist"]     # $KOBZA_COLUMNS, with commas

    [subsonic]
    url = "https://music.example.org"       # $KOBZA_SUBSONIC_URL
    user = "ann"
    password_command = "pass show music"

An option of the command line is above all of them; its environment variable is above the file.
"""

import os
import shlex
import subprocess
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import platformdirs

from kobza.errors import KobzaError
from kobza.folders import expanded, has_home
from kobza.suggestions import unknown

DEFAULT_SOURCE = "default"
ARITHMETICS = ("float32", "int8")
COMMAND_SECONDS = 60  # for a password command, which may ask its user


class ConfigError(KobzaError):
    """A setting that cannot be used, or a configuration file that cannot be read or written."""


class Value(NamedTuple):
    """A setting's value (None: not set), and where it is from: "default", "$KOBZA_K", or the path of the file."""

    value: Any
    source: str


def text(value: object) -> str:
    if not isinstance(value, str) or not value.strip():
        raise ValueError("it must be text")
    return value


def count(value: object) -> int:
    """An integer of 1 or more, or its digits.

    >>> count(20), count("20")
    (20, 20)
    """
    if isinstance(value, str) and value.isdecimal():
        value = int(value)
    if not isinstance(value, int) or isinstance(value, bool) or value < 1:
        raise ValueError("it must be a whole number of 1 or more")
    return value


def names(value: object) -> list[str]:
    """A list of names, or one text with commas between them.

    >>> names("title, artist")
    ['title', 'artist']
    """
    if isinstance(value, str):
        value = [word.strip() for word in value.split(",") if word.strip()]
    if not isinstance(value, list) or not value or not all(isinstance(name, str) for name in value):
        raise ValueError("it must be a list of names")
    return value


def arithmetic(value: object) -> str:
    if value not in ARITHMETICS:
        raise ValueError(f"it must be {' or '.join(ARITHMETICS)}")
    return str(value)


@dataclass(frozen=True)
class Setting:
    """One setting.

    Attributes:
        help: what it is.
        parse: the value of what the file or the environment has; ValueError says what it must be.
        environment: variables of other programs that are read after Kobza's own.
        secret: it is not shown.
    """

    help: str
    parse: Callable[[object], Any] = text
    default: Any = None
    environment: tuple[str, ...] = ()
    secret: bool = False


SETTINGS = {
    "library": Setting("the library: a folder, or milvus://HOST:PORT/NAME"),
    "model": Setting("an audio-text model: a folder or a Hub id"),
    "arithmetic": Setting(
        "of a Kobza model on a CPU, int8 or float32; by default int8 where a CPU is made for it", arithmetic
    ),
    "k": Setting("how many tracks a search lists", count, 10),
    "columns": Setting("the columns of results", names),
    "player": Setting("what plays music: mpv, vlc, ffplay, mpd or subsonic"),
    "mpd.host": Setting("the Music Player Daemon's machine", default="localhost", environment=("MPD_HOST",)),
    "mpd.port": Setting("its port", count, 6600, environment=("MPD_PORT",)),
    "mpd.password": Setting("its password", secret=True),
    "mpd.password_command": Setting("a command that prints its password"),
    "subsonic.url": Setting("the address of a Subsonic server, such as Navidrome"),
    "subsonic.user": Setting("the user's name there"),
    "subsonic.password": Setting("the user's password there", secret=True),
    "subsonic.password_command": Setting("a command that prints that password"),
}


def environment_name(key: str) -> str:
    """
    >>> environment_name("subsonic.password_command")
    'KOBZA_SUBSONIC_PASSWORD_COMMAND'
    """
    return "KOBZA_" + key.upper().replace(".", "_")


def config_file() -> Path | None:
    """config.toml in the user's configuration folder (~/.config/kobza on Linux); None for a user without a home."""
    return platformdirs.user_config_path("kobza") / "config.toml" if has_home("XDG_CONFIG_HOME") else None


def flat(table: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """A table in tables as one, with dots in its keys.

    >>> flat({"k": 5, "mpd": {"port": 6601}})
    {'k': 5, 'mpd.port': 6601}
    """
    found: dict[str, Any] = {}
    for name, value in table.items():
        found |= flat(value, f"{prefix}{name}.") if isinstance(value, Mapping) else {prefix + name: value}
    return found


def read_config() -> dict[str, Any]:
    """The settings that the configuration file has; {} if there is no such file.

    Raises:
        ConfigError: it cannot be read, is not TOML, or has an unknown key or a value of the wrong kind.
    """
    file = config_file()
    if file is None:
        return {}
    try:
        table = tomllib.loads(file.read_text(encoding="utf-8"))
    except (FileNotFoundError, NotADirectoryError):
        return {}
    except (OSError, ValueError) as error:  # TOMLDecodeError and UnicodeDecodeError are ValueErrors
        raise ConfigError(f"The configuration file {file} cannot be read: {error}; correct or delete it.") from error
    found = {key: parsed(key, value, f"The configuration file {file}") for key, value in flat(table).items()}
    if "://" not in found.get("library", "://"):  # a relative path starts at the file, not where the command is run
        found["library"] = str(file.parent / expanded(found["library"]))
    return found


def parsed(key: str, value: object, source: str) -> Any:
    """The value of a setting as the program uses it. ConfigError: it has no such key, or cannot have this value.

    >>> parsed("k", "20", "$KOBZA_K")
    20
    """
    if key not in SETTINGS:
        raise ConfigError(f"{source}: {unknown(key, SETTINGS, 'setting')}.")
    try:
        return SETTINGS[key].parse(value)
    except ValueError as error:
        shown = "that value" if SETTINGS[key].secret else repr(value)
        raise ConfigError(f"{source}: {key} cannot be {shown}: {error}.") from error


def value_of(key: str) -> Value:
    """The value of a setting, from the environment, the configuration file, or its default.

    Raises:
        ConfigError: the value, or anything in the configuration file, cannot be used.
    """
    for variable in (environment_name(key), *SETTINGS[key].environment):
        if set_to := os.environ.get(variable):
            return Value(parsed(key, set_to, f"${variable}"), f"${variable}")
    stored = read_config()
    if key in stored:
        return Value(stored[key], str(config_file()))
    return Value(SETTINGS[key].default, DEFAULT_SOURCE)


def password(server: str) -> str | None:
    """The password of "mpd" or "subsonic": the setting itself, or the first line that its command prints; or None.

    Raises:
        ConfigError: the command fails.
    """
    if own := value_of(f"{server}.password").value:
        return str(own)
    command = value_of(f"{server}.password_command").value
    if not command:
        return None
    try:
        done = subprocess.run(
            shlex.split(command), stdout=subprocess.PIPE, text=True, check=True, timeout=COMMAND_SECONDS
        )
    except (OSError, ValueError, subprocess.SubprocessError) as error:
        raise ConfigError(f"{server}.password_command failed: {error}; try it in a shell.") from error
    return done.stdout.partition("\n")[0]
