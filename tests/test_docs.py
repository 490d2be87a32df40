"""README and docs: their Python runs, their commands exist, their links lead somewhere."""

import argparse
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from recordings import tone, write

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]
# Blocks that fetch pretrained towers or data from the Hub, or are run elsewhere (tests/embedding/test_registered.py).
NOT_RUN = ("from_towers", "mteb.evaluate(", "load_ttmr_pp")


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


class TestServiceFiles:
    """Those of docs/operate.md."""

    PAGE = ROOT / "docs" / "operate.md"

    @staticmethod
    def understood(command: str) -> None:
        from kobza.cli import make_parser

        for words in map(shlex.split, re.findall(r"kobza (?:watch|index)[^&\"']*", command)):
            make_parser().parse_args(words[1:])

    def test_the_systemd_unit(self, tmp_path):
        (text,) = blocks(self.PAGE, "ini")
        (command,) = re.findall(r"^ExecStart=(.*)$", text, flags=re.MULTILINE)
        self.understood(command)
        assert command == "%h/.local/bin/kobza watch"
        if shutil.which("systemd-analyze") is None:
            pytest.skip("systemd-analyze is not installed")
        unit = tmp_path / "kobza.service"
        unit.write_text(text.replace("%h/.local/bin/kobza", sys.executable))
        check = ["systemd-analyze", "--user", "verify", unit]
        verified = subprocess.run(
            check, capture_output=True, text=True, env=os.environ | {"XDG_RUNTIME_DIR": str(tmp_path)}
        )
        assert verified.returncode == 0 and "kobza.service" not in verified.stderr, verified.stderr

    def test_the_container(self):
        yaml = pytest.importorskip("yaml")
        (text,) = blocks(self.PAGE, "dockerfile")
        words = {"FROM", "RUN", "USER", "ENV", "VOLUME", "CMD"}
        assert {line.split()[0] for line in text.splitlines()} == words and text.startswith("FROM ")
        (command,) = re.findall(r"^CMD (.*)$", text, flags=re.MULTILINE)
        self.understood(json.loads(command)[2])
        (compose,) = blocks(self.PAGE, "yaml")
        composed = yaml.safe_load(compose)
        volumes = composed["services"]["kobza"]["volumes"]
        assert "/music:ro" in volumes[0] and volumes[1].split(":") == ["library", re.search(r"VOLUME (\S+)", text)[1]]
        assert "library" in composed["volumes"]
