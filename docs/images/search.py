"""Draws search.svg, the picture of the README, from what `kobza` prints: `python docs/images/search.py`."""

import contextlib
import fcntl
import io
import os
import pty
import re
import struct
import subprocess
import sys
import termios
from pathlib import Path

from rich._export_format import CONSOLE_SVG_FORMAT
from rich.console import Console
from rich.text import Text

from kobza.library.demo import default_demo_folder

COLUMNS = 80
OUT = Path(__file__).with_name("search.svg")
COMMANDS = (
    ["kobza", "demo"],
    ["kobza", "search", "slow melancholic piano", "-k", "4"],
    ["kobza", "search", "fast drum solo", "-k", "3"],
)


def in_a_terminal(command: list[str]) -> str:
    """What a command writes to a terminal of `COLUMNS` columns, with its escape sequences."""
    main, other = pty.openpty()
    fcntl.ioctl(other, termios.TIOCSWINSZ, struct.pack("HHHH", 24, COLUMNS, 0, 0))
    with subprocess.Popen(command, stdin=other, stdout=other, env=os.environ | {"TERM": "xterm-256color"}):
        os.close(other)
        written = b""
        with contextlib.suppress(OSError):  # how Linux says that the other side is closed
            while part := os.read(main, 65536):
                written += part
    os.close(main)
    return written.decode().replace("\r\n", "\n")


def main() -> None:
    demo = default_demo_folder()
    subprocess.run(COMMANDS[0], check=True, capture_output=True)
    library = next(demo.glob("library-*"))
    console = Console(record=True, width=COLUMNS, file=io.StringIO(), emoji=False, highlight=False)
    for command in COMMANDS[1:]:
        shown = " ".join(f'"{word}"' if " " in word else word for word in command)
        console.print(f"[bold green]$[/]\N{NO-BREAK SPACE}{shown}")
        console.print(Text.from_ansi(in_a_terminal([*command, "--library", str(library)])))
    form = re.sub(r"@font-face \{\{.*?\}\}", "", CONSOLE_SVG_FORMAT, flags=re.DOTALL)  # no font from another host
    OUT.write_text(console.export_svg(title="kobza", code_format=form), encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main())
