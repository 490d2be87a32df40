"""What the student hears while it learns: free recordings and played songs, as safetensors shards on disk.

A shard is a file of `audio`, (recordings, samples) int16, mono at 32 kHz. It is written whole or not at all, and one
that is there is never made again: a stopped run goes on where it was.
"""

import csv
import os
import subprocess
import zipfile
import zlib
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import save_file

from kobza.atomic import atomic_path
from kobza.audio import AudioError, decode
from kobza.distill.corpus.midi import render_arrangements
from kobza.distill.corpus.singing import render_singing
from kobza.distill.corpus.syllables import Speakers
from kobza.distill.teachers.efficientat import TEACHER_SAMPLING_RATE
from kobza.synth.album import random_pieces, render

WINDOW_SECONDS = 10.0
SHORTEST_SECONDS = 5.0  # of a recording that is worth a shard
JOINED_SECONDS = 60.0  # short sounds are joined to rows of this length
VOICE_PACKAGES = ("asterisk-core-sounds-en-wav", "fillets-ng-data-cs")
# People whose speech is made into singing: telephone prompts at 16 kHz in four languages, and a game's dialogues.
SINGER_PACKAGES = (
    *(f"asterisk-core-sounds-{language}-g722" for language in ("en", "es", "fr", "it")),
    "fillets-ng-data-cs",
    "fillets-ng-data-nl",
)
PIECES_SEED = 1_000_000  # far from the album's seeds


def fetch_packages(packages: Iterable[str], folder: Path) -> None:
    """Unpacks Debian packages into folders of their names, with the recordings in the zip files that games bring.

    Uses `apt-get download` and `dpkg -x` (nothing is installed); a package that is there is not fetched again.
    """
    for package in packages:
        target, staging = folder / package, folder / f".{package}"
        if target.is_dir():
            continue
        staging.mkdir(parents=True, exist_ok=True)
        subprocess.run(["apt-get", "download", "-qq", package], cwd=staging, check=True)
        deb = next(staging.glob(f"{package}_*.deb"))
        subprocess.run(["dpkg", "-x", deb.name, "."], cwd=staging, check=True)
        deb.unlink()
        for archive in [*staging.rglob("*.zip"), *staging.rglob("*.pk3")]:
            with zipfile.ZipFile(archive) as packed:
                packed.extractall(staging, [name for name in packed.namelist() if name.endswith((".ogg", ".mp3"))])
            archive.unlink()
        staging.rename(target)


def fetch_music(index: Path, folder: Path) -> list[Path]:
    """The music files that a table names (columns `package` and `file`, of Debian), unpacked below `folder`."""
    with open(index, newline="") as table:
        wanted = [(row["package"], Path(row["file"]).name) for row in csv.DictReader(table)]
    packages = sorted({package for package, _ in wanted})
    fetch_packages(packages, folder)
    named = {(package, path.name): path for package in packages for path in sorted((folder / package).rglob("*.*"))}
    return [named[key] for key in wanted if key in named]


def fetch_voices(folder: Path, packages: Iterable[str] = VOICE_PACKAGES) -> list[Path]:
    """Short recordings of people speaking, from Debian packages."""
    fetch_packages(packages, folder)
    return sorted(path for package in packages for path in _recordings(folder / package))


def find_effects(folder: Path, music: list[Path]) -> list[Path]:
    """The sounds that came in the same packages as the music, but are none: steps, doors, engines, crowds."""
    known = set(music)
    packages = sorted(path for path in folder.iterdir() if path.name not in {*VOICE_PACKAGES, *SINGER_PACKAGES})
    return [path for package in packages for path in _recordings(package) if path not in known]


def _recordings(folder: Path) -> list[Path]:
    endings = (".wav", ".ogg", ".flac", ".g722")
    return sorted(path for path in folder.rglob("*.*") if path.suffix in endings and path.is_file())


def write_shard(path: Path, rows: Iterable[np.ndarray]) -> bool:
    """Write recordings of one length, float32 in [-1, 1], as a shard; False if there are none."""
    held = [np.rint(np.clip(row, -1, 1) * 32767).astype(np.int16) for row in rows]
    if not held:
        return False
    with atomic_path(path) as part:
        save_file({"audio": torch.from_numpy(np.stack(held))}, part)
    return True


def collect_tracks(tracks: list[Path], out: Path) -> int:
    """A shard for each recording that has none yet. Returns the number of new ones."""
    out.mkdir(parents=True, exist_ok=True)
    total = 0
    for track in tracks:
        path = out / f"{track.stem[:40]}-{zlib.crc32(os.fsencode(track.name)):08x}.safetensors"
        if path.exists():
            continue
        whole = _decoded(track)
        if len(whole) >= SHORTEST_SECONDS * TEACHER_SAMPLING_RATE:
            total += write_shard(path, [whole])
    return total


def _decoded(path: Path) -> np.ndarray:
    """A recording, mono float32 at 32 kHz; what cannot be decoded is named and empty."""
    try:
        return np.concatenate([*decode(path, TEACHER_SAMPLING_RATE)])
    except AudioError as error:
        print(error)
        return np.zeros(0, np.float32)


def collect_short_clips(recordings: list[Path], out: Path) -> int:
    """Shards of many short recordings, one after the other at one loudness. Returns the number of new ones."""
    out.mkdir(parents=True, exist_ok=True)
    size, total = int(JOINED_SECONDS * TEACHER_SAMPLING_RATE), 0
    groups = [recordings[i : i + 400] for i in range(0, len(recordings), 400)]
    for number, group in enumerate(groups):
        path = out / f"{number:05d}.safetensors"
        if path.exists():
            continue
        sounds = [_levelled(sound) for sound in map(_decoded, group) if len(sound)]
        joined = np.concatenate(sounds) if sounds else np.zeros(0, np.float32)
        rows = joined[: len(joined) // size * size].reshape(-1, size) if len(joined) >= size else joined[None]
        total += len(joined) > 0 and write_shard(path, rows)
    return total


def _levelled(sound: np.ndarray) -> np.ndarray:
    level = float(np.sqrt(np.mean(sound**2)))
    return np.clip(0.1 * sound / max(level, 1e-3), -1, 1)


def _collect_numbered(shards: range, out: Path, make: Callable[[int], Iterable[np.ndarray]]) -> int:
    """A shard for each number that has none yet, of the windows that `make` gives for it. Returns new shards."""
    out.mkdir(parents=True, exist_ok=True)
    paths = {number: out / f"{number:05d}.safetensors" for number in shards}
    return sum(write_shard(path, make(number)) for number, path in paths.items() if not path.exists())


def collect_pieces(shards: range, out: Path) -> int:
    """Shards of 64 windows each, of pieces that Kobza makes itself, of other seeds than its album."""
    size = int(WINDOW_SECONDS * TEACHER_SAMPLING_RATE)

    def play(number: int) -> Iterator[np.ndarray]:
        return (render(p, TEACHER_SAMPLING_RATE).mean(0)[:size] for p in random_pieces(64, seed=PIECES_SEED + number))

    return _collect_numbered(shards, out, play)


def collect_arrangements(shards: range, out: Path, midi_archive: Path, soundfonts: list[Path]) -> int:
    """Shards of 64 windows each, of songs re-orchestrated and played (`midi.py`); the number of a shard is its seed."""

    def play(number: int) -> Iterator[np.ndarray]:
        soundfont = soundfonts[number % len(soundfonts)]
        played = render_arrangements(64, number, midi_archive, soundfont, WINDOW_SECONDS, TEACHER_SAMPLING_RATE)
        return (audio for _, audio in played)

    return _collect_numbered(shards, out, play)


def collect_singing(
    shards: range, out: Path, voices: list[Path], packages: Path, midi_archive: Path, soundfonts: list[Path]
) -> int:
    """Shards of 64 windows each, of songs sung by people who speak in `voices` (`singing.py`), below `packages`."""

    def sing(number: int) -> Iterator[np.ndarray]:
        speakers = Speakers(voices, packages, np.random.default_rng(number))
        soundfont = soundfonts[number % len(soundfonts)]
        sung = render_singing(64, number, speakers, midi_archive, soundfont, WINDOW_SECONDS, TEACHER_SAMPLING_RATE)
        return (audio for _, audio in sung)

    return _collect_numbered(shards, out, sing)
