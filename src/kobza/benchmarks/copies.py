"""How reliably copies of a recording in other formats are told from other recordings.

    python -m kobza.benchmarks.copies [--pairs FOLDER] [--pieces 60]

Each recording of --pairs, or each of so many synthetic pieces, is written as FLAC of 44.1 kHz and in every one of
`FORMATS` at 128 kbit/s, and all files are indexed into a library. A copy is found if `duplicate_groups`, which
`kobza duplicates` prints, has it in the group of its original.
"""

import argparse
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from kobza.audio import load_audio
from kobza.benchmarks.audio import SAMPLING_RATE, encode
from kobza.data.pairs import load_pairs
from kobza.embedding.embedder import Embedder
from kobza.library import MusicLibrary
from kobza.library.search.copies import duplicate_groups, recording_of
from kobza.synth.album import random_pieces, write_album

FORMATS = {  # name: encoder, container, extension
    "MP3": ("libmp3lame", "mp3", "mp3"),
    "Opus": ("libopus", "ogg", "opus"),
    "AAC": ("aac", "ipod", "m4a"),
    "WMA": ("wmav2", "asf", "wma"),
}
BIT_RATE = 128_000


class CopyCosines(NamedTuple):
    """Of n recordings.

    Attributes:
        found: for each format, how many copies are in the group of their original.
        to_original: for each format, the cosines of the copies with their originals, ascending.
        to_nearest: the cosine of each original with the nearest other one, ascending.
        mixed: the number of groups that hold several originals.
    """

    found: dict[str, int]
    to_original: dict[str, list[float]]
    to_nearest: list[float]
    mixed: int


def measure(paths: Sequence[Path], embedder: Embedder) -> CopyCosines:
    """Encode the recordings and index them together with their copies."""
    with tempfile.TemporaryDirectory() as place:
        music = Path(place) / "music"
        music.mkdir()
        for i, path in enumerate(paths):
            samples = np.stack([load_audio(path, SAMPLING_RATE)] * 2)
            encode(music / f"{i}-original.flac", samples, "flac", "flac")
            for name, (encoder, container, extension) in FORMATS.items():
                encode(music / f"{i}-{name}.{extension}", samples, encoder, container, bit_rate=BIT_RATE)
        with MusicLibrary.open(Path(place) / "library", embedder) as library:
            library.add(music)
            stored = list(library.store.scan())
    vectors = {Path(one[0].path).stem: recording_of(one).vector for one in stored}
    groups = [{Path(track.path).stem for track in group} for group in duplicate_groups(stored)]
    count = len(paths)
    originals = np.stack([vectors[f"{i}-original"] for i in range(count)])
    others = originals @ originals.T - 2 * np.eye(count)
    return CopyCosines(
        {
            name: sum({f"{i}-original", f"{i}-{name}"} <= group for i in range(count) for group in groups)
            for name in FORMATS
        },
        {name: sorted(float(originals[i] @ vectors[f"{i}-{name}"]) for i in range(count)) for name in FORMATS},
        sorted(map(float, others.max(axis=0))),
        sum(sum(name.endswith("-original") for name in group) > 1 for group in groups),
    )


def main() -> None:
    from kobza.embedding.loader import load_embedder

    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--pairs", metavar="FOLDER", help="the recordings; default: synthetic pieces")
    parser.add_argument("--pieces", type=int, default=60, help="number of synthetic pieces")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as place:
        if args.pairs:
            paths = [Path(recording.path) for recording in load_pairs(args.pairs).recordings]
        else:
            write_album(Path(place), random_pieces(args.pieces, seed=16))
            paths = sorted(Path(place).glob("*.flac"))
        result = measure(paths, load_embedder(arithmetic="float32"))
    for name, cosines in result.to_original.items():
        print(f"{name:5} {result.found[name]} of {len(paths)} copies found, lowest cosines {_shown(cosines[:3])}")
    print(f"nearest other recording: highest cosines {_shown(result.to_nearest[-3:])}")
    print(f"groups that hold several recordings: {result.mixed}")


def _shown(cosines: Sequence[float]) -> str:
    return ", ".join(f"{cosine:.4f}" for cosine in cosines)


if __name__ == "__main__":
    main()
