"""Publish the page as a Space on the Hub, with the Kobza that runs here.

spaces/ and the wheel --assemble--> folder --check, in an environment as the Hub builds it--> --upload--> huggingface.co

The wheel travels with the Space, so that the page is what this Kobza serves, whether or not a package index has its
version. The Hub shows requirements.txt alone to the build of a Space's environment and adds the other files afterwards,
so it lists what the wheel needs, and `app.py` opens the wheel.
"""

import re
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

from huggingface_hub.utils import validate_repo_id

from kobza.export.space_check import check
from kobza.export.upload import PushError, temporary_folder, upload
from kobza.export.wheel import CHECKOUT, PACKAGE, requirements, write_wheel

FILES = ("app.py", "Dockerfile", "README.md")


def push_space(
    repo_id: str,
    public: bool = False,
    dry_run: bool = False,
    is_checked: bool = True,
    say: Callable[[str], None] = lambda _: None,
) -> tuple[list[tuple[str, int]], str | None]:
    """Assemble, check and upload the Space.

    Args:
        repo_id: "user/name". An existing Space keeps its visibility; a new one is private unless `public`.
        dry_run: do everything but the upload.
        is_checked: build the Space's environment (some 1 GB; deleted afterwards) and open the page.
        say: called with a line for each step.

    Returns:
        The files as (name, bytes), and the Space's URL, None for a dry run.

    Raises:
        ValueError: it cannot be assembled or does not open, or the Hub refuses it.
    """
    validate_repo_id(repo_id)
    with temporary_folder("The Space") as folder:
        say("Assembling the Space")
        assemble(folder)
        files = [(path.name, path.stat().st_size) for path in sorted(folder.iterdir())]
        if is_checked:
            check(folder, say)
        if dry_run:
            return files, None
        say(f"Uploading to {repo_id}")
        return files, upload(folder, repo_id, public, "space")


def assemble(folder: Path) -> None:
    """Write everything that belongs into the Space's repository into `folder`."""
    source = next((place for place in (PACKAGE / "spaces", CHECKOUT / "spaces") if place.is_dir()), None)
    if source is None:
        raise PushError("Kobza's installation lacks the files of the Space: install it again.")
    for name in FILES:
        shutil.copyfile(source / name, folder / name)
    wheel = write_wheel(folder)
    lines = requirements(wheel, "space")
    (folder / "requirements.txt").write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    card = folder / "README.md"
    version = f'python_version: "{sys.version_info.major}.{sys.version_info.minor}"'  # that of `check`
    card.write_text(re.sub(r"(?m)^python_version: .*$", version, card.read_text(encoding="utf-8")), encoding="utf-8")
