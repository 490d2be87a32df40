"""README and docs: their Python runs, their commands exist, their links lead somewhere."""

import argparse
import re
import shlex
from pathlib import Path

import numpy as np
import pytest
from recordings import tone, write

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]
# Blocks that fetch pretrained towers from the Hub.
NOT_RUN = ("from_towers",)


def blocks(path: Path, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", path.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)


def commands(path: Path) -> list[list[str]]:
    """The words of each `kobza` command in the page's shell blocks, without redirections and comments."""
    text = "\n".join(blocks(path, "bash")).replace("\\\n", " ")
    found = []
    for line in re.split(r"\n|&&|\|", text):
        words = shlex.split(line, comments=True)
        if words[:1] == ["kobza"]:
            found.append(words[1 : words.index(">") if ">" in words else None])
    return found


@pytest.mark.parametrize("path", [path for path in PAGES if blocks(path, "python")], ids=lambda path: path.name)
def test_python_blocks_run(path, tmp_path, monkeypatch):
    """In a folder with the files that they name."""
    for name in ("a.flac", "b.mp3", "song.mp3", "mix.flac", "music/c.flac"):
        write(tmp_path / name, tone(300, 12.0, rate=44_100), 44_100)
    (tmp_path / "hub").symlink_to(ROOT / "hub")
    monkeypatch.chdir(tmp_path)
    names = {"waveform": tone(300, 3.0, rate=44_100), "waveform_16khz": tone(300, 3.0)}
    ran = 0
    for block in blocks(path, "python"):
        if not any(word in block for word in NOT_RUN):
            exec(compile(block, str(path), "exec"), names)
            ran += 1
    assert ran
    if "text" in names:
        assert np.allclose(np.linalg.norm(names["text"].detach().numpy(), axis=1), 1.0, atol=1e-5)


@pytest.mark.parametrize("path", [path for path in PAGES if commands(path)], ids=lambda path: path.name)
def test_commands_are_understood(path):
    from kobza.cli import make_parser

    for words in commands(path):
        try:
            make_parser().parse_args(words)
        except SystemExit as leaving:
            pytest.fail(f"kobza {shlex.join(words)}: wrong usage ({leaving})")


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.name)
def test_relative_links_lead_to_files(path):
    for target in re.findall(r"\]\((?!https?://|#)([^)#]+)", path.read_text(encoding="utf-8")):
        assert (path.parent / target).exists(), target


def test_the_readme_is_short():
    assert len((ROOT / "README.md").read_text(encoding="utf-8").split()) <= 1000


def test_every_sub_command_is_in_the_reference(monkeypatch):
    monkeypatch.syspath_prepend(ROOT / "docs")
    from hooks import command_reference

    from kobza.cli import make_parser

    (sub,) = [action for action in make_parser()._actions if isinstance(action, argparse._SubParsersAction)]
    assert all(f"## kobza {name}\n" in command_reference() for name in sub.choices)
