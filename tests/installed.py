"""Programs that tests need and pip does not bring."""

import shutil

import pytest

PACKAGES = {"mpv": "mpv", "vlc": "vlc-bin vlc-plugin-base", "ffplay": "ffmpeg", "mpd": "mpd"}


def need(*programs: str) -> None:
    """Skip the test where one of them is missing, and say how to get it on Debian."""
    for program in programs:
        if not shutil.which(program):
            pytest.skip(f"there is no {program}; install it with: apt-get install {PACKAGES[program]}")
