"""How the page's server stands many visitors: `python tests/webui/load.py`, on this machine alone.

A library of 2,000 tracks with made-up vectors is served in a process of its own, and each visitor has an address of his
own (127.0.x.y). Measured: one who searches alone; 100 who search at once; those who search while 200 send clips of
two minutes; and random traffic for --minutes. Every phase has an end: the whole takes some 5 minutes and --minutes. The
numbers in brackets are the machine's load: on a busy machine times say little, and the server's own time says more.
"""

import argparse
import asyncio
import io
import itertools
import json
import os
import random
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.parse
from collections import Counter
from collections.abc import AsyncIterator, Iterable
from pathlib import Path

import numpy as np
import soundfile

from kobza import Checkpoint, MusicLibrary
from kobza.library import FileState, Track

TRACKS = 2000
WINDOWS = 12  # of a track
VISITORS = 100
SEARCHES = 5  # of each visitor
UPLOADS = 200
UPLOAD_PHASE_SECONDS = 120
MOODS = ("slow", "fast", "sad", "happy", "calm", "wild", "dark", "bright", "rain", "night", "city", "forest", "morning")
SOUNDS = ("piano", "guitar", "drums", "violin", "choir", "organ", "flute", "trumpet", "jazz", "rock", "folk", "techno")
WORDS = (*MOODS, *SOUNDS)


def make_library(folder: Path, tracks: int) -> None:
    """A library with the real model's fingerprint and unit vectors around a few centres."""
    rng = np.random.default_rng(0)
    with MusicLibrary.open(folder, Checkpoint.load(device="cpu")) as library:
        library.add(_recording(folder.parent / "music"))  # writes the fingerprint
        dim = library.embedder.dim
        centres = rng.standard_normal((30, dim))
        seconds = rng.uniform(120.0, 360.0, tracks)  # copies are looked for among tracks of a length

        def stored(i: int):
            vectors = (centres[i % 30] + 0.7 * rng.standard_normal((WINDOWS, dim))).astype(np.float32)
            vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
            words = rng.choice(WORDS, 4)
            title, artist, genre = " ".join(words[:2]).title(), f"The {words[2].title()}s", words[3].title()
            path = f"/music/{artist}/{i}.flac"
            track = Track(path, title, artist, f"Album {i % 200}", genre, 1960 + i % 60, float(seconds[i]))
            return track, FileState(1, 1, f"{i}".encode()), [10.0 * w for w in range(WINDOWS)], vectors

        library.store.upsert_many(map(stored, range(tracks)))
        library.store.optimize()


def _recording(folder: Path) -> Path:
    folder.mkdir(exist_ok=True)
    soundfile.write(folder / "one.flac", 0.3 * np.sin(np.arange(160_000) / 20), 16_000)
    return folder


def clip() -> bytes:
    """Two minutes of stereo as a browser sends a wav file: 21 MB."""
    rng = np.random.default_rng(1)
    sound = 0.1 * rng.standard_normal((44_100, 2)).astype(np.float32)
    file = io.BytesIO()
    soundfile.write(file, np.tile(sound, (120, 1)), 44_100, "PCM_16", format="WAV")
    return file.getvalue()


def query(rng: random.Random) -> str:
    return " ".join(rng.sample(WORDS, 3)) + f" {rng.randrange(10_000)}"  # so that no answer is known before


class Visitor:
    """Asks the server from an address of his own."""

    addresses = itertools.count(1)

    def __init__(self, port: int):
        self.port = port
        number = next(self.addresses)
        self.address = f"127.0.{1 + number // 250}.{1 + number % 250}"

    async def ask(self, path: str, body: bytes = b"") -> tuple[int, bytes, float]:
        """(status, or 0 if the connection broke; the answer; seconds)"""
        start = time.perf_counter()
        try:
            status, answer = await asyncio.wait_for(self._ask(path, body), 300)
        except (OSError, EOFError, IndexError, ValueError, TimeoutError):
            status, answer = 0, b""
        return status, answer, time.perf_counter() - start

    async def _ask(self, path: str, body: bytes) -> tuple[int, bytes]:
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port, local_addr=(self.address, 0))
        try:
            head = f"{'POST' if body else 'GET'} /{path} HTTP/1.1\r\nHost: 127.0.0.1:{self.port}\r\n"
            writer.write(f"{head}Content-Length: {len(body)}\r\nConnection: close\r\n\r\n".encode())
            writer.write(body)
            answer = await reader.read()
            return int(answer.split(b" ", 2)[1]), answer.partition(b"\r\n\r\n")[2]
        finally:
            writer.close()

    async def search(self, rng: random.Random) -> tuple[int, float]:
        status, _, seconds = await self.ask(f"api/search?{urllib.parse.urlencode({'q': query(rng)})}")
        return status, seconds


def p95(seconds: Iterable[float]) -> float:
    ordered = sorted(seconds)
    return ordered[min(len(ordered) - 1, int(0.95 * len(ordered)))]


class Served:
    """The server in a process of its own."""

    def __init__(self, library: Path):
        command = [sys.executable, "-m", "kobza", "serve", "--library", str(library)]
        self.process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
        assert self.process.stderr is not None
        line = next(line for line in self.process.stderr if "http" in line)
        self.port = int(re.search(r":(\d+)/", line).group(1))

    def megabytes(self, field: str = "VmRSS") -> float:
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        return int(re.search(rf"{field}:\s+(\d+)", status).group(1)) / 1024

    def cpu_seconds(self) -> float:
        fields = Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def stop(self) -> float:
        """Seconds until it has ended after SIGTERM."""
        start = time.perf_counter()
        self.process.terminate()
        self.process.wait(60)
        return time.perf_counter() - start


def say(text: str) -> None:
    print(f"[load {os.getloadavg()[0]:.1f}] {text}", flush=True)


async def alone(port: int) -> None:
    rng, visitor = random.Random(0), Visitor(port)
    found = [await visitor.search(rng) for _ in range(10)]
    say(f"alone: median {statistics.median(s for _, s in found):.3f} s, {Counter(status for status, _ in found)}")
    again = [await visitor.ask("api/search?q=slow+piano") for _ in range(3)]
    say(f"a repeated query: {again[-1][2]:.3f} s")


async def many(served: Served) -> None:
    async def one(i: int) -> list[tuple[int, float]]:
        rng, visitor = random.Random(i), Visitor(served.port)
        return [await visitor.search(rng) for _ in range(SEARCHES)]

    start, before, own = time.perf_counter(), served.cpu_seconds(), time.process_time()
    found = list(itertools.chain.from_iterable(await asyncio.gather(*map(one, range(VISITORS)))))
    rate = len(found) / (time.perf_counter() - start)
    seconds = [seconds for _, seconds in found]
    statuses = dict(Counter(status for status, _ in found))
    middle, most = statistics.median(seconds), p95(seconds)
    each = 1000 * (served.cpu_seconds() - before) / len(found)
    say(
        f"{VISITORS} at once: p95 {most:.2f} s, median {middle:.2f} s, {rate:.0f}/s, {statuses}; the server's own time "
        f"is {each:.0f} ms a search, this script's {1000 * (time.process_time() - own) / len(found):.1f} ms"
    )


async def uploads(served: Served, number: int) -> None:
    sound = clip()
    sent: Counter[int] = Counter()
    searches: list[float] = []
    peak = 0.0
    end = time.monotonic() + UPLOAD_PHASE_SECONDS

    async def send() -> None:
        visitor = Visitor(served.port)
        while time.monotonic() < end:
            status, answer, _ = await visitor.ask("api/clips?name=clip.wav", sound)
            sent[status] += 1
            if status == 200:
                assert json.loads(answer)["clip"]
                return
            await asyncio.sleep(5)  # as its Retry-After says

    async def look() -> None:
        nonlocal peak
        rng, visitor = random.Random(1), Visitor(served.port)
        while any(not task.done() for task in sending):
            searches.append((await visitor.search(rng))[1])
            peak = max(peak, served.megabytes())
            await asyncio.sleep(0.5)

    sending = [asyncio.create_task(send()) for _ in range(number)]
    await asyncio.gather(*sending, look())
    say(
        f"{number} send two minutes: {sent[200]} listened to, answers {dict(sent)}; "
        f"searches p95 {p95(searches):.2f} s, longest {max(searches):.2f} s; memory {peak:.0f} MB at most"
    )


async def traffic(served: Served, minutes: float) -> None:
    """Searches, example searches, pages and clips at random, 5 a second."""
    small = _small_clip()
    memory: list[float] = []
    statuses: Counter[int] = Counter()
    pending: set[asyncio.Task] = set()
    rng = random.Random(2)

    async def one() -> None:
        visitor = Visitor(served.port) if rng.random() < 0.01 else rng.choice(known)
        kind = rng.choice(["search", "search", "search", "similar", "page", "clip"])
        if kind == "search":
            status, _ = await visitor.search(rng)
        elif kind == "similar":
            found = json.loads((await visitor.ask(f"api/search?q={rng.choice(WORDS)}"))[1])["hits"]
            status, *_ = await visitor.ask(f"api/similar?link={found[0]['track']['link']}")
        elif kind == "clip":
            status, *_ = await visitor.ask("api/clips", small)
        else:
            status, *_ = await visitor.ask("")
        statuses[status] += 1

    known = [Visitor(served.port) for _ in range(50)]
    async for _ in _ticks(minutes * 60, 0.2):
        if len(pending) < 200:
            task = asyncio.create_task(one())
            pending.add(task)
            task.add_done_callback(pending.discard)
        memory.append(served.megabytes())
    await asyncio.gather(*pending, return_exceptions=True)
    quarters = ", ".join(f"{part.mean():.0f}" for part in np.array_split(memory, 4) if len(part))
    say(f"{minutes:g} minutes at random: {dict(statuses)}; memory in quarters {quarters} MB")


def _small_clip() -> bytes:
    file = io.BytesIO()
    soundfile.write(file, 0.3 * np.sin(np.arange(5 * 16_000) / 20), 16_000, format="WAV")
    return file.getvalue()


async def _ticks(seconds: float, step: float) -> AsyncIterator[None]:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        yield
        await asyncio.sleep(step)


async def measure(served: Served, number: int, minutes: float) -> None:
    say(f"{served.megabytes():.0f} MB at the start")
    await alone(served.port)
    await many(served)
    await uploads(served, number)
    await traffic(served, minutes)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=1.0, help="of random traffic")
    parser.add_argument("--uploads", type=int, default=UPLOADS)
    parser.add_argument("--tracks", type=int, default=TRACKS)
    args = parser.parse_args()
    place = Path(tempfile.mkdtemp(prefix="kobza-load-"))
    try:
        make_library(place / "library", args.tracks)
        served = Served(place / "library")
        try:
            asyncio.run(measure(served, args.uploads, args.minutes))
        finally:
            say(f"SIGTERM: ended in {served.stop():.2f} s")
    finally:
        shutil.rmtree(place)


if __name__ == "__main__":
    main()
