"""What the sub-commands share: their declaration, their parser, and arguments that several of them have."""

import argparse
import codecs
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

from kobza.config import SETTINGS, value_of
from kobza.errors import KobzaError
from kobza.suggestions import nearest, unknown

if TYPE_CHECKING:
    from kobza.library import LibraryAddress, MusicLibrary
    from kobza.library.exclusions import Exclusions

SubCommands: TypeAlias = "argparse._SubParsersAction[CommandParser]"
SECONDS_PER_MINUTE = 60
MINUTES_PER_HOUR = 60
# A word with one dash that is longer than a short option. "-k20" is the option -k.
EXCLUDED_TERM = re.compile(r"-(?!-)(?!k\d+$)..")


class HelpFormatter(argparse.HelpFormatter):
    """Wraps the description and leaves the lines of the epilog as they are: examples, or a list of commands."""

    def _fill_text(self, text: str, width: int, indent: str) -> str:
        return text if "\n" in text else super()._fill_text(text, width, indent)


class CommandParser(argparse.ArgumentParser):
    """The parser of a sub-command. If `takes_query`, "-drums" is part of the query and not an option."""

    takes_query = False

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **{"formatter_class": HelpFormatter} | options)

    def parse_known_args(self, args: Any = None, namespace: Any = None) -> Any:
        if self.takes_query and args is not None:
            # argparse never takes a word with a leading space for an option, and `parse_query` strips it.
            args = [f" {word}" if EXCLUDED_TERM.match(word) else word for word in args]
        return super().parse_known_args(args, namespace)

    def _check_value(self, action: argparse.Action, value: Any) -> None:
        """A word that is not among an argument's choices is answered with the nearest that is."""
        if action.choices is not None and value not in action.choices:
            if not isinstance(action, argparse._SubParsersAction):
                raise argparse.ArgumentError(action, unknown(str(value), action.choices, "choice"))
            near = f"did you mean {self.prog} {found}?" if (found := nearest(value, action.choices)) else ""
            raise argparse.ArgumentError(None, f"there is no command {value!r}; {near or f'see {self.prog} --help'}")

    def refuse(self, words: list[str]) -> None:
        """Exit with 2, because these words are not understood; an option gets the nearest one that there is."""
        options = [option for action in self._actions for option in action.option_strings]
        near = nearest(words[0].split("=")[0], options) if words[0].startswith("-") else None
        self.error(f"unrecognized arguments: {' '.join(words)}" + (f"; did you mean {near}?" if near else ""))


class Words(argparse.Action):
    """Keeps the words of an argument as one text."""

    def __call__(self, parser: Any, namespace: argparse.Namespace, values: Any, option_string: Any = None) -> None:
        setattr(namespace, self.dest, " ".join(word.strip() for word in values))


def description_argument(parser: CommandParser, help_text: str) -> None:
    """Add TEXT, a description in the query language, in one word or several; `args.text` is one text."""
    parser.takes_query = True
    parser.add_argument("text", nargs="+", action=Words, metavar="TEXT", help=help_text)


@dataclass(frozen=True)
class Configured:
    """The default of an option: what `kobza.config` has for `key`, looked up after the command line is understood."""

    key: str

    def __str__(self) -> str:
        """For the help."""
        default = SETTINGS[self.key].default
        return f"the setting {self.key}" if default is None else str(default)


def with_settings(args: argparse.Namespace) -> argparse.Namespace:
    """The arguments, where each option that was not given has its setting. ConfigError: that cannot be used."""
    return argparse.Namespace(
        **{
            name: value_of(value.key).value if isinstance(value, Configured) else value
            for name, value in vars(args).items()
        }
    )


def command(
    commands: SubCommands,
    function: Callable[[argparse.Namespace], int],
    text: str,
    *parents: CommandParser,
    name: str | None = None,
    examples: Iterable[str] = (),
) -> CommandParser:
    """Declare a sub-command, by default with the name of `function`, which is called with the parsed arguments and
    returns the exit code. `examples` are whole commands, for its help."""
    shown = "\n".join(["examples:", *(f"  {example}" for example in examples)]) if examples else None
    parser: CommandParser = commands.add_parser(
        name or function.__name__, help=text, description=text, parents=parents, epilog=shown
    )
    parser.set_defaults(function=function, parser=parser)
    return parser


def library_option() -> CommandParser:
    """A parent parser with --library."""
    options = CommandParser(add_help=False)
    options.add_argument(
        "--library",
        metavar="DIR",
        help="the library: a folder, or milvus://HOST:PORT/NAME (default: the setting library, or your own)",
    )
    return options


def library_options() -> CommandParser:
    """A parent parser with --library and --model."""
    options = library_option()
    options.add_argument(
        "--model",
        metavar="MODEL",
        default=Configured("model"),
        help="an audio-text model: a folder or a Hub id (default: %(default)s, or kobza-mini)",
    )
    return options


def open_library(args: argparse.Namespace, read_only: bool = False) -> "MusicLibrary":
    """The library that --library and --model name."""
    from kobza.library import MusicLibrary

    return MusicLibrary.open(named_library(args), args.model, read_only=read_only)


def named_library(args: argparse.Namespace) -> "LibraryAddress":
    """The address of the library that --library names, or the default one."""
    from kobza.library.address import default_library_address, library_address

    return library_address(args.library) if args.library else default_library_address()


def library_folder(args: argparse.Namespace) -> Path:
    """The folder of the library, for commands that need its files. LibraryError: it is in a database."""
    from kobza.library.address import folder_of

    return folder_of(named_library(args))


def count(text: str) -> int:
    """The argparse type of an integer of 1 or more.

    >>> count("3")
    3
    """
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a count; give 1 or more")
    return int(text)


def seconds(text: str) -> float:
    """The argparse type of a time in a recording, in seconds: 90, 1:30 or 1:02:30.

    >>> seconds("1:02:30")
    3750.0
    """
    if not re.fullmatch(r"(\d+:)?(\d+:)?\d+(\.\d+)?", text, re.ASCII):
        raise argparse.ArgumentTypeError(f"{text!r} is not a time; give seconds, 1:30 or 1:02:30")
    total = 0.0
    for part in text.split(":"):
        total = total * SECONDS_PER_MINUTE + float(part)
    return total


def encoding(text: str) -> str:
    """The argparse type of a character encoding, or "auto".

    >>> encoding("Windows-1251"), encoding("auto")
    ('cp1251', 'auto')
    """
    if text == "auto":
        return text
    try:
        name = codecs.lookup(text).name
        b"\xe0".decode(name, "replace").encode("utf-8")  # not one of bytes to bytes, such as "zip"
    except (LookupError, UnicodeError, ValueError):
        raise argparse.ArgumentTypeError(
            f"{text!r} is not a character encoding; give, for example, cp1251 or auto"
        ) from None
    return name


def length(text: str) -> float:
    """The argparse type of a length of time, in seconds: 1h, 90m, 1h30m, or as `seconds` takes it.

    >>> length("1h30m"), length("1:30")
    (5400.0, 90.0)
    """
    match = re.fullmatch(r"(?:(\d+)h)?(?:(\d+)m)?(?:(\d+)s)?", text, re.ASCII)
    if not text or not match:
        return seconds(text)
    hours, minutes, rest = (int(part or 0) for part in match.groups())
    return float((hours * MINUTES_PER_HOUR + minutes) * SECONDS_PER_MINUTE + rest)


def exclusion_lines(exclusions: "Exclusions") -> list[str]:
    """The exclusions of a library, for people: the paths, the patterns, the longest recording."""
    from kobza.audio import printable
    from kobza.library.search.columns import clock

    lines = [*map(printable, sorted(exclusions.paths)), *map(printable, exclusions.patterns)]
    if exclusions.max_length is not None:
        lines.append(f"longer than {clock(exclusions.max_length)}")
    return lines


def shard(text: str) -> tuple[int, int]:
    """The argparse type of one part of several, counted from 1.

    >>> shard("2/4")
    (2, 4)
    """
    match = re.fullmatch(r"(\d+)/(\d+)", text, re.ASCII)
    if not match or not 1 <= int(match[1]) <= int(match[2]):
        raise argparse.ArgumentTypeError(f"{text!r} is not a shard; give I/N with I from 1 to N, such as 2/4")
    return int(match[1]), int(match[2])


def smooth(text: str) -> tuple[str, ...]:
    """The argparse type of what a playlist changes by small steps: tempo, key or tempo,key."""
    from kobza.library.search.transitions import parse_smooth

    try:
        return parse_smooth(text)
    except KobzaError as error:
        raise argparse.ArgumentTypeError(str(error).removesuffix(".")) from error
