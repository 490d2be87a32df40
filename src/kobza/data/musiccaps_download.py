"""MusicCaps' audio: from its table to a folder that trains and is measured, as far as the videos are still there.

    OUT/YTID.flac        16 kHz, mono, the clip's ten seconds; whole or not there
    OUT/metadata.jsonl   of each clip that is there: file_name and the table's columns
    OUT/missing.csv      of each that is not: ytid, reason, what was said

A run that was stopped, however roughly, is taken up by the next one.
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
from importlib.util import find_spec
from pathlib import Path

from filelock import FileLock, Timeout

from kobza.atomic import atomic_write
from kobza.audio import printable
from kobza.data.musiccaps import is_true
from kobza.data.pairs import aspects_of
from kobza.data.recordings import DataSetError, read_table
from kobza.data.video_clips import FINAL, IN_VAIN, YOUTUBE, Clip, Fetcher, Missing
from kobza.folders import expanded

HUB, HUB_TABLE = "google/MusicCaps", "musiccaps-public.csv"
SCRATCH = ".fetching"
GIVE_UP_AFTER = 24  # clips in a row that the network or the server kept back
TABLES_EVERY = 50  # clips: a killed run's metadata.jsonl is at most so many behind, until the next run


@dataclass(frozen=True)
class Progress:
    done: int
    total: int
    fraction: float
    path: str  # what to show beside the bar


@dataclass(frozen=True)
class Outcome:
    """`there`: clips in the folder; `fetched`: of these, now; `missing`: how many for which reason."""

    there: int
    fetched: int
    missing: dict[str, int]


def read_clips(table: str | Path | None = None) -> list[Clip]:
    """The clips of a CSV with MusicCaps' columns; None for the table on the Hub.

    Raises:
        DataSetError: no table, wrong columns, or a row that says no clip.
    """
    table = expanded(table) if table is not None else _hub_table()
    clips: dict[str, Clip] = {}
    for number, row in enumerate(read_table(table, ("ytid", "start_s", "end_s", "caption")), 1):
        try:
            clip = Clip(row["ytid"], float(row["start_s"]), float(row["end_s"]), row)
        except ValueError:
            clip = None
        if clip is None or not re.fullmatch(r"[\w-]+", clip.ytid, re.ASCII) or not 0 <= clip.start < clip.end:
            raise DataSetError(
                f"Row {number} of {printable(table)} says no clip: it needs a video's id and 0 <= start_s < end_s, but "
                f"has {row['ytid']!r}, {row['start_s']!r}, {row['end_s']!r}."
            )
        if clip.ytid in clips:
            raise DataSetError(f"{printable(table)} has {clip.ytid} twice: leave one row of a video.")
        clips[clip.ytid] = clip
    if not clips:
        raise DataSetError(f"{printable(table)} has no rows: fetch the table again.")
    return list(clips.values())


def _hub_table() -> Path:
    import httpx
    from huggingface_hub import hf_hub_download

    try:
        return Path(hf_hub_download(HUB, HUB_TABLE, repo_type="dataset"))
    except (OSError, ValueError, httpx.HTTPError) as error:
        reason = str(error).strip().split("\n")[0]
        raise DataSetError(
            f"The table of {HUB} cannot be fetched from the Hub ({reason}): check the network, or name a file that you "
            "have with --table."
        ) from error


def download(
    out: str | Path,
    table: str | Path | None = None,
    workers: int = 8,
    url: str = YOUTUBE,
    update: Callable[[Progress], None] = lambda _: None,
    **patience: float,
) -> Outcome:
    """Fetches every clip of the table that is not there yet.

    Args:
        url: of a clip, with {ytid} in it. **patience: see `Fetcher`.

    Raises:
        DataSetError: as `read_clips`; an address without {ytid}; another download into the folder.
        OSError: the folder cannot be made or written, or the disc is full.
    """
    if "{ytid}" not in url:
        raise DataSetError(f"The address {url!r} has no {{ytid}} in it: say where the video's id belongs.")
    if find_spec("yt_dlp") is None:
        raise DataSetError("Videos are fetched with yt-dlp; install it with: pip install 'kobza[data]'")
    clips, out = read_clips(table), expanded(out)
    out.mkdir(parents=True, exist_ok=True)
    with _alone(out) as scratch:
        fetcher = Fetcher(out, scratch, url, **patience)
        there = {clip.ytid for clip in clips if fetcher.path(clip).is_file()}
        before = len(there)
        missing = _read_missing(out, {clip.ytid for clip in clips} - there)
        lost = {ytid for ytid, said in missing.items() if said.reason in FINAL}
        wanted = [clip for clip in clips if clip.ytid not in there | lost]
        pool, in_vain = ThreadPoolExecutor(workers), 0
        try:
            _write_tables(out, clips, there, missing)
            jobs = {pool.submit(fetcher.fetch, clip): clip for clip in wanted}
            for done, job in enumerate(as_completed(jobs), 1):
                clip, wrong = jobs[job], job.result()
                missing.pop(clip.ytid, None)
                if wrong is None:
                    there.add(clip.ytid)
                else:
                    missing[clip.ytid] = wrong
                in_vain = in_vain + 1 if wrong is not None and wrong.reason in IN_VAIN else 0
                if in_vain == GIVE_UP_AFTER:
                    raise DataSetError(
                        f"The last {in_vain} clips could not be fetched ({wrong.message}): check the network, or come "
                        "back later; the same command goes on from here."
                    )
                if done % TABLES_EVERY == 0:
                    _write_tables(out, clips, there, missing)
                shown = f"{len(there) - before} fetched, {done - len(there) + before} missing"
                update(Progress(done, len(wanted), done / len(wanted), shown))
        finally:
            fetcher.stopping.set()
            pool.shutdown(cancel_futures=True)
            there = {clip.ytid for clip in clips if fetcher.path(clip).is_file()}
            _write_tables(out, clips, there, missing)
    reasons = Counter(missing[clip.ytid].reason for clip in clips if clip.ytid in missing)
    return Outcome(len(there), len(there) - before, dict(reasons.most_common()))


@contextmanager
def _alone(out: Path) -> Iterator[Path]:
    """An empty folder for what is unfinished, held by one run at a time: the lock ends with its process."""
    scratch = out / SCRATCH
    scratch.mkdir(exist_ok=True)
    try:
        lock = FileLock(scratch / ".lock", timeout=0).acquire()
    except Timeout:
        raise DataSetError(f"Another download into {printable(out)} is running: wait for it.") from None
    with lock:
        for left in scratch.iterdir():  # by a run that was killed
            if left.is_dir():
                shutil.rmtree(left)
        try:
            yield scratch
        finally:
            shutil.rmtree(scratch, ignore_errors=True)


def _read_missing(out: Path, asked: set[str]) -> dict[str, Missing]:
    path = out / "missing.csv"
    rows = read_table(path, ("ytid", "reason", "message")) if path.is_file() else []
    return {row["ytid"]: Missing(row["reason"], row["message"]) for row in rows if row["ytid"] in asked}


def _write_tables(out: Path, clips: list[Clip], there: set[str], missing: dict[str, Missing]) -> None:
    lines = [json.dumps(_row(clip), ensure_ascii=False) + "\n" for clip in clips if clip.ytid in there]
    atomic_write(out / "metadata.jsonl", "".join(lines))
    text = io.StringIO(newline="")
    table = csv.writer(text, lineterminator="\n")
    table.writerow(("ytid", "reason", "message"))
    for clip in clips:
        if clip.ytid in missing:
            table.writerow((clip.ytid, missing[clip.ytid].reason, missing[clip.ytid].message))
    atomic_write(out / "missing.csv", text.getvalue())


def _row(clip: Clip) -> dict:
    """The table's row with numbers, lists and truths in place of text."""
    row = {"file_name": f"{clip.ytid}.flac", **clip.row, "start_s": clip.start, "end_s": clip.end}
    if "aspect_list" in row:
        row["aspect_list"] = list(aspects_of(row) or ())
    return row | {name: is_true(value) for name, value in row.items() if name.startswith("is_")}
