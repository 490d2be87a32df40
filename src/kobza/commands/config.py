"""The command that shows and changes the settings: config."""

import argparse
import json
from typing import Any

from kobza.commands.arguments import CommandParser, SubCommands, command
from kobza.config import DEFAULT_SOURCE, SETTINGS, ConfigError, Value, config_file, parsed, value_of

HIDDEN = "(hidden)"


def add(commands: SubCommands) -> None:
    """Declare the sub-commands of this module."""
    shown = command(
        commands,
        config,
        "Show the settings and where each comes from, or change them.",
        examples=("kobza config", "kobza config set k 20", "kobza config set columns title,artist,year"),
    )
    shown.add_argument("--json", action="store_true", help="print a JSON object")
    group = shown.add_subparsers(metavar="COMMAND", parser_class=CommandParser)
    key = CommandParser(add_help=False)
    key.add_argument("key", metavar="KEY", choices=tuple(SETTINGS), help=f"one of {', '.join(SETTINGS)}")
    changed = command(
        group,
        set_,
        "Write a setting into the configuration file.",
        key,
        name="set",
        examples=("kobza config set player mpv", 'kobza config set subsonic.password_command "pass show music"'),
    )
    changed.add_argument("value", metavar="VALUE", help="its value; names of columns with commas between them")
    command(
        group, unset, "Remove a setting from the configuration file.", key, examples=("kobza config unset columns",)
    )


def columns_setting(value: Value) -> list[str] | None:
    """The setting `columns`, as names of `library.search.columns.COLUMNS`. ConfigError: there is no such column."""
    from kobza.library.search.columns import column_names

    if value.value is None:
        return None
    try:
        return column_names(",".join(value.value))
    except ValueError as error:
        raise ConfigError(f"The setting columns ({value.source}): {error}.") from error


def config(args: argparse.Namespace) -> int:
    values = {key: value_of(key) for key in SETTINGS}
    columns_setting(values["columns"])  # a mistake is shown here, too
    shown = {key: (_shown(key, value.value), value.source) for key, value in values.items()}
    file = config_file()
    if args.json:
        rows: dict[str, Any] = {key: {"value": value, "from": source} for key, (value, source) in shown.items()}
        print(json.dumps({"file": None if file is None else str(file), "settings": rows}, indent=2))
        return 0
    if file is None:
        print("file: none, because HOME is not set")
    else:
        print(f"file: {file}" + ("" if file.exists() else " (not there yet)"))
    width = max(map(len, SETTINGS))
    for key, (value, source) in shown.items():
        if value is None:
            print(f"{key:{width}}  not set ({SETTINGS[key].help})")
        else:
            told = ", ".join(value) if isinstance(value, list) else value
            print(f"{key:{width}}  {told}" + ("" if source == DEFAULT_SOURCE else f"  (from {source})"))
    return 0


def _shown(key: str, value: Any) -> Any:
    return HIDDEN if SETTINGS[key].secret and value is not None else value


def set_(args: argparse.Namespace) -> int:
    from kobza.config_edit import write_setting

    value = parsed(args.key, args.value, "kobza config set")
    if args.key == "columns":
        value = columns_setting(Value(value, "kobza config set"))
    print(f"{args.key} is set in {write_setting(args.key, value)}")
    return 0


def unset(args: argparse.Namespace) -> int:
    from kobza.config_edit import write_setting

    print(f"{args.key} is not set in {write_setting(args.key, None)}")
    return 0
