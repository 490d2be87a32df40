"""Collects the training audio: free recordings, and songs rendered from MIDI, as safetensors shards on disk.

A shard is a file of `audio`, (recordings, samples) int16, mono at 32 kHz. Writes are atomic, and an existing shard is
not made again, so that an interrupted run resumes where it stopped.
"""

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
from kobza.audio import AudioError, load_audio
from kobza.data.recordings import read_table
from kobza.distill.corpus.midi import render_arrangements
from kobza.distill.corpus.singing import render_singing
from kobza.distill.corpus.syllables import SpeakerPool
from kobza.distill.teachers.efficientat import TEACHER_SAMPLING_RATE
from kobza.synth.album import random_pieces, render

WINDOW_SECONDS = 10.0
WINDOWS_PER_SHARD = 64
MIN_RECORDING_SECONDS = 5.0  # shorter recordings are not used
JOINED_ROW_SECONDS = 60.0  # short clips are concatenated to rows of this length
CLIPS_PER_SHARD = 400
CLIP_LEVEL = 0.1  # root mean square to which short clips are normalised
VOICE_PACKAGES = ("asterisk-core-sounds-en-wav", "fillets-ng-data-cs")
# Speech from which singing is synthesised: telephone prompts at 16 kHz in four languages, and a game's dialogues.
SINGER_PACKAGES = (
    *(f"asterisk-core-sounds-{language}-g722" for language in ("en", "es", "fr", "it")),
    "fillets-ng-data-cs",
    "fillets-ng-data-nl",
)
PIECES_SEED = 1_000_000  # no shard repeats a piece of the album, whose seeds are small


def fetch_packages(packages: Iterable[str], folder: Path) -> None:
    """Downloads Debian packages and unpacks each into a folder of its name, with the recordings in games' zip files.

    Uses `apt-get download` and `dpkg -x`, so nothing is installed; an existing folder is not fetched again.
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
    """Fetches the music files listed in a table (columns `package` and `file`, of Debian) below `folder`."""
    wanted = [(row["package"], Path(row["file"]).name) for row in read_table(index, ("package", "file"))]
    packages = sorted({package for package, _ in wanted})
    fetch_packages(packages, folder)
    found = {(package, path.name): path for package in packages for path in sorted((folder / package).rglob("*.*"))}
    return [found[key] for key in wanted if key in found]


def fetch_voices(folder: Path, packages: Iterable[str] = VOICE_PACKAGES) -> list[Path]:
    """Fetches short recordings of speech from Debian packages."""
    fetch_packages(packages, folder)
    return sorted(path for package in packages for path in _recordings(folder / package))


def find_effects(folder: Path, music: list[Path]) -> list[Path]:
    """The other recordings in the music's packages, which are sound effects: steps, doors, engines, crowds."""
    is_music = set(music)
    packages = sorted(path for path in folder.iterdir() if path.name not in {*VOICE_PACKAGES, *SINGER_PACKAGES})
    return [path for package in packages for path in _recordings(package) if path not in is_music]


def _recordings(folder: Path) -> list[Path]:
    extensions = (".wav", ".ogg", ".flac", ".g722")
    return sorted(path for path in folder.rglob("*.*") if path.suffix in extensions and path.is_file())


def write_shard(path: Path, rows: Iterable[np.ndarray]) -> bool:
    """Writes recordings of equal length, float32 in [-1, 1], as a shard; False if there are none."""
    quantized = [np.rint(np.clip(row, -1, 1) * 32767).astype(np.int16) for row in rows]
    if not quantized:
        return False
    with atomic_path(path) as part:
        save_file({"audio": torch.from_numpy(np.stack(quantized))}, part)
    return True


def collect_tracks(tracks: list[Path], out: Path) -> int:
    """Writes a shard for each recording that has none yet; returns the number of new shards."""
    out.mkdir(parents=True, exist_ok=True)
    total = 0
    for track in tracks:
        path = out / f"{track.stem[:40]}-{zlib.crc32(os.fsencode(track.name)):08x}.safetensors"
        if path.exists():
            continue
        audio = decode_or_empty(track)
        if len(audio) >= MIN_RECORDING_SECONDS * TEACHER_SAMPLING_RATE:
            total += write_shard(path, [audio])
    return total


def decode_or_empty(path: Path) -> np.ndarray:
    """A recording, mono float32 at 32 kHz; empty, with a message, if it cannot be decoded."""
    try:
        return load_audio(path, TEACHER_SAMPLING_RATE)
    except AudioError as error:
        print(error)
        return np.zeros(0, np.float32)


def collect_short_clips(recordings: list[Path], out: Path) -> int:
    """Writes shards of short recordings, concatenated at equal loudness; returns the number of new shards."""
    out.mkdir(parents=True, exist_ok=True)
    size = int(JOINED_ROW_SECONDS * TEACHER_SAMPLING_RATE)
    total = 0
    groups = [recordings[i : i + CLIPS_PER_SHARD] for i in range(0, len(recordings), CLIPS_PER_SHARD)]
    for number, group in enumerate(groups):
        path = out / f"{number:05d}.safetensors"
        if path.exists():
            continue
        clips = [_normalize_loudness(clip) for clip in map(decode_or_empty, group) if len(clip)]
        if not clips:
            continue
        joined = np.concatenate(clips)
        rows = joined[: len(joined) // size * size].reshape(-1, size) if len(joined) >= size else joined[None]
        total += write_shard(path, rows)
    return total


def _normalize_loudness(audio: np.ndarray) -> np.ndarray:
    level = float(np.sqrt(np.mean(audio**2)))
    return np.clip(CLIP_LEVEL * audio / max(level, 1e-3), -1, 1)


def _collect_numbered(shards: range, out: Path, make_windows: Callable[[int], Iterable[np.ndarray]]) -> int:
    """Writes a shard of `make_windows(number)` for each number that has none yet; returns the number of new shards."""
    out.mkdir(parents=True, exist_ok=True)
    paths = {number: out / f"{number:05d}.safetensors" for number in shards}
    return sum(write_shard(path, make_windows(number)) for number, path in paths.items() if not path.exists())


def collect_pieces(shards: range, out: Path) -> int:
    """Writes shards of synthetic pieces (`kobza.synth`); the seed of a shard follows from its number."""
    size = int(WINDOW_SECONDS * TEACHER_SAMPLING_RATE)

    def make_windows(number: int) -> Iterator[np.ndarray]:
        return (
            render(p, TEACHER_SAMPLING_RATE).mean(0)[:size]
            for p in random_pieces(WINDOWS_PER_SHARD, seed=PIECES_SEED + number)
        )

    return _collect_numbered(shards, out, make_windows)


def collect_arrangements(shards: range, out: Path, midi_archive: Path, soundfonts: list[Path]) -> int:
    """Writes shards of re-orchestrated songs (`midi.py`); the number of a shard is its seed."""

    def make_windows(number: int) -> Iterator[np.ndarray]:
        soundfont = soundfonts[number % len(soundfonts)]
        rendered = render_arrangements(
            WINDOWS_PER_SHARD, number, midi_archive, soundfont, WINDOW_SECONDS, TEACHER_SAMPLING_RATE
        )
        return (audio for _, audio in rendered)

    return _collect_numbered(shards, out, make_windows)


def collect_singing(
    shards: range, out: Path, voices: list[Path], packages: Path, midi_archive: Path, soundfonts: list[Path]
) -> int:
    """Writes shards of singing (`singing.py`) by the speakers in `voices`, recordings below `packages`."""

    def make_windows(number: int) -> Iterator[np.ndarray]:
        speakers = SpeakerPool(voices, packages, np.random.default_rng(number))
        soundfont = soundfonts[number % len(soundfonts)]
        sung = render_singing(
            WINDOWS_PER_SHARD, number, speakers, midi_archive, soundfont, WINDOW_SECONDS, TEACHER_SAMPLING_RATE
        )
        return (audio for _, audio in sung)

    return _collect_numbered(shards, out, make_windows)
