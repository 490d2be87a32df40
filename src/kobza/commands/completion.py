"""The command that makes a shell complete Kobza's commands and options: completion."""

import argparse

from kobza.commands.arguments import SubCommands, command

SHELLS = ("bash", "zsh", "fish")


def add(commands: SubCommands) -> None:
    """Declare the sub-commands of this module."""
    command(
        commands,
        completion,
        "Print what makes a shell complete commands and options with TAB.",
        examples=(
            "kobza completion bash >> ~/.bashrc",
            "kobza completion zsh >> ~/.zshrc",
            "kobza completion fish > ~/.config/fish/completions/kobza.fish",
        ),
    ).add_argument("shell", choices=SHELLS)


def completion(args: argparse.Namespace) -> int:
    import argcomplete  # here and below, because every command imports this module

    print(argcomplete.shellcode(["kobza"], shell=args.shell))
    return 0


def complete(parser: argparse.ArgumentParser) -> None:
    """Answer the shell that asks for completions, and exit."""
    import argcomplete

    argcomplete.autocomplete(parser)
