"""One clip of a video: fetched with yt-dlp, cut with PyAV, written as 16 kHz mono FLAC, or a reason why not.

The best sound of a video is fetched whole, and deleted once the clip is cut: yt-dlp's own cutting needs `ffmpeg`.
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
LEAST = 0.9  # of a clip must be there: videos are shortened, and answers break off
TRIES = 4
LONGEST_PAUSE = 600.0
LIMIT_SECONDS = 15 * 60  # for one download: some answers trickle for ever
DISC = (errno.ENOSPC, errno.EDQUOT, errno.EROFS)

# The reasons for which a clip is missing, and the words by which they are known; the first that fits counts.
REASONS = {
    "busy": r"HTTP Error 429|too many requests|rate-limited",
    "age": r"confirm your age|age.restricted|inappropriate for some users",
    "private": r"private video|video is private|members.only|join this channel|HTTP Error 401",
    "robot": r"not a bot",  # YouTube's answer to an address that it distrusts, whatever the video
    "blocked": r"your country|your location|geo.?restrict|blocked|HTTP Error (403|451)",
    "removed": r"video (is )?unavailable|been removed|terminated|no longer available|does not exist|"
    r"video is not available|HTTP Error (404|410)",
    "no sound": r"unsupported url|no video formats|format is not available|no audio|cannot be read as|empty|damaged",
    "too short": r"of the clip",
    "network": r"",
}
PASSING = ("busy", "network")  # worth another try in a moment
IN_VAIN = (*PASSING, "robot")  # of many clips in a row: nothing more is to be had now
FINAL = ("removed", "private", "age")  # not worth another try in the next run


@dataclass(frozen=True)
class Clip:
    ytid: str
    start: float  # seconds
    end: float
    row: dict  # of MusicCaps' table


@dataclass(frozen=True)
class Missing:
    reason: str  # of `REASONS`
    message: str


def reason_of(message: str) -> str:
    """Why a clip is missing, by what yt-dlp or the decoder said."""
    return next(reason for reason, words in REASONS.items() if re.search(words, message, re.IGNORECASE))


class Stopped(Exception):
    """The run is being ended."""


class Fetcher:
    """Fetches clips; to be used by several threads.

    Args:
        folder: where clips go. scratch: where unfinished ones may lie.
        url: with {ytid} in it. pause: seconds before the second try, doubled before each further one.
        timeout: seconds without a word from the server.
    """

    def __init__(self, folder: Path, scratch: Path, url: str = YOUTUBE, pause: float = 2.0, timeout: float = 30.0):
        self.folder, self.scratch, self.url, self.pause, self.timeout = folder, scratch, url, pause, timeout
        self.stopping = threading.Event()
        self._busy, self._quiet_until = 0, 0.0

    def path(self, clip: Clip) -> Path:
        return self.folder / f"{clip.ytid}.flac"

    def fetch(self, clip: Clip) -> Missing | None:
        """Writes the clip's file, whole; or says why it is missing.

        Raises:
            OSError: the disc is full or cannot be written. Stopped: `stopping` was set.
        """
        for number in range(TRIES):
            self._wait(self._quiet_until - time.monotonic())
            missing, asked = self._try(clip)
            if missing is None:
                self._busy = 0
            if missing is None or missing.reason not in PASSING:
                break
            if missing.reason == "busy":
                self._keep_quiet(asked)
            elif number < TRIES - 1:
                self._wait(self.pause * 2**number)
        return missing

    def _keep_quiet(self, asked: float) -> None:
        """A server that is too busy for one is left alone by all: as long as it asks, and longer each time."""
        now = time.monotonic()
        if now >= self._quiet_until:  # the first answer of its kind; those that were under way say nothing new
            self._busy += 1
            self._quiet_until = now + min(LONGEST_PAUSE, max(asked, self.pause * 2**self._busy))

    def _wait(self, seconds: float) -> None:
        if self.stopping.wait(max(0.0, seconds)):
            raise Stopped

    def _try(self, clip: Clip) -> tuple[Missing | None, float]:
        """(None or what went wrong, the seconds that the server asks to wait)."""
        from yt_dlp.utils import YoutubeDLError

        place = self.scratch / clip.ytid
        try:
            self._cut(self._download(clip, place), clip, place / "clip.flac")
        except (YoutubeDLError, AudioError, OSError) as error:
            message = " ".join(str(error).split()).removeprefix("ERROR: ")
            cause = (getattr(error, "exc_info", None) or (None, error))[1]  # yt-dlp's own wraps what happened
            number = getattr(cause, "errno", None)
            if number in DISC or "[Errno 28]" in message:
                raise OSError(
                    number or errno.ENOSPC, "the disc is full or cannot be written", str(self.folder)
                ) from error
            asked = getattr(getattr(cause, "response", None), "headers", {}).get("Retry-After", "")
            return Missing(reason_of(message), message), float(asked) if asked.isdecimal() else 0.0
        finally:
            shutil.rmtree(place, ignore_errors=True)
        return None, 0.0

    def _download(self, clip: Clip, place: Path) -> Path:
        """The whole recording, in the folder `place`."""
        from yt_dlp import YoutubeDL
        from yt_dlp.utils import DownloadError

        begun = time.monotonic()

        def still_wanted(_) -> None:
            if self.stopping.is_set():
                raise Stopped
            if time.monotonic() - begun > LIMIT_SECONDS:
                raise DownloadError(f"The download took more than {LIMIT_SECONDS // 60} minutes")

        options = {
            "format": "bestaudio/best",
            "paths": {"home": str(place)},
            "outtmpl": "whole.%(ext)s",
            "nopart": True,
            "noplaylist": True,
            "fixup": "never",  # would need FFmpeg's program
            "cachedir": False,
            "socket_timeout": self.timeout,
            "retries": 0,  # `fetch` tries again, whatever it was that failed
            "extractor_retries": 0,
            "progress_hooks": [still_wanted],
            "logger": _Silent(),
            "noprogress": True,
            "color": "no_color",
        }
        with YoutubeDL(options) as downloader:
            downloader.download([self.url.replace("{ytid}", clip.ytid)])
        found = sorted(place.glob("whole.*"))
        if not found:
            raise DownloadError("There is no audio in it")
        return found[0]

    def _cut(self, whole: Path, clip: Clip, part: Path) -> None:
        try:
            sound = excerpt(whole, clip.start, clip.end - clip.start, SAMPLING_RATE)
        except AudioError as error:
            raise AudioError(str(error).replace(str(whole), "The answer")) from None
        seconds = len(sound) / SAMPLING_RATE
        if seconds < LEAST * (clip.end - clip.start):
            raise AudioError(f"The answer has {seconds:.1f} s of the clip, {clip.start:g} s to {clip.end:g} s")
        write_flac(part, sound[None], SAMPLING_RATE)
        move_into_place(part, self.path(clip))


class _Silent:
    """yt-dlp's log: what matters comes as an exception too."""

    def debug(self, _message: str) -> None:
        pass

    info = warning = error = debug
