"""The wheel of the Kobza that runs: built from its checkout, or packed from the files that pip installed."""

import subprocess
import sys
import zipfile
from importlib.metadata import Distribution, PackageNotFoundError, distribution
from importlib.util import find_spec
from pathlib import Path

from packaging.requirements import Requirement

from kobza.embedding.checkpoint_folder import one_line
from kobza.errors import KobzaError

PACKAGE = Path(__file__).resolve().parents[1]
CHECKOUT = PACKAGE.parents[1]
NOT_IN_WHEELS = {"INSTALLER", "RECORD", "REQUESTED", "direct_url.json"}  # what pip and uv write as they install

THE_HUB = {"sys_platform": "linux", "platform_system": "Linux", "platform_machine": "x86_64"}


class WheelError(KobzaError):
    """There is no wheel of this Kobza; the message says why, and what to do."""


def write_wheel(folder: Path) -> Path:
    """Write the wheel of this very Kobza, with its checkpoint, into `folder`.

    Raises:
        WheelError: the checkout cannot be built, or what pip installed is not complete.
    """
    if (CHECKOUT / "pyproject.toml").is_file() and PACKAGE.parent.name == "src":
        return _build(folder)
    try:
        return _pack(distribution("kobza"), folder)
    except (PackageNotFoundError, FileNotFoundError) as error:
        raise WheelError(f"Kobza's installation is not complete ({one_line(error)}): install it again.") from error


def _build(folder: Path) -> Path:
    if find_spec("hatchling") is None:
        raise WheelError(f"Building {CHECKOUT} needs hatchling; install it with: pip install hatchling")
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)]
    done = subprocess.run(command, cwd=CHECKOUT, capture_output=True, text=True, errors="replace")
    if done.returncode:
        reason = (done.stderr.strip() or f"exit code {done.returncode}").splitlines()[-1]
        raise WheelError(f"The wheel of {CHECKOUT} cannot be built ({one_line(reason)}).")
    return next(folder.glob("kobza-*.whl"))


def _pack(installed: Distribution, folder: Path) -> Path:
    """A wheel of the files that pip unpacked, as its RECORD lists them."""
    # ".." leads to the commands that pip made; bytecode is compiled again
    files = [file for file in installed.files or () if file.parts[0] != ".." and file.suffix != ".pyc"]
    files = [file for file in files if file.name not in NOT_IN_WHEELS]
    information = next((file.parent for file in files if file.name == "METADATA"), None)
    if information is None:
        raise FileNotFoundError(f"pip has no list of its files in {installed.locate_file('')}")
    wheel = folder / f"kobza-{installed.version}-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        for file in files:
            archive.write(file.locate(), str(file))
        hashes = [f"{file},{file.hash.mode}={file.hash.value},{file.size}\n" for file in files if file.hash]
        archive.writestr(f"{information}/RECORD", "".join(hashes) + f"{information}/RECORD,,\n")
    return wheel


def requirements(wheel: Path, extra: str) -> list[str]:
    """What pip must install on the Hub for a wheel and one of its extras, without the wheel itself; sorted."""
    with zipfile.ZipFile(wheel) as archive:
        name = next(name for name in archive.namelist() if name.endswith(".dist-info/METADATA"))
        lines = archive.read(name).decode().split("\n\n")[0].splitlines()
    needed = set()
    for line in lines:
        if line.startswith("Requires-Dist: "):
            requirement = Requirement(line.removeprefix("Requires-Dist: "))
            if requirement.marker is None or requirement.marker.evaluate({**THE_HUB, "extra": extra}):
                requirement.marker = None
                needed.add(str(requirement))
    return sorted(needed)
