"""Time of a search by sound, tags and both in a large made-up library: `python -m kobza.benchmarks.hybrid_times`.

Processor time on one thread, which a busy machine changes little. The tags are words that many tracks share, as in real
libraries: the words of the queries are in up to a third of them.
"""

import argparse
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import get_args

import numpy as np

from kobza.benchmarks.made_libraries import DIM, GENRES
from kobza.library import FileState, MusicLibrary, Track
from kobza.library.records import StoredTrack
from kobza.library.search.options import Match

QUERIES = ("jazz", "slow sad piano", "Artist 17", "love song by Artist 3", "Title 123", "rock -live", "guitarr", "qzx")
WORDS = ("love", "night", "blue", "piano", "rain", "dance", "live", "sad", "song", "guitar", "summer", "time")
WINDOWS = 2  # of a track: the time by track does not depend on it
ROUNDS = 10


def stored_tracks(tracks: int) -> Iterator[StoredTrack]:
    rng = np.random.default_rng(0)
    styles = rng.standard_normal((200, DIM))
    for i in range(tracks):
        vectors = styles[rng.integers(len(styles))] + 0.5 * rng.standard_normal((WINDOWS, DIM))
        vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
        artist = f"Artist {rng.integers(tracks // 50 + 1)}"
        title = " ".join([*rng.choice(WORDS, 2), f"Title {i}"])
        genre = GENRES[rng.integers(len(GENRES))]
        track = Track(
            f"/music/{artist}/{i}.flac", title, artist, f"Album {i // 10}", genre, None, rng.uniform(100, 400)
        )
        yield track, FileState(i, i, i.to_bytes(16, "big")), [0.0, 10.0], vectors.astype(np.float32)


def search_times(tracks: int) -> dict[str, tuple[float, float]]:
    """For each way to match, the median and the highest of the queries' median times, in ms of processor time."""
    with tempfile.TemporaryDirectory() as folder, MusicLibrary.open(Path(folder) / "library") as library:
        library.store.upsert_many(stored_tracks(tracks))
        times = {}
        for match in get_args(Match):
            medians = []
            for query in QUERIES:
                library.search(query, match=match)
                rounds = []
                for _ in range(ROUNDS):
                    start = time.process_time()
                    library.search(query, match=match)
                    rounds.append(1000 * (time.process_time() - start))
                medians.append(float(np.median(rounds)))
                print(f"  {match:6} {query:24} {medians[-1]:.1f} ms")
            times[match] = float(np.median(medians)), max(medians)
    return times


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("tracks", type=int, nargs="?", default=100_000)
    args = parser.parse_args()
    for match, (median, slowest) in search_times(args.tracks).items():
        print(f"{args.tracks} tracks, by {match}: median {median:.1f} ms, slowest query {slowest:.1f} ms")


if __name__ == "__main__":
    main()
