"""Changing the configuration file, with its comments and its order kept."""

from pathlib import Path
from typing import Any

import tomlkit
from tomlkit.exceptions import TOMLKitError

from kobza.atomic import atomic_path
from kobza.config import ConfigError, config_file, read_config

OWNER_ONLY = 0o600  # there may be a password in it


def write_setting(key: str, value: Any) -> Path:
    """Set `key` in the configuration file, which is made if it is absent; None removes the key. -> the file.

    Raises:
        ConfigError: the file cannot be read or written as it is, or the user has no home.
    """
    file = config_file()
    if file is None:
        raise ConfigError("There is no place for a configuration file: HOME is not set; set XDG_CONFIG_HOME or HOME.")
    read_config()  # a file with mistakes is not changed
    try:
        document = tomlkit.parse(file.read_text(encoding="utf-8")) if file.exists() else tomlkit.document()
    except TOMLKitError as error:
        raise ConfigError(f"The configuration file {file} cannot be read: {error}; correct or delete it.") from error
    section, _, name = key.rpartition(".")
    table: Any = document
    if section:
        if section not in document:
            document[section] = tomlkit.table()
        table = document[section]
    if value is None:
        table.pop(name, None)
        if section and not table:
            document.pop(section)
    else:
        table[name] = value
    file.parent.mkdir(parents=True, exist_ok=True)
    with atomic_path(file.resolve()) as partial:  # resolved, because dotfiles are often links
        partial.touch(OWNER_ONLY)
        partial.write_text(tomlkit.dumps(document), encoding="utf-8")
    return file
