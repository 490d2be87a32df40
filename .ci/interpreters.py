"""The interpreters of this machine that pyproject.toml allows, newest first, one of each minor version.

Those of pyenv, and the one that runs this. Needs `packaging`.
"""

import re
import shutil
import subprocess
import sys
from pathlib import Path

from packaging.specifiers import SpecifierSet

VERSION = "import sys; print('.'.join(map(str, sys.version_info[:3])))"


def main() -> None:
    pyproject = (Path(__file__).parents[1] / "pyproject.toml").read_text(encoding="utf-8")
    allowed = SpecifierSet(re.search(r'^requires-python = "(.*?)"', pyproject, re.M)[1])
    candidates = [getattr(sys, "_base_executable", sys.executable)]
    if shutil.which("pyenv"):
        root = Path(subprocess.run(["pyenv", "root"], capture_output=True, text=True, check=True).stdout.strip())
        candidates += map(str, root.glob("versions/*/bin/python"))
    newest = {}
    for python in candidates:
        said = subprocess.run([python, "-c", VERSION], capture_output=True, text=True).stdout.strip()
        if not said or said not in allowed:
            continue
        version = tuple(int(part) for part in said.split("."))
        newest[version[:2]] = max(newest.get(version[:2], (version, python)), (version, python))
    if not newest:
        sys.exit(f"No interpreter of this machine is {allowed}.")
    print(*[python for _, python in sorted(newest.values(), reverse=True)], sep="\n")


if __name__ == "__main__":
    main()
