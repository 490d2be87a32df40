"""What the command line says of itself: help with examples, the nearest word, completion in a real shell."""

import argparse
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from kobza.cli import make_parser

SHELL = Path(sys.executable).parent


def parsers(parser=None, of=argparse._SubParsersAction) -> list[argparse.ArgumentParser]:
    parser = parser or make_parser()
    groups = [action for action in parser._actions if isinstance(action, of)]
    return [parser, *(found for group in groups for sub in group.choices.values() for found in parsers(sub))]


COMMANDS = [parser for parser in parsers() if parser.get_default("function")]


@pytest.mark.parametrize("parser", COMMANDS, ids=lambda parser: parser.prog)
def test_every_help_has_examples_that_are_understood(parser):
    _, _, examples = parser.format_help().partition("\nexamples:\n")
    lines = [re.sub(r"^\s*[A-Z_]+=\S+ ", "", line) for line in examples.strip().splitlines()]  # without variables
    assert lines and all(line.strip().startswith(parser.prog) for line in lines)
    for line in lines:
        words = shlex.split(line)
        end = min([words.index(word) for word in ("|", ">", ">>") if word in words], default=len(words))
        args, not_understood = make_parser().parse_known_args(words[1:end])
        assert args.parser.prog.startswith(parser.prog) and not not_understood


@pytest.mark.parametrize("parser", parsers(), ids=lambda parser: parser.prog)
def test_every_help_fits_a_terminal_and_says_what_each_argument_is(parser, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    long = [line for line in parser.format_help().splitlines() if len(line) > 80]
    assert not long
    for action in parser._actions:
        assert action.help or action.choices, action


def test_the_commands_are_in_groups(kobza):
    out = kobza("--help")[1]
    assert kobza()[2] == out and kobza()[0] == 2
    _, music, library, setup, research, _ = out.split(":\n", 1)[1].split("\n\n", 1)[1].split(":\n")
    for words, text in (
        (("search", "similar", "locate"), music),
        (("index", "sync"), library),
        (("config", "completion"), setup),
        (("doctor", "evaluate", "bench", "push"), research),
    ):
        assert all(f"\n  {word} " in f"\n{text}" for word in words)
    listed = [line.split()[0] for line in out.splitlines() if line.startswith("  ") and not line.startswith("   ")]
    top = next(action for action in make_parser()._actions if isinstance(action, argparse._SubParsersAction))
    assert sorted(set(listed) & set(top.choices)) == sorted(top.choices)


@pytest.mark.parametrize(
    ("argv", "sentence"),
    [
        (["serach", "x"], "there is no command 'serach'; did you mean kobza search?"),
        (["slow", "piano"], "there is no command 'slow'; see kobza --help"),
        (["library", "chek"], "did you mean kobza library check?"),
        (["search", "x", "--jsn"], "kobza search: error: unrecognized arguments: --jsn; did you mean --json?"),
        (["search", "x", "--wher=year"], None),  # an abbreviation
        (["search", "x", "--by", "trak"], "argument --by: there is no choice 'trak'; did you mean track?"),
        (["search", "x", "--columns", "titel"], "there is no column 'titel'; did you mean title?"),
        (["index", "--engine", "gpu"], "there is no choice 'gpu'; choose from local, ray"),
        (["completion", "bsh"], "did you mean bash?"),
    ],
)
def test_a_wrong_word_is_answered_with_the_nearest(kobza, argv, sentence):
    code, out, err = kobza(*argv)
    if sentence is None:
        assert code == 1 and "unrecognized" not in err
    else:
        assert code == 2 and sentence in err and not out


def completions(line: str) -> list[str]:
    """What bash offers after `line`, with what `kobza completion bash` prints."""
    script = f"""
eval "$(kobza completion bash)"
COMP_LINE={shlex.quote(line)} COMP_POINT={len(line)} COMP_TYPE=9
COMP_WORDS=({line}{' ""' if line.endswith(" ") else ""}) COMP_CWORD=$((${{#COMP_WORDS[@]}} - 1))
_python_argcomplete kobza "${{COMP_WORDS[COMP_CWORD]}}" ""
printf '%s\\n' "${{COMPREPLY[@]}}"
"""
    env = os.environ | {"PATH": f"{SHELL}{os.pathsep}{os.environ['PATH']}"}
    done = subprocess.run(["bash", "-c", script], capture_output=True, text=True, check=True, env=env)
    return [word.strip() for word in done.stdout.splitlines()]


def test_bash_completes_commands_options_and_values():
    assert completions("kobza sea") == ["search"]
    assert set(completions("kobza library ")) >= {"check", "repair", "copy"}
    assert set(completions("kobza search piano -drums --")) >= {"--where", "--columns", "--json"}
    assert completions("kobza search piano --by mo") == ["moment"]
    assert "subsonic.password_command" in completions("kobza config set sub")


def test_every_shell_gets_a_script(kobza):
    for shell in ("bash", "zsh", "fish"):
        code, out, _ = kobza("completion", shell)
        assert code == 0 and "kobza" in out and "_ARGCOMPLETE" in out
