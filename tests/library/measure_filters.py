"""How long a filter takes in SQLite, over a made library: `python tests/library/measure_filters.py [TRACKS]`.

Processor time of the first run; the result is cached until the library changes. Not a test.
"""

import os
import random
import sys
import tempfile
import time
from pathlib import Path

from kobza.library import Track, open_store
from kobza.library.filters.parser import parse_filter
from kobza.library.filters.tree import TEXT, normalize_tag, to_sql
from kobza.library.stores.rows import TRACK_COLUMNS

GENRES = ("Rock", "Jazz", "Blues", "Heavy Metal", "Folk", "Classical", "Hip Hop", "Electronic", "House", "Ambient")
FILTERS = (
    "genre = jazz",
    "genre ~ metal",
    "genre in (jazz, blues)",
    "artist = 'artist 17'",
    "title ~ word17",
    "year 1980..1990",
    "year 1980s and genre = jazz and bpm 120..130",
    "comment ~ word17",
    f"artist in ({', '.join(f'a{i}' for i in range(100))})",
)


def made_track(i: int, rng: random.Random) -> Track:
    def words(n: int) -> str:
        return " ".join(f"word{rng.randrange(3000)}" for _ in range(n))

    return Track(
        f"/music/artist {i % 4000}/album {i % 9000}/{i:06d} {words(2)}.flac",
        words(3),
        f"Artist {i % 4000}",
        f"Album {i % 9000}",
        "; ".join(rng.sample(GENRES, rng.choice([1, 1, 2, 3]))),
        rng.choice([None, *range(1950, 2024)]),
        rng.uniform(100, 400),
        composer=f"Composer {i % 500}",
        comment=words(rng.choice([0, 5, 30])),
        bpm=rng.uniform(60, 180),
        added=1.7e9 + i,
    )


def main(tracks: int = 100_000) -> None:
    rng = random.Random(0)
    with tempfile.TemporaryDirectory() as folder:
        store = open_store(Path(folder) / "library")
        db = store._db
        db.execute("BEGIN")
        for i in range(tracks):
            track = made_track(i, rng)
            row = {name: getattr(track, name) for name in TRACK_COLUMNS} | {"path": os.fsencode(track.path)}
            row |= {f"folded_{name}": normalize_tag(name, getattr(track, name)) for name in TEXT}
            row |= {"size": 1, "mtime_ns": 1, "hash": bytes(16)}
            db.execute(f"INSERT INTO tracks ({', '.join(row)}) VALUES ({', '.join('?' * len(row))})", [*row.values()])
        db.execute("COMMIT")
        store.optimize()
        for text in FILTERS:
            condition, values = to_sql(parse_filter(text))
            start = time.thread_time()
            found = db.execute(f"SELECT id FROM tracks WHERE {condition}", values).fetchall()
            print(f"{1000 * (time.thread_time() - start):6.1f} ms  {len(found):6d} of {tracks}  {text[:50]}")
        store.close()


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
