"""The real yt-dlp against a server on the loopback."""

import csv
import json
import os
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
from made_sets import musiccaps_table
from video_server import VIDEO_SECONDS, Videos, video

from kobza.audio import load_audio
from kobza.cli import main
from kobza.data import musiccaps_download
from kobza.data.musiccaps import load_musiccaps
from kobza.data.musiccaps_download import download, read_clips
from kobza.data.recordings import DataSetError
from kobza.data.video_clips import ClipFetcher, reason_of
from kobza.synth.album import write_flac


@pytest.fixture(scope="module")
def body(tmp_path_factory) -> bytes:
    return video(tmp_path_factory.mktemp("video"))


@pytest.fixture
def server(body):
    with Videos(body) as server:
        yield server


def rows_of(out) -> list[dict]:
    return [json.loads(line) for line in (out / "metadata.jsonl").read_text("utf-8").splitlines()]


def missing_of(out) -> dict[str, str]:
    with open(out / "missing.csv", encoding="utf-8", newline="") as file:
        return {row["ytid"]: row["reason"] for row in csv.DictReader(file)}


def names(out) -> list[str]:
    return sorted(path.name for path in out.iterdir())


def wait_until(condition, seconds: float = 120):
    until = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < until, "waited too long"
        time.sleep(0.02)


def test_clips_are_fetched_cut_and_described(tmp_path, server):
    ids = ["aaaaaaaaaaa", "-Bbbbbbbbb_", "meet0000001", "meet0000002", "flaky000001", "busy0000001"]
    table, out, seen = musiccaps_table(tmp_path / "table.csv", ids, start=7), tmp_path / "deep" / "out", []
    outcome = download(out, table, workers=2, url=server.url, progress=lambda *now: seen.append(now), pause=0.05)
    assert (outcome.present, outcome.fetched, outcome.missing) == (6, 6, {})
    assert names(out) == sorted([*(f"{i}.flac" for i in ids), "metadata.jsonl", "missing.csv"])
    assert server.asked["flaky000001"] == server.asked["busy0000001"] == 3
    assert seen == [(k, 6, f"{k} fetched, 0 missing") for k in range(1, 7)]

    sound = load_audio(out / "-Bbbbbbbbb_.flac")
    assert len(sound) == 160_000
    for second in (0, 9):  # pitch tells the time: it was cut from 7 s on
        pitch = np.abs(np.fft.rfft(sound[second * 16000 : (second + 1) * 16000] * np.hanning(16000))).argmax()
        assert pitch == pytest.approx(200 + 40 * (7 + second + 0.5), abs=21)
    row = rows_of(out)[1]
    assert [r["ytid"] for r in rows_of(out)] == ids
    assert row["file_name"] == "-Bbbbbbbbb_.flac" and (row["start_s"], row["end_s"]) == (7, 17)
    assert row["aspect_list"] == ["slow", "it's sad"] and row["is_audioset_eval"] is True and row["caption"]
    assert [r.aspects for r in load_musiccaps(out, "eval").recordings] == [("slow", "it's sad")] * 6


def test_missing_clips_have_a_reason(tmp_path, server):
    wrong = {
        "404aaaaaaaa": "removed", "410aaaaaaaa": "removed", "401aaaaaaaa": "private", "403aaaaaaaa": "blocked",
        "451aaaaaaaa": "blocked", "503aaaaaaaa": "network", "429aaaaaaaa": "busy", "html0000001": "no sound",
        "garbage0001": "no sound", "cut00000001": "network", "stall000001": "network",
    }  # fmt: skip
    table, out = musiccaps_table(tmp_path / "table.csv", ["good0000001", *wrong]), tmp_path / "out"
    outcome = download(out, table, workers=4, url=server.url, pause=0.01, timeout=1.5)
    assert missing_of(out) == wrong and names(out) == ["good0000001.flac", "metadata.jsonl", "missing.csv"]
    assert outcome.missing["removed"] == 2 and sum(outcome.missing.values()) == len(wrong)
    tried = {name: server.asked[name] for name in ("404aaaaaaaa", "403aaaaaaaa", "503aaaaaaaa", "429aaaaaaaa")}
    assert tried == {"404aaaaaaaa": 1, "403aaaaaaaa": 1, "503aaaaaaaa": 4, "429aaaaaaaa": 4}
    with open(out / "missing.csv", encoding="utf-8") as file:
        said = {row["ytid"]: row["message"] for row in csv.DictReader(file)}
    assert "404" in said["404aaaaaaaa"] and "more expected" in said["cut00000001"]
    assert all("\n" not in message and str(tmp_path) not in message and message for message in said.values())

    server.asked.clear()
    again = download(out, table, workers=4, url=server.url, pause=0.01, timeout=1.5)
    assert again.missing == outcome.missing and again.fetched == 0 and again.present == 1
    assert not {"good0000001", "404aaaaaaaa", "410aaaaaaaa", "401aaaaaaaa"} & set(server.asked)
    assert server.asked["403aaaaaaaa"] == 1 and server.asked["503aaaaaaaa"] == 4


def test_a_video_that_is_too_short_for_the_clip(tmp_path, server):
    table = musiccaps_table(tmp_path / "table.csv", ["aaaaaaaaaaa"], start=VIDEO_SECONDS - 5)
    assert download(tmp_path / "out", table, url=server.url).missing == {"too short": 1}
    table = musiccaps_table(tmp_path / "table.csv", ["aaaaaaaaaaa"], start=VIDEO_SECONDS + 5)
    assert download(tmp_path / "out", table, url=server.url).missing == {"too short": 1}


def test_busy_server_pauses_all_threads(tmp_path, server):
    fetcher = ClipFetcher(tmp_path, tmp_path, pause=1.0)
    pauses = []
    for asked in (0.0, 0.0, 30.0, 10_000.0):
        fetcher._paused_until = 0.0
        fetcher._pause_all(asked)
        before = fetcher._paused_until
        fetcher._pause_all(999.0)  # of a request that was under way
        assert fetcher._paused_until == before
        pauses.append(round(before - time.monotonic()))
    assert pauses == [2, 4, 30, 600]


def test_network_failure_ends_the_run(tmp_path, server, monkeypatch):
    monkeypatch.setattr(musiccaps_download, "MAX_CONSECUTIVE_FAILURES", 3)
    ids = [f"503a{k:07d}" for k in range(2)] + ["aaaaaaaaaaa"] + [f"503b{k:07d}" for k in range(9)]
    table, out = musiccaps_table(tmp_path / "table.csv", ids), tmp_path / "out"
    with pytest.raises(DataSetError, match=r"The last 3 clips could not be fetched \(.*503.*\): check the network"):
        download(out, table, workers=1, url=server.url, pause=0.001)
    assert set(missing_of(out)) == {*ids[:2], *ids[3:6]} and [row["ytid"] for row in rows_of(out)] == ["aaaaaaaaaaa"]


def test_reasons_of_youtubes_messages():
    for said, reason in {
        "[youtube] x: Video unavailable. This video has been removed by the uploader": "removed",
        "[youtube] x: Video unavailable. The YouTube account of this video has been terminated.": "removed",
        "[youtube] x: Private video. Sign in if you've been granted access to this video": "private",
        "[youtube] x: Join this channel to get access to members-only content": "private",
        "[youtube] x: Sign in to confirm your age. This video may be inappropriate for some users.": "age",
        "[youtube] x: Sign in to confirm you’re not a bot. Use --cookies": "robot",
        "[youtube] x: The uploader has not made this video available in your country": "blocked",
        "[youtube] x: Video unavailable. It is not available in your country": "blocked",
        "[youtube] x: The current session has been rate-limited by YouTube for up to an hour.": "busy",
        "[youtube] x: Requested format is not available.": "no sound",
        "unable to download video data: HTTP Error 503: Service Unavailable": "network",
        "Unable to download webpage: [Errno -2] Name or service not known": "network",
    }.items():
        assert reason_of(said) == reason, said


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGINT])
def test_interrupted_run_leaves_no_partial_files_and_resumes(tmp_path, server, how):
    ids = [f"slow{k:07d}" for k in range(7)]
    table, out = musiccaps_table(tmp_path / "table.csv", ids), tmp_path / "out"
    argv = ["musiccaps", "download", str(out), "--workers", "2", "--table", str(table), "--url", server.url]
    run = subprocess.Popen([sys.executable, "-m", "kobza.cli", *argv], stderr=subprocess.PIPE, text=True)
    wait_until(lambda: len(list(out.glob("*.flac"))) >= 2 or run.poll() is not None)
    if how == signal.SIGINT:  # while it runs, no other may
        with pytest.raises(DataSetError, match=r"Another download into .* is running"):
            download(out, table, url=server.url)
    run.send_signal(how)
    said = run.communicate(timeout=120)[1]
    finished = {path.stem for path in out.glob("*.flac")}
    assert 2 <= len(finished) < len(ids) and "Traceback" not in said
    for name in finished:
        assert len(load_audio(out / f"{name}.flac")) == 160_000
    if how == signal.SIGINT:
        assert run.returncode == 130 and "the same command continues" in said
        assert {row["ytid"] for row in rows_of(out)} == finished and ".fetching" not in names(out)

    times = {name: os.stat(out / f"{name}.flac").st_mtime_ns for name in finished}
    server.asked.clear()
    outcome = download(out, table, workers=6, url=server.url)
    assert (outcome.present, outcome.fetched) == (7, 7 - len(finished)) and not finished & set(server.asked)
    assert times == {name: os.stat(out / f"{name}.flac").st_mtime_ns for name in finished}
    assert [row["ytid"] for row in rows_of(out)] == ids
    assert names(out) == sorted([*(f"{i}.flac" for i in ids), "metadata.jsonl", "missing.csv"])


def test_command_prints_counts(tmp_path, server, capsys):
    table = musiccaps_table(tmp_path / "t.csv", ["aaaaaaaaaaa", "404aaaaaaaa", "403aaaaaaaa"])
    out = tmp_path / "out"
    assert main(["musiccaps", "download", str(out), "--table", str(table), "--url", server.url]) == 0
    said = capsys.readouterr()
    assert said.out.splitlines() == [
        f"1 clips in {out}: 1 fetched now, 0 before",
        f"2 missing: 1 removed, 1 blocked; the error messages are in {out}/missing.csv",
    ]
    assert said.err == "The same command tries 1 of them again.\n"
    table = musiccaps_table(tmp_path / "t.csv", ["404aaaaaaaa"])
    assert main(["musiccaps", "download", str(tmp_path / "2"), "--table", str(table), "--url", server.url]) == 1


def test_bad_input_is_an_error(tmp_path, server, capsys):
    def said(*options) -> str:
        assert main(["musiccaps", "download", *map(str, options)]) == 1
        error = capsys.readouterr().err
        assert error.count("\n") == 1
        return error

    good, bad = musiccaps_table(tmp_path / "good.csv", ["aaaaaaaaaaa"]), tmp_path / "bad.csv"
    assert "has no none.csv" in said(tmp_path / "o", "--table", tmp_path / "none.csv")
    assert "no {ytid} in it" in said(tmp_path / "o", "--table", good, "--url", "http://127.0.0.1/x.m4a")
    (tmp_path / "file").write_text("here")
    assert "file: File exists" in said(tmp_path / "file", "--table", good, "--url", server.url)
    assert not (tmp_path / "o").exists()
    for text, sentence in {
        "ytid,start_s,caption\n": "no column 'end_s'",
        "ytid,start_s,end_s,caption\n": "has no rows",
        "ytid,start_s,end_s,caption\na,0,10\n": "Line 2 of .* has 3 columns",
        "ytid,start_s,end_s,caption\n../../x,0,10,c\n": "Row 1 of .* describes no clip: .* has '../../x'",
        "ytid,start_s,end_s,caption\na,0,10,c\nb,ten,20,c\n": "Row 2 of .* 'ten'",
        "ytid,start_s,end_s,caption\na,20,10,c\n": "Row 1",
        "ytid,start_s,end_s,caption\na,0,10,c\na,0,10,c\n": "has a twice",
    }.items():
        bad.write_text(text)
        with pytest.raises(DataSetError, match=sentence):
            read_clips(bad)


def test_full_disk_ends_the_run_with_an_error(tmp_path, server, capsys, monkeypatch):
    """/dev/full stands in for the disk."""
    monkeypatch.setattr("kobza.data.video_clips.write_flac", lambda _, *sound: write_flac("/dev/full", *sound))
    table = musiccaps_table(tmp_path / "t.csv", ["aaaaaaaaaaa", "bbbbbbbbbbb"])
    out = tmp_path / "out"
    assert main(["musiccaps", "download", str(out), "--table", str(table), "--url", server.url]) == 1
    assert capsys.readouterr().err == f"kobza: {out}: the disk is full or cannot be written\n"
    assert rows_of(out) == [] and missing_of(out) == {}
