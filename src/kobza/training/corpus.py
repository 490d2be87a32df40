"""The student's lessons: windows of music with what the teacher hears in them, as safetensors shards on disk.

A shard holds, for n windows of 10 s, the student's input and the teacher's outputs (float16):
`input_values` (n, 1024, 128), `logits` (n, 527), `embedding` (n, 384), `cells` (n, 64, 4, 32). A shard is written
whole or not at all, and one that is there is never made again: a stopped run goes on where it was.
"""

import csv
import os
import subprocess
import zipfile
import zlib
from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from pathlib import Path

import numpy as np
import torch
import torchaudio.functional as AF
from safetensors.torch import save_file

from ..audio import AudioError, decode, windows
from ..data.synthetic import random_pieces, render
from ..feature_extraction_kobza import KobzaFeatureExtractor
from .augment import variants
from .midi import render_arrangements
from .singing import Speakers, render_singing
from .teacher import TEACHER_RATE, Teacher

WINDOW_SECONDS = 10.0
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
    endings = (".wav", ".ogg", ".g722")
    return sorted(path for package in packages for path in (folder / package).rglob("*.*") if path.suffix in endings)


def track_windows(path: Path) -> np.ndarray:
    """Consecutive 10 s windows of a recording at 32 kHz, (n, samples) float32; a last one under 5 s is left out."""
    size = int(WINDOW_SECONDS * TEACHER_RATE)
    cut = [w for _, w in windows(decode(path, TEACHER_RATE), TEACHER_RATE, WINDOW_SECONDS, WINDOW_SECONDS / 2)]
    return np.stack([np.pad(w, (0, size - len(w))) for w in cut])


class Labeller:
    """Turns 32 kHz windows into shards."""

    def __init__(self, teacher: Teacher, extractor: KobzaFeatureExtractor, device: str = "cpu"):
        self.teacher, self.extractor, self.device = teacher.to(device), extractor, device

    @torch.inference_mode()
    def label(self, batch: torch.Tensor) -> dict[str, torch.Tensor]:
        """(n, 320000) -> the tensors of a shard."""
        batch = batch.to(self.device)
        heard = self.teacher(batch)
        mel = self.extractor.log_mel(AF.resample(batch, TEACHER_RATE, self.extractor.sampling_rate))
        named = {"input_values": mel, **heard._asdict()}
        return {name: tensor.half().cpu().contiguous() for name, tensor in named.items()}

    def write(self, path: Path, batches: Iterable[torch.Tensor]) -> int:
        """Label `batches` and write them as one shard; returns its number of windows."""
        parts = [self.label(batch) for batch in batches]
        if not parts:
            return 0
        shard = {name: torch.cat([part[name] for part in parts]) for name in parts[0]}
        partial = path.with_suffix(".partial")
        save_file(shard, partial)
        os.replace(partial, path)
        return len(shard["logits"])


def batched(items: Iterable[np.ndarray], size: int) -> Iterator[torch.Tensor]:
    """Stacks windows into batches of at most `size`."""
    held: list[np.ndarray] = []
    for item in items:
        held.append(item)
        if len(held) == size:
            yield torch.from_numpy(np.stack(held))
            held = []
    if held:
        yield torch.from_numpy(np.stack(held))


def label_tracks(tracks: list[Path], out: Path, labeller: Labeller, seed: int | None = None) -> int:
    """A shard for each track that has none yet; with a seed, of its windows changed at random. Returns new windows."""
    out.mkdir(parents=True, exist_ok=True)
    total = 0
    for track in tracks:
        key = zlib.crc32(os.fsencode(track.name))
        path = out / f"{track.stem[:40]}-{key:08x}.safetensors"
        if path.exists():
            continue
        try:
            batches: Iterable[torch.Tensor] = batched(track_windows(track), 16)
        except AudioError as error:
            print(error)
            continue
        if seed is not None:
            rng = torch.Generator().manual_seed(key + seed)
            batches = (variants(batch, TEACHER_RATE, rng) for batch in batches)
        total += labeller.write(path, batches)
    return total


def spoken_over(music: Path, voices: list[Path], rng: torch.Generator) -> np.ndarray:
    """10 s of someone speaking, (samples,) float32: mostly over a moment of the music, one time in five alone."""
    size = int(WINDOW_SECONDS * TEACHER_RATE)

    def below(bound: int) -> int:
        return int(torch.randint(bound, (), generator=rng))

    spoken, length = [], 0
    while length < size:
        clip = np.concatenate(list(decode(voices[below(len(voices))], TEACHER_RATE)))
        spoken += [clip, np.zeros(below(TEACHER_RATE), np.float32)]
        length += len(spoken[-2]) + len(spoken[-1])
    speech = np.concatenate(spoken)[:size]
    speech = 0.1 * speech / max(float(np.sqrt(np.mean(speech**2))), 1e-3)
    if below(5) == 0:
        return np.clip(speech, -1, 1)
    cut = windows(decode(music, TEACHER_RATE), TEACHER_RATE, WINDOW_SECONDS, WINDOW_SECONDS)
    behind = [window for _, window in islice(cut, 6)][-1]  # a track shorter than 10 s has one window, of less
    behind = np.resize(behind, size)
    loudness = 10 ** ((below(24) - 14) / 20) * 0.1 / max(float(np.sqrt(np.mean(behind**2))), 1e-3)
    return np.clip(speech + loudness * behind, -1, 1)


def _label_numbered(shards: range, out: Path, labeller: Labeller, make: Callable[[int], Iterable[np.ndarray]]) -> int:
    """A shard for each number that has none yet, of the windows that `make` gives for it. Returns new windows."""
    out.mkdir(parents=True, exist_ok=True)
    paths = {number: out / f"{number:05d}.safetensors" for number in shards}
    missing = [number for number in shards if not paths[number].exists()]
    return sum(labeller.write(paths[number], batched(make(number), 16)) for number in missing)


def label_voices(shards: range, out: Path, labeller: Labeller, voices: list[Path], tracks: list[Path]) -> int:
    """Shards of 64 windows each, of speech over music, which the music alone would not teach."""

    def speak(number: int) -> Iterator[np.ndarray]:
        return _spoken(64, tracks, voices, torch.Generator().manual_seed(number))

    return _label_numbered(shards, out, labeller, speak)


def _spoken(count: int, tracks: list[Path], voices: list[Path], rng: torch.Generator) -> Iterator[np.ndarray]:
    """Windows of speech over tracks drawn at random; a track that cannot be decoded is named and drawn no more."""
    usable, made = list(tracks), 0
    while made < count and usable:
        track = usable[int(torch.randint(len(usable), (), generator=rng))]
        try:
            window = spoken_over(track, voices, rng)
        except AudioError as error:
            print(error)
            usable.remove(track)
            continue
        made += 1
        yield window


def label_pieces(shards: range, out: Path, labeller: Labeller) -> int:
    """Shards of 64 windows each, of pieces that Kobza makes itself, of other seeds than its album."""
    size = int(WINDOW_SECONDS * TEACHER_RATE)

    def play(number: int) -> Iterator[np.ndarray]:
        return (render(p, TEACHER_RATE).mean(0)[:size] for p in random_pieces(64, seed=PIECES_SEED + number))

    return _label_numbered(shards, out, labeller, play)


def label_arrangements(shards: range, out: Path, labeller: Labeller, midi_archive: Path, soundfonts: list[Path]) -> int:
    """Shards of 64 windows each, of songs re-orchestrated and played (`midi.py`); the number of a shard is its seed."""

    def play(number: int) -> Iterator[np.ndarray]:
        soundfont = soundfonts[number % len(soundfonts)]
        played = render_arrangements(64, number, midi_archive, soundfont, WINDOW_SECONDS, TEACHER_RATE)
        return (audio for _, audio in played)

    return _label_numbered(shards, out, labeller, play)


def label_singing(
    shards: range,
    out: Path,
    labeller: Labeller,
    voices: list[Path],
    packages: Path,
    midi_archive: Path,
    soundfonts: list[Path],
) -> int:
    """Shards of 64 windows each, of songs sung by people who speak in `voices` (`singing.py`), below `packages`."""

    def sing(number: int) -> Iterator[np.ndarray]:
        speakers = Speakers(voices, packages, np.random.default_rng(number))
        soundfont = soundfonts[number % len(soundfonts)]
        sung = render_singing(64, number, speakers, midi_archive, soundfont, WINDOW_SECONDS, TEACHER_RATE)
        return (audio for _, audio in sung)

    return _label_numbered(shards, out, labeller, sing)
