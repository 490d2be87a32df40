"""Fetches the files that the build reads: a teacher's weights, tables, MIDI songs, soundfonts, the taggers' wheel.

Each is fetched once into a folder, whole or not at all. A file that is there is used, so that all of it can also be
put there by hand.
"""

import hashlib
import shutil
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from http.client import HTTPException, HTTPResponse
from pathlib import Path
from typing import NamedTuple

from huggingface_hub import hf_hub_url

from kobza.atomic import atomic_path
from kobza.distill.corpus.fetching import fetch_packages

TIMEOUT_SECONDS = 60
USER_AGENT = "kobza-build (github.com/kobza)"
TAGGERS = "musicnn==0.1.0"
SOUNDFONT_PACKAGES = ("fluid-soundfont-gm", "timgm6mb-soundfont", "musescore-general-soundfont-small")


class Download(NamedTuple):
    """A file on the web; `sha256` where it never changes."""

    name: str
    url: str
    sha256: str | None = None


TEACHER = Download(
    "mn04_as_mAP_432.pt",
    "https://github.com/fschmid56/EfficientAT/releases/download/v0.0.1/mn04_as_mAP_432.pt",
    "899a8c6217063f6941793102a2780b3dd788ab11fce468d9cf5f0577c453321c",
)
CLASSES = Download(
    "class_labels_indices.csv",
    "https://storage.googleapis.com/us_audioset/youtube_corpus/v1/csv/class_labels_indices.csv",
)
MUSICCAPS = Download(
    "musiccaps-public.csv", hf_hub_url("google/MusicCaps", "musiccaps-public.csv", repo_type="dataset")
)
POP909 = Download("pop909.tar.gz", "https://github.com/music-x-lab/POP909-Dataset/archive/refs/heads/master.tar.gz")


@contextmanager
def open_url(url: str) -> Iterator[HTTPResponse]:
    """The answer to a GET request as a stream; OSError, with the address and the reason, where there is none."""
    request = urllib.request.Request(url, headers={"User-Agent": USER_AGENT})
    try:
        with urllib.request.urlopen(request, timeout=TIMEOUT_SECONDS) as answer:
            yield answer
    except (OSError, HTTPException) as error:  # urllib's own errors are OSErrors
        raise OSError(f"{url} could not be downloaded ({error}): run the command again later.") from error


def fetch_file(download: Download, folder: Path) -> Path:
    """The path of the file in `folder`, downloaded if it is not there.

    Raises OSError where the server does not give it, or gives something else.
    """
    path = folder / download.name
    if path.exists():
        return path
    folder.mkdir(parents=True, exist_ok=True)
    with atomic_path(path) as part:
        with open_url(download.url) as answer, open(part, "wb") as file:
            shutil.copyfileobj(answer, file)
            promised = answer.headers["Content-Length"]
        if promised is not None and int(promised) != part.stat().st_size:
            raise OSError(f"{download.url} ended after {part.stat().st_size} of {promised} bytes: try again.")
        digest = hashlib.sha256(part.read_bytes()).hexdigest()
        if download.sha256 not in (None, digest):
            raise OSError(f"{download.url} is not the file that it was (sha256 {digest}): find the earlier one.")
    return path


def fetch_taggers(folder: Path) -> Path:
    """The wheel of musicnn's taggers, by `pip download`; it is not installed, because it wants TensorFlow 1."""
    wheels = sorted(folder.glob("musicnn-*.whl"))
    if not wheels:
        folder.mkdir(parents=True, exist_ok=True)
        command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--dest", str(folder), TAGGERS]
        subprocess.run(command, check=True)
        wheels = sorted(folder.glob("musicnn-*.whl"))
    return wheels[0]


def fetch_soundfonts(folder: Path) -> list[Path]:
    """The soundfonts of three Debian packages, unpacked below `folder`."""
    fetch_packages(SOUNDFONT_PACKAGES, folder)
    files = (path for package in SOUNDFONT_PACKAGES for path in sorted((folder / package).rglob("*.sf[23]")))
    return [path for path in files if path.is_file() and not path.is_symlink()]
