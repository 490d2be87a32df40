"""Draws search.svg, the picture of the README, from what `kobza` prints: `python docs/images/search.py`."""

import io
import os
import re
import subprocess
import sys
from pathlib import Path

from rich._export_format import CONSOLE_SVG_FORMAT
from rich.console import Console

from kobza.library.demo import default_demo_folder

OUT = Path(__file__).with_name("search.svg")
COMMANDS = (
    ["kobza", "demo"],
    ["kobza", "search", "slow melancholic piano", "-k", "4"],
    ["kobza", "search", "fast drum solo", "-k", "3"],
)


def main() -> None:
    demo = default_demo_folder()
    subprocess.run(COMMANDS[0], check=True, capture_output=True)
    library = next(demo.glob("library-*"))
    console = Console(record=True, width=96, file=io.StringIO(), emoji=False, highlight=False)
    for command in COMMANDS[1:]:
        shown = " ".join(f'"{word}"' if " " in word else word for word in command)
        console.print(f"[bold green]$[/]\N{NO-BREAK SPACE}{shown}")
        run = subprocess.run([*command, "--library", library], check=True, capture_output=True, text=True)
        home = f"{demo}{os.sep}"
        console.print(run.stdout.replace(home, "~/Music/"), markup=False)
    form = re.sub(r"@font-face \{\{.*?\}\}", "", CONSOLE_SVG_FORMAT, flags=re.DOTALL)  # no font from another host
    OUT.write_text(console.export_svg(title="kobza", code_format=form), encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main())
