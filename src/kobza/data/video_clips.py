"""Fetch a clip of a video: download with yt-dlp, cut with PyAV, write as 16 kHz mono FLAC; or say why it is missing.

The whole audio stream is downloaded and deleted once the clip is cut: yt-dlp would need the program `ffmpeg` to cut.
"""

from __future__ import annotations

import errno
import re
import shutil
import threading
import time
from dataclasses import dataclass
from pathlib import Path

from kobza.atomic import move_into_place
from kobza.audio import AudioError, excerpt
from kobza.synth.album import write_flac

YOUTUBE = "https://www.youtube.com/watch?v={ytid}"
SAMPLING_RATE = 16000
MIN_CLIP_FRACTION = 0.9  # of a clip must exist: videos are shortened, and downloads break off
MAX_ATTEMPTS = 4
MAX_PAUSE_SECONDS = 600.0
MAX_DOWNLOAD_SECONDS = 15 * 60  # some servers send a few bytes a second without end
DISK_ERRORS = (errno.ENOSPC, errno.EDQUOT, errno.EROFS)

# Reason for which a clip is missing: pattern of the error messages; the first that matches counts.
REASONS = {
    "busy": r"HTTP Error 429|too many requests|rate-limited",
    "age": r"confirm your age|age.restricted|inappropriate for some users",
    "private": r"private video|video is private|members.only|join this channel|HTTP Error 401",
    "robot": r"not a bot",  # YouTube refuses this IP address, whatever the video
    "blocked": r"your country|your location|geo.?restrict|blocked|HTTP Error (403|451)",
    "removed": r"video (is )?unavailable|been removed|terminated|no longer available|does not exist|"
    r"video is not available|HTTP Error (404|410)",
    "no sound": r"unsupported url|no video formats|format is not available|no audio|cannot be read as|empty|damaged",
    "too short": r"of the clip",
    "network": r"",
}
TRANSIENT_REASONS = ("busy", "network")  # retried at once
SERVER_REASONS = (*TRANSIENT_REASONS, "robot")  # when many clips in a row fail for these, the run ends
PERMANENT_REASONS = ("removed", "private", "age")  # not retried in the next run


@dataclass(frozen=True)
class Clip:
    """The part of a video from `start` to `end` (seconds), with its row of MusicCaps' table."""

    ytid: str
    start: float
    end: float
    row: dict[str, str]


@dataclass(frozen=True)
class MissingClip:
    """Why a clip is missing: one of `REASONS`, and the error message."""

    reason: str
    message: str


def reason_of(message: str) -> str:
    """The reason for which a clip is missing, from the message of yt-dlp or the decoder.

    >>> reason_of("Private video. Sign in if you've been granted access"), reason_of("HTTP Error 503")
    ('private', 'network')
    """
    return next(reason for reason, pattern in REASONS.items() if re.search(pattern, message, re.IGNORECASE))


class DownloadStopped(Exception):
    """The run is ending."""


class ClipFetcher:
    """Fetches clips; safe for use by several threads.

    Args:
        folder: where clips are written.
        scratch: for unfinished files.
        url: of a video, with {ytid} in it.
        pause: seconds before the second attempt, doubled before each further one.
        timeout: seconds without data from the server.
    """

    def __init__(self, folder: Path, scratch: Path, url: str = YOUTUBE, pause: float = 2.0, timeout: float = 30.0):
        self.folder = folder
        self.scratch = scratch
        self.url = url
        self.pause = pause
        self.timeout = timeout
        self.stopping = threading.Event()
        self._busy_count = 0
        self._paused_until = 0.0  # on the clock time.monotonic()

    def path(self, clip: Clip) -> Path:
        return self.folder / f"{clip.ytid}.flac"

    def fetch(self, clip: Clip) -> MissingClip | None:
        """Write the clip's file atomically; return why it is missing if that fails.

        Raises:
            OSError: the disk is full or cannot be written.
            DownloadStopped: `stopping` was set.
        """
        missing: MissingClip | None = None
        for attempt in range(MAX_ATTEMPTS):
            self._wait(self._paused_until - time.monotonic())
            missing, retry_after = self._try(clip)
            if missing is None:
                self._busy_count = 0
                return None
            if missing.reason not in TRANSIENT_REASONS:
                return missing
            if missing.reason == "busy":
                self._pause_all(retry_after)
            elif attempt < MAX_ATTEMPTS - 1:
                self._wait(self.pause * 2**attempt)
        return missing

    def _pause_all(self, retry_after: float) -> None:
        """Pause all threads when the server is busy: as long as it asks for, and longer each time."""
        now = time.monotonic()
        if now >= self._paused_until:  # else the request was under way before the pause, which covers it
            self._busy_count += 1
            seconds = max(retry_after, self.pause * 2**self._busy_count)
            self._paused_until = now + min(MAX_PAUSE_SECONDS, seconds)

    def _wait(self, seconds: float) -> None:
        if self.stopping.wait(max(0.0, seconds)):
            raise DownloadStopped

    def _try(self, clip: Clip) -> tuple[MissingClip | None, float]:
        """Make one attempt: (None, or what went wrong; the seconds that the server asks to wait)."""
        from yt_dlp.utils import YoutubeDLError

        workspace = self.scratch / clip.ytid
        try:
            self._cut(self._download(clip, workspace), clip, workspace / "clip.flac")
        except (YoutubeDLError, AudioError, OSError) as error:
            message = " ".join(str(error).split()).removeprefix("ERROR: ")
            exc_info = getattr(error, "exc_info", None)  # yt-dlp wraps the original error
            cause = exc_info[1] if exc_info else error
            number = getattr(cause, "errno", None)
            if number in DISK_ERRORS or "[Errno 28]" in message:
                raise OSError(
                    number or errno.ENOSPC, "the disk is full or cannot be written", str(self.folder)
                ) from error
            retry_after = getattr(getattr(cause, "response", None), "headers", {}).get("Retry-After", "")
            seconds = float(retry_after) if retry_after.isdecimal() else 0.0
            return MissingClip(reason_of(message), message), seconds
        finally:
            shutil.rmtree(workspace, ignore_errors=True)
        return None, 0.0

    def _download(self, clip: Clip, workspace: Path) -> Path:
        """Download the whole audio stream into the folder `workspace`."""
        from yt_dlp import YoutubeDL
        from yt_dlp.utils import DownloadError

        begun = time.monotonic()

        def check_limits(_) -> None:
            if self.stopping.is_set():
                raise DownloadStopped
            if time.monotonic() - begun > MAX_DOWNLOAD_SECONDS:
                raise DownloadError(f"The download took more than {MAX_DOWNLOAD_SECONDS // 60} minutes")

        options = {
            "format": "bestaudio/best",
            "paths": {"home": str(workspace)},
            "outtmpl": "whole.%(ext)s",
            "nopart": True,
            "noplaylist": True,
            "fixup": "never",  # would need the program ffmpeg
            "cachedir": False,
            "socket_timeout": self.timeout,
            "retries": 0,  # `fetch` retries, whatever failed
            "extractor_retries": 0,
            "progress_hooks": [check_limits],
            "logger": _SilentLogger(),
            "noprogress": True,
            "color": "no_color",
        }
        with YoutubeDL(options) as downloader:
            downloader.download([self.url.replace("{ytid}", clip.ytid)])
        downloaded = sorted(workspace.glob("whole.*"))
        if not downloaded:
            raise DownloadError("There is no audio in it")
        return downloaded[0]

    def _cut(self, whole: Path, clip: Clip, part: Path) -> None:
        """Cut the clip out of the whole recording; `part` is its unfinished file."""
        try:
            samples = excerpt(whole, clip.start, clip.end - clip.start, SAMPLING_RATE)
        except AudioError as error:
            raise AudioError(str(error).replace(str(whole), "The download")) from None
        seconds = len(samples) / SAMPLING_RATE
        if seconds < MIN_CLIP_FRACTION * (clip.end - clip.start):
            raise AudioError(f"The download has {seconds:.1f} s of the clip, {clip.start:g} s to {clip.end:g} s")
        write_flac(part, samples[None], SAMPLING_RATE)
        move_into_place(part, self.path(clip))


class _SilentLogger:
    """Discards yt-dlp's log: errors are raised as exceptions too."""

    def debug(self, _message: str) -> None:
        pass

    info = warning = error = debug
