"""Kobza's album of short synthetic pieces with captions, without third-party rights.

`album()` and `random_pieces()` give the metadata (`pieces.py`), `render()` the audio (`renderer.py`), which is
deterministic. `write_album()` writes a folder of them, which is also a Hugging Face audiofolder.
"""

from __future__ import annotations

import json
import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import av
import mutagen
import numpy as np
from mutagen.flac import FLAC

from kobza.atomic import atomic_path, atomic_write
from kobza.synth.pieces import DEMO_QUERIES, DemoQuery, Piece, album, random_pieces
from kobza.synth.renderer import render

__all__ = ["DEMO_QUERIES", "DemoQuery", "Piece", "album", "random_pieces", "render", "write_album", "write_flac"]

ALBUM_TITLE = "Kobza Plays"
ARTIST = "Kobza"
YEAR = "2026"
SAMPLING_RATE = 32000
MAX_THREADS = 8  # more wait for the interpreter
LENGTH_TOLERANCE_SECONDS = 0.05


def write_album(folder: str | os.PathLike, pieces: list[Piece] | None = None) -> list[Piece]:
    """Writes `pieces` (default: the album) into `folder` as tagged FLAC files and `metadata.jsonl` (file_name, caption,
    tags).

    Complete files are kept, so that a second call is quick and an interrupted one resumes: every file is written under
    a temporary name and renamed when it is complete.
    """
    folder = Path(folder)
    pieces = album() if pieces is None else pieces
    folder.mkdir(parents=True, exist_ok=True)

    def write_piece(number: int, piece: Piece) -> None:
        path = folder / f"{piece.name}.flac"
        if not _is_complete(path, piece):
            with atomic_path(path) as part:
                write_flac(part, render(piece, SAMPLING_RATE), SAMPLING_RATE)
                _tag(part, piece, number)

    with ThreadPoolExecutor(min(os.cpu_count() or 1, MAX_THREADS)) as pool:  # numpy computes beside the interpreter
        for _ in pool.map(write_piece, range(1, len(pieces) + 1), pieces):
            pass
    rows = [{"file_name": f"{p.name}.flac", "caption": p.caption, "tags": list(p.tags)} for p in pieces]
    lines = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
    metadata = folder / "metadata.jsonl"
    if not metadata.is_file() or metadata.read_text(encoding="utf-8") != lines:
        atomic_write(metadata, lines)
    return pieces


def write_flac(path: Path, audio: np.ndarray, sampling_rate: int) -> None:
    """Writes audio in [-1, 1], (1 or 2 channels, samples), as 16-bit FLAC."""
    layout = "stereo" if len(audio) == 2 else "mono"
    interleaved = np.ascontiguousarray(np.round(np.clip(audio, -1, 1) * 32767).astype(np.int16).T).reshape(1, -1)
    with av.open(str(path), "w", format="flac") as file:
        stream = file.add_stream("flac", rate=sampling_rate, layout=layout, format="s16")
        frame = av.AudioFrame.from_ndarray(interleaved, format="s16", layout=layout)
        frame.sample_rate = sampling_rate
        file.mux([*stream.encode(frame), *stream.encode(None)])


def _tag(path: Path, piece: Piece, number: int) -> None:
    tags = FLAC(path)
    tags.update(title=piece.title, artist=ARTIST, album=ALBUM_TITLE, genre=piece.genre, date=YEAR)
    tags.update(tracknumber=str(number), description=piece.caption, bpm=str(piece.tempo))
    if piece.key:
        tags.update(initialkey=piece.key)
    tags.save()


def _is_complete(path: Path, piece: Piece) -> bool:
    """Whether `path` holds this piece. A file gets its name only when it is complete, so its header is reliable."""
    try:
        file = FLAC(path)
    except (mutagen.MutagenError, OSError):
        return False
    return abs(file.info.length - piece.seconds) < LENGTH_TOLERANCE_SECONDS and file.get("description") == [
        piece.caption
    ]
