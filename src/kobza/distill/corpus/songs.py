"""Collects sung and real-sounding music: the demonstrations of music generators on GitHub, and songs that people sang.

`song_sources.csv` lists the repositories with what they say of their licence. They are only listened to in training:
none of the sound is published, and the checkpoint's card names each source with its share. Sources that are "held out"
are not trained on; a choice between versions of the checkpoint is made by them.
"""

import re
import shutil
import tarfile
import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path, PurePosixPath
from typing import NamedTuple

import numpy as np
from filelock import FileLock

from kobza.audio import AUDIO_EXTENSIONS
from kobza.data.recordings import read_table
from kobza.distill.audio_shards import HELD_OUT_FOLDER
from kobza.distill.corpus.downloads import open_url
from kobza.distill.corpus.fetching import decode_or_empty, write_shard
from kobza.distill.teachers.efficientat import TEACHER_SAMPLING_RATE

GITHUB = "https://github.com"
SOURCES = Path(__file__).with_name("song_sources.csv")
TEXTS = Path(__file__).with_name("song_texts.csv")
MAX_BYTES = 4_000_000  # of a recording; a larger one is an album or a film
EXCERPT_SECONDS = 30.0
EXCERPTS = 3  # of a long recording: its beginning, middle and end


class Song(NamedTuple):
    """A recording of a source: `path` is its file, `original` its path in the repository, `shard` where it belongs."""

    repository: str
    original: str
    path: Path
    shard: Path


def fetch_repository(repository: str, folder: Path) -> Path:
    """The recordings of a GitHub repository (owner/name) below `folder`, fetched if they are not there.

    The repository's archive is read as a stream, and only its recordings are kept. Raises OSError where it cannot be
    fetched whole; then nothing of it is there.
    """
    target = folder / repository.replace("/", "--")
    folder.mkdir(parents=True, exist_ok=True)
    with FileLock(folder / f".{target.name}.lock"):  # processes that collect side by side
        if not target.is_dir():
            _fetch_archive(f"{GITHUB}/{repository}/archive/HEAD.tar.gz", target)
    return target


def _fetch_archive(url: str, target: Path) -> None:
    staging = target.with_name(f".{target.name}")
    shutil.rmtree(staging, ignore_errors=True)
    staging.mkdir()
    try:
        with open_url(url) as answer, tarfile.open(fileobj=answer, mode="r|gz") as archive:
            for member in archive:
                inner = PurePosixPath(*PurePosixPath(member.name).parts[1:])  # below the archive's own folder
                if member.isfile() and inner.suffix.lower() in AUDIO_EXTENSIONS and member.size < MAX_BYTES:
                    archive.extract(member.replace(name=str(inner), deep=False), staging, filter="data")
    except (tarfile.TarError, EOFError, zlib.error) as error:
        raise OSError(f"{url} is not a whole archive ({error}): run the command again later.") from error
    staging.rename(target)


def list_songs(downloads: Path, shards: Path, sources: Path = SOURCES) -> Iterator[Song]:
    """The recordings of all sources, fetched into `downloads` one source at a time."""
    for row in read_table(sources, ("repository", "use", "recordings")):
        folder = fetch_repository(row["repository"], downloads)
        files = [path for path in sorted(folder.rglob("*")) if path.is_file()]
        if len(files) < int(row["recordings"]):
            print(f"{row['repository']} has {len(files)} recordings now, and had {row['recordings']}.")
        kept = shards / HELD_OUT_FOLDER if row["use"] == "held out" else shards
        for path in files:
            original = path.relative_to(folder).as_posix()
            name = f"{path.stem[:40]}-{zlib.crc32(original.encode()):08x}.safetensors"
            yield Song(row["repository"], original, path, kept / folder.name / name)


def excerpts(samples: np.ndarray, sampling_rate: int) -> np.ndarray:
    """A recording, or of one longer than 90 s its beginning, middle and end, 30 s each.

    >>> excerpts(np.arange(200), 1).shape
    (90,)
    >>> excerpts(np.arange(200), 1)[[0, 30, 89]].tolist()
    [0, 85, 199]
    """
    size = round(EXCERPT_SECONDS * sampling_rate)
    if len(samples) <= EXCERPTS * size:
        return samples
    starts = np.linspace(0, len(samples) - size, EXCERPTS).astype(int)
    return np.concatenate([samples[start : start + size] for start in starts])


def collect_songs(songs: Sequence[Song]) -> int:
    """Writes a shard of each recording that has none yet; returns the number of new shards.

    What cannot be decoded, or is shorter than a second, is left out.
    """
    total = 0
    for song in songs:
        if song.shard.exists():
            continue
        song.shard.parent.mkdir(parents=True, exist_ok=True)
        audio = excerpts(decode_or_empty(song.path), TEACHER_SAMPLING_RATE)
        if len(audio) >= TEACHER_SAMPLING_RATE:
            total += write_shard(song.shard, [audio])
    return total


class TextRules:
    """What the sources say of their recordings: by rules on a recording's path, or in a table.

    Args:
        rules: a table with the columns repository, pattern (a regular expression, searched in the path) and text, which
            may refer to the pattern's groups.
        table: a table with the columns source, original and text of what the sources' pages say, or None.
    """

    def __init__(self, rules: Path = TEXTS, table: Path | None = None):
        self.rules: dict[str, list[tuple[re.Pattern[str], str]]] = {}
        for row in read_table(rules, ("repository", "pattern", "text")):
            self.rules.setdefault(row["repository"], []).append((re.compile(row["pattern"]), row["text"]))
        rows = [] if table is None else read_table(table, ("source", "original", "text"))
        self.said = {(row["source"], row["original"]): row["text"].strip() for row in rows if row["text"].strip()}

    def texts(self, song: Song) -> list[str]:
        """All that is said of a recording, each text once."""
        found = [
            match.expand(text).replace("_", " ")
            for pattern, text in self.rules.get(song.repository, [])
            if (match := pattern.search(song.original))
        ]
        said = self.said.get((song.repository, song.original))
        return list(dict.fromkeys([*found, *([said] if said else [])]))
