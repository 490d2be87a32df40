"""Build a Space's environment as the Hub does, and open the page from it."""

import json
import os
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType
from urllib.parse import urlencode

from kobza.embedding.checkpoint_folder import one_line
from kobza.export.upload import PushError

STARTUP_SECONDS = 600  # a Space renders its album when it first starts: half a minute on two cores
REQUEST_SECONDS = 60
# What the Hub installs beside a Space's requirements, in one command with them
THE_HUBS_OWN = ("uvicorn>=0.14.0", "websockets>=10.4", "spaces")
QUERY = "slow sad piano"


def check(folder: Path, say: Callable[[str], None] = lambda _: None) -> None:
    """Install the folder's requirements into a new environment, start its `app.py` there, and search on the page.

    Raises:
        PushError: one of the three fails.
    """
    with tempfile.TemporaryDirectory(prefix="kobza-space-") as place:
        say("Building its environment here, as the Hub will (some 1 GB, deleted afterwards; --no-check leaves it out)")
        python = build_environment(folder, Path(place) / "venv")
        say(f"Opening the page from it: it has {_megabytes(python.parent.parent)} MB")
        seconds = open_page(folder, python)
        say(f"The page answered after {seconds:.0f} seconds")


def build_environment(folder: Path, environment: Path) -> Path:
    """Install what the Hub would install for the Space in `folder`. Returns the environment's interpreter.

    Raises:
        PushError: the requirements cannot be installed together.
    """
    _run([sys.executable, "-m", "venv", str(environment)])
    python = environment / "bin" / "python"
    install(folder, python)
    return python


def install(folder: Path, python: Path) -> None:
    """Install a Space's requirements, and what the Hub adds, with the interpreter's own pip. PushError: it cannot."""
    header = (folder / "README.md").read_text(encoding="utf-8")
    gradio = re.search(r"(?m)^sdk_version: (.+)$", header)
    assert gradio is not None
    requirements = ["-r", str(folder / "requirements.txt"), f"gradio[oauth,mcp]=={gradio[1]}", *THE_HUBS_OWN]
    _run([str(python), "-m", "pip", "install", "--quiet", *requirements])


def _run(command: list[str]) -> None:
    done = subprocess.run(command, env=_environment(), capture_output=True, text=True, errors="replace")
    if done.returncode:
        raise PushError(f"The Space's environment cannot be built ({_last_line(done.stderr)}); nothing was uploaded.")


def _environment(**added: str) -> dict[str, str]:
    """This process's environment without what is set for Kobza, the Hub and Python here."""
    mine = ("HF_", "KOBZA_", "PYTHON", "GRADIO_", "XDG_", "VIRTUAL_ENV")
    return {name: value for name, value in os.environ.items() if not name.startswith(mine)} | added


def _megabytes(folder: Path) -> int:
    return sum(path.lstat().st_size for path in folder.rglob("*")) // 10**6


def open_page(folder: Path, python: Path | str, variables: Mapping[str, str] = MappingProxyType({})) -> float:
    """Start the Space in a copy of `folder` with the interpreter `python`, and search on its page as a visitor would.

    Args:
        variables: what is set on the Hub as the Space's variables.

    Returns:
        The seconds from the start to the first answer.

    Raises:
        PushError: it ends, does not answer in time, or finds nothing.
    """
    with tempfile.TemporaryDirectory(prefix="kobza-space-") as home:
        app = shutil.copytree(folder, Path(home) / "app")
        with socket.create_server(("127.0.0.1", 0)) as free:
            port = free.getsockname()[1]
        address = {"GRADIO_SERVER_NAME": "127.0.0.1", "GRADIO_SERVER_PORT": str(port)}
        environment = _environment(HOME=home, SYSTEM="spaces", SPACE_ID="user/name", **address, **variables)
        log = Path(home) / "log"
        with log.open("wb") as output:
            command = [str(python), "app.py"]
            space = subprocess.Popen(command, cwd=app, env=environment, stdout=output, stderr=subprocess.STDOUT)
        try:
            return _visit(space, f"http://127.0.0.1:{port}/", log)
        finally:
            space.terminate()
            try:
                space.wait(30)
            except subprocess.TimeoutExpired:
                space.kill()
                space.wait()


def _visit(space: subprocess.Popen, address: str, log: Path) -> float:
    def failed(reason: str) -> PushError:
        said = _last_line(log.read_text(encoding="utf-8", errors="replace"))
        return PushError(f"The Space does not open: {reason} ({said}); nothing was uploaded.")

    began = time.monotonic()
    ends = began + STARTUP_SECONDS
    while True:
        try:
            page = _fetch(address)
            break
        except OSError as error:
            if space.poll() is not None:
                raise failed(f"app.py ended with exit code {space.returncode}") from None
            if isinstance(error, urllib.error.HTTPError) or time.monotonic() > ends:
                raise failed(f"the page answers {one_line(error)}") from None
            time.sleep(0.5)
    seconds = time.monotonic() - began
    try:
        hits = json.loads(_fetch(f"{address}api/search?{urlencode({'q': QUERY})}"))["hits"]
    except (OSError, ValueError, KeyError) as error:
        raise failed(f"a search on the page answers {one_line(error)}") from None
    if b"Kobza" not in page or not hits:
        raise failed("its page is empty" if hits else f"a search for {QUERY!r} finds nothing")
    return seconds


def _fetch(address: str) -> bytes:
    with urllib.request.urlopen(address, timeout=REQUEST_SECONDS) as answer:
        return answer.read()


def _last_line(text: str) -> str:
    """
    >>> _last_line("Traceback ...\\nValueError: no\\n\\n")
    'ValueError: no'
    """
    return one_line(next((line for line in reversed(text.splitlines()) if line.strip()), "it says nothing"))
