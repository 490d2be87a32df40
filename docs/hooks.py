"""mkdocs hooks: the command-line reference is generated from the parser, so that it cannot drift from the program."""

import argparse
import os

os.environ["COLUMNS"] = "80"  # argparse wraps its help to this width

MARKER = "<!-- kobza --help -->"


def on_page_markdown(markdown: str, **_) -> str:
    return markdown.replace(MARKER, command_reference()) if MARKER in markdown else markdown


def command_reference() -> str:
    from kobza.cli import make_parser

    return "\n\n".join(
        f"## {parser.prog}\n\n```\n{parser.format_help().strip()}\n```" for parser in walk(make_parser())
    )


def walk(parser: argparse.ArgumentParser) -> list[argparse.ArgumentParser]:
    """The parser and those of its sub-commands, in the order of the help."""
    found = [parser]
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for sub in action.choices.values():
                found += walk(sub)
    return found
