"""Download MusicCaps' audio: from its table to a folder to train and evaluate on, as far as the videos still exist.

    OUT/YTID.flac        16 kHz, mono, the clip's ten seconds; written atomically
    OUT/metadata.jsonl   for each clip that was fetched: file_name and the table's columns
    OUT/missing.csv      for each other clip: ytid, reason, the error message

A run that was stopped, or killed, resumes with the same command.
"""

from __future__ import annotations

import csv
import io
import json
import re
import shutil
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from filelock import FileLock, Timeout

from kobza.atomic import atomic_write
from kobza.audio import printable
from kobza.data.musiccaps import parse_bool
from kobza.data.pairs import aspects_of
from kobza.data.recordings import DataSetError, read_table
from kobza.data.video_clips import PERMANENT_REASONS, SERVER_REASONS, YOUTUBE, Clip, ClipFetcher, MissingClip
from kobza.extras import require
from kobza.folders import expanded

HUB_DATASET = "google/MusicCaps"
HUB_TABLE = "musiccaps-public.csv"
SCRATCH = ".fetching"
MAX_CONSECUTIVE_FAILURES = 24  # clips in a row that the network or the server failed to deliver
CLIPS_PER_SAVE = 50  # a killed run's metadata.jsonl lacks at most so many clips, until the next run


@dataclass(frozen=True)
class Outcome:
    """What a download achieved.

    Attributes:
        present: clips in the folder.
        fetched: how many of these are from this run.
        missing: how many clips are missing for each reason.
    """

    present: int
    fetched: int
    missing: dict[str, int]


def read_clips(table: str | Path | None = None) -> list[Clip]:
    """Read the clips of a CSV table with MusicCaps' columns, by default of the one on the Hub.

    Raises:
        DataSetError: there is no such table, it lacks columns, or a row describes no clip.
    """
    table = expanded(table) if table is not None else _hub_table()
    clips: dict[str, Clip] = {}
    for number, row in enumerate(read_table(table, ("ytid", "start_s", "end_s", "caption")), 1):
        clip = _parse_clip(row)
        if clip is None:
            raise DataSetError(
                f"Row {number} of {printable(table)} describes no clip: it needs a video's id and 0 <= start_s < "
                f"end_s, but has {row['ytid']!r}, {row['start_s']!r}, {row['end_s']!r}; correct or remove it."
            )
        if clip.ytid in clips:
            raise DataSetError(f"{printable(table)} has {clip.ytid} twice: keep one row per video.")
        clips[clip.ytid] = clip
    if not clips:
        raise DataSetError(f"{printable(table)} has no rows: fetch the table again.")
    return list(clips.values())


def _parse_clip(row: dict[str, str]) -> Clip | None:
    try:
        start, end = float(row["start_s"]), float(row["end_s"])
    except ValueError:
        return None
    if not re.fullmatch(r"[\w-]+", row["ytid"], re.ASCII) or not 0 <= start < end:
        return None
    return Clip(row["ytid"], start, end, row)


def _hub_table() -> Path:
    import httpx
    from huggingface_hub import hf_hub_download

    try:
        return Path(hf_hub_download(HUB_DATASET, HUB_TABLE, repo_type="dataset"))
    except (OSError, ValueError, httpx.HTTPError) as error:
        reason = str(error).strip().split("\n")[0]
        raise DataSetError(
            f"The table of {HUB_DATASET} cannot be fetched from the Hub ({reason}): check the network, or give a local "
            "file with --table."
        ) from error


def download(
    out: str | Path,
    table: str | Path | None = None,
    workers: int = 8,
    url: str = YOUTUBE,
    progress: Callable[[int, int, str], None] | None = None,
    **retry_settings: float,
) -> Outcome:
    """Fetch every clip of the table that is not in the folder yet.

    Args:
        url: of a video, with {ytid} in it.
        progress: called with (clips done, clips in all, a summary such as "3 fetched, 1 missing").
        retry_settings: `pause` and `timeout` of `ClipFetcher`.

    Raises:
        DataSetError: as `read_clips`; the address has no {ytid}; another download into the folder is running; the
            network fails for many clips in a row.
        OSError: the folder cannot be made or written, or the disk is full.
    """
    if "{ytid}" not in url:
        raise DataSetError(f"The address {url!r} has no {{ytid}} in it: write {{ytid}} where the video's id belongs.")
    require("yt_dlp", "Fetching videos", "data")
    clips = read_clips(table)
    out = expanded(out)
    out.mkdir(parents=True, exist_ok=True)
    with _locked_scratch(out) as scratch:
        fetcher = ClipFetcher(out, scratch, url, **retry_settings)
        present = {clip.ytid for clip in clips if fetcher.path(clip).is_file()}
        present_before = len(present)
        missing = _read_missing(out, {clip.ytid for clip in clips} - present)
        permanent = {ytid for ytid, clip in missing.items() if clip.reason in PERMANENT_REASONS}
        wanted = [clip for clip in clips if clip.ytid not in present | permanent]
        pool = ThreadPoolExecutor(workers)
        consecutive_failures = 0
        try:
            _write_tables(out, clips, present, missing)
            jobs = {pool.submit(fetcher.fetch, clip): clip for clip in wanted}
            for done, job in enumerate(as_completed(jobs), 1):
                clip = jobs[job]
                failure = job.result()
                missing.pop(clip.ytid, None)
                if failure is None:
                    present.add(clip.ytid)
                else:
                    missing[clip.ytid] = failure
                if failure is None or failure.reason not in SERVER_REASONS:
                    consecutive_failures = 0
                else:
                    consecutive_failures += 1
                    if consecutive_failures == MAX_CONSECUTIVE_FAILURES:
                        raise DataSetError(
                            f"The last {consecutive_failures} clips could not be fetched ({failure.message}): check "
                            "the network, or try again later; the same command continues from here."
                        )
                if done % CLIPS_PER_SAVE == 0:
                    _write_tables(out, clips, present, missing)
                if progress is not None:
                    fetched = len(present) - present_before
                    progress(done, len(wanted), f"{fetched} fetched, {done - fetched} missing")
        finally:
            fetcher.stopping.set()
            pool.shutdown(cancel_futures=True)
            present = {clip.ytid for clip in clips if fetcher.path(clip).is_file()}
            _write_tables(out, clips, present, missing)
    reasons = Counter(missing[clip.ytid].reason for clip in clips if clip.ytid in missing)
    return Outcome(len(present), len(present) - present_before, dict(reasons.most_common()))


@contextmanager
def _locked_scratch(out: Path) -> Iterator[Path]:
    """An empty folder for unfinished files, locked for one run at a time; the lock ends with its process."""
    scratch = out / SCRATCH
    scratch.mkdir(exist_ok=True)
    try:
        lock = FileLock(scratch / ".lock", timeout=0).acquire()
    except Timeout:
        raise DataSetError(f"Another download into {printable(out)} is running: wait for it.") from None
    with lock:
        for leftover in scratch.iterdir():  # from a run that was killed
            if leftover.is_dir():
                shutil.rmtree(leftover)
        try:
            yield scratch
        finally:
            shutil.rmtree(scratch, ignore_errors=True)


def _read_missing(out: Path, wanted: set[str]) -> dict[str, MissingClip]:
    path = out / "missing.csv"
    rows = read_table(path, ("ytid", "reason", "message")) if path.is_file() else []
    return {row["ytid"]: MissingClip(row["reason"], row["message"]) for row in rows if row["ytid"] in wanted}


def _write_tables(out: Path, clips: list[Clip], present: set[str], missing: dict[str, MissingClip]) -> None:
    lines = [json.dumps(_metadata(clip), ensure_ascii=False) + "\n" for clip in clips if clip.ytid in present]
    atomic_write(out / "metadata.jsonl", "".join(lines))
    text = io.StringIO(newline="")
    table = csv.writer(text, lineterminator="\n")
    table.writerow(("ytid", "reason", "message"))
    for clip in clips:
        if clip.ytid in missing:
            table.writerow((clip.ytid, missing[clip.ytid].reason, missing[clip.ytid].message))
    atomic_write(out / "missing.csv", text.getvalue())


def _metadata(clip: Clip) -> dict:
    """The table's row with numbers, lists and booleans in place of text."""
    row = {"file_name": f"{clip.ytid}.flac", **clip.row, "start_s": clip.start, "end_s": clip.end}
    if "aspect_list" in row:
        row["aspect_list"] = list(aspects_of(row) or ())
    return row | {name: parse_bool(value) for name, value in row.items() if name.startswith("is_")}
