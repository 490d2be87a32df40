"""Made pieces in the layouts of MusicCaps, GTZAN and MagnaTagATune, to run a study without any of them.

They check that the program works from training to tables. What is measured on them says nothing about music.
"""

import csv
import io
import json
from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import count, islice
from pathlib import Path

import numpy as np
import soundfile

from kobza.atomic import atomic_path, atomic_write
from kobza.data.gtzan import GENRES
from kobza.data.magnatagatune import TABLE, TAG_COUNT
from kobza.data.musiccaps import split_of
from kobza.synth.album import Piece, random_pieces, render, write_flac

SAMPLING_RATE = 16000  # of all models here
SEED = 20  # of the pieces; none of the album, of training or of the benchmarks has it
CLIP_SECONDS = 10  # of MusicCaps
SHARES = {"validation": 0.2, "test": 0.3}  # of the pieces; the others train
# The genres of the pieces that GTZAN has under another name; the rest is pop
GTZAN_GENRES = {genre.capitalize(): genre for genre in GENRES} | {"Hip-hop": "hiphop", "Ragtime": "blues"}


def make_data(folder: Path, pieces: int) -> dict[str, Path]:
    """Write folder/musiccaps, folder/gtzan and folder/magnatagatune, all of the same pieces.

    A file that is there is kept, so that an interrupted call continues.

    Returns:
        {"musiccaps": folder, "gtzan": folder, "magnatagatune": folder}.
    """
    made = random_pieces(pieces, SEED)
    folders = {name: folder / name for name in ("musiccaps", "gtzan", "magnatagatune")}
    for genre in GENRES:
        (folders["gtzan"] / genre).mkdir(parents=True, exist_ok=True)
    numbers: Counter[str] = Counter()
    for number, (piece, video) in enumerate(zip(made, video_ids(pieces), strict=True)):
        genre = GTZAN_GENRES.get(piece.genre, "pop")
        paths = {
            "musiccaps": folders["musiccaps"] / f"{video}.flac",
            "gtzan": folders["gtzan"] / genre / f"{genre}.{numbers[genre]:05d}.wav",
            "magnatagatune": folders["magnatagatune"] / clip_path(number),
        }
        numbers[genre] += 1
        if not all(path.exists() for path in paths.values()):
            _write_piece(render(piece, SAMPLING_RATE), paths)
    _write_captions(folders["musiccaps"], made)
    _write_tags(folders["magnatagatune"], made)
    return folders


def video_ids(pieces: int) -> list[str]:
    """Names that the thesis's split divides by `SHARES`: of so few others its parts would have random sizes.

    >>> [split_of(name) for name in video_ids(5)]
    ['train', 'train', 'validation', 'test', 'test']
    """
    sizes = {name: max(1, round(share * pieces)) for name, share in SHARES.items()}
    sizes = {"train": pieces - sum(sizes.values()), **sizes}
    return [name for split, size in sizes.items() for name in islice(_ids_of(split), size)]


def _ids_of(split: str) -> Iterator[str]:
    return (name for number in count() if split_of(name := f"made-{number:06d}") == split)


def clip_path(number: int) -> str:
    """Where a clip lies in MagnaTagATune, whose sixteen folders are hexadecimal digits.

    >>> clip_path(30)
    'e/made-30.mp3'
    """
    return f"{number % 16:x}/made-{number}.mp3"


def _write_piece(audio: np.ndarray, paths: dict[str, Path]) -> None:
    for path in paths.values():
        path.parent.mkdir(parents=True, exist_ok=True)
    with atomic_path(paths["musiccaps"]) as part:
        write_flac(part, audio[:, : CLIP_SECONDS * SAMPLING_RATE], SAMPLING_RATE)
    for name, kind in (("gtzan", "WAV"), ("magnatagatune", "MP3")):
        with atomic_path(paths[name]) as part:
            soundfile.write(part, audio.mean(axis=0), SAMPLING_RATE, format=kind)


def _write_captions(folder: Path, pieces: Sequence[Piece]) -> None:
    rows = [
        {
            "file_name": f"{video}.flac",
            "ytid": video,
            "start_s": 0,
            "end_s": CLIP_SECONDS,
            "aspect_list": str(list(piece.tags)),
            "caption": piece.caption,
            "is_audioset_eval": False,
        }
        for piece, video in zip(pieces, video_ids(len(pieces)), strict=True)
    ]
    atomic_write(folder / "metadata.jsonl", "".join(json.dumps(row) + "\n" for row in rows))


def _write_tags(folder: Path, pieces: Sequence[Piece]) -> None:
    """The table with MagnaTagATune's number of columns: the pieces' most frequent tags, then some that none has."""
    frequent = [tag for tag, _ in Counter(tag for piece in pieces for tag in piece.tags).most_common(TAG_COUNT)]
    tags = [*frequent, *(f"unused {number}" for number in range(TAG_COUNT - len(frequent)))]
    text = io.StringIO()
    table = csv.writer(text, delimiter="\t", quoting=csv.QUOTE_ALL, lineterminator="\n")
    table.writerow(["clip_id", *tags, "mp3_path"])
    for number, piece in enumerate(pieces):
        table.writerow([number + 2, *(int(tag in piece.tags) for tag in tags), clip_path(number)])
    atomic_write(folder / TABLE, text.getvalue())
