"""Search by sound, by tags and by both, where a third of the tags is missing or wrong.

    python -m kobza.benchmarks.hybrid_search --seeds 202 205 [--pieces 300]

The library is of synthetic pieces, whose instruments, genres and moods are known, by made-up artists who each play two
styles. Of the title, artist, album and genre of every piece, 15 % are removed and 15 % are another piece's; paths say
nothing. What is relevant to a query is decided by the pieces and their true tags. The constants of
`library/search/fusion.py` were checked on seed 101.
"""

import argparse
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple, get_args

import numpy as np

from kobza.benchmarks.query_quality import INSTRUMENT_WORDS, embed_pieces, pieces_with_instrument
from kobza.embedding.embedder import Embedder
from kobza.library import FileState, MusicLibrary, Track
from kobza.library.search.options import Match
from kobza.synth.album import Piece, random_pieces

K = 10
MISSING_TAGS = 0.15  # of all tags
WRONG_TAGS = 0.15
PIECES_PER_ARTIST = 8
QUERIES_PER_KIND = 30
FIELDS = ("title", "artist", "album", "genre")
SYLLABLES = ("ka", "lo", "mi", "ren", "tor", "vel", "dan", "shu", "bri", "gor", "ne", "fa", "wil", "zo", "har", "pe")


class Query(NamedTuple):
    """A query and, for each piece, whether it is relevant: (pieces,) of bool."""

    kind: str
    text: str
    relevant: np.ndarray


def ndcg(ranked: Sequence[int], relevant: np.ndarray) -> float:
    """Normalized discounted cumulative gain of the first K ranked pieces.

    >>> ndcg([1, 0], np.array([False, True]))
    1.0
    """
    discounts = 1 / np.log2(np.arange(K) + 2)
    gains = [float(relevant[i]) for i in ranked[:K]]
    ideal = float(discounts[: min(K, int(relevant.sum()))].sum())
    return float(np.dot(gains, discounts[: len(gains)])) / ideal


def make_tracks(pieces: Sequence[Piece], rng: np.random.Generator) -> list[Track]:
    """A track for each piece, with true tags; artists play pieces of two styles."""
    styles = sorted({piece.style for piece in pieces})
    count = max(2, len(pieces) // PIECES_PER_ARTIST)
    names = [f"{_name(rng)} {_name(rng)}" for _ in range(count)]
    plays = [{styles[i % len(styles)], *rng.choice(styles, 1)} for i in range(count)]
    tracks = []
    for i, piece in enumerate(pieces):
        candidates = [j for j in range(count) if piece.style in plays[j]] or list(range(count))
        artist = names[rng.choice(candidates)]
        tracks.append(
            Track(f"/{i}.flac", piece.title, artist, f"{_name(rng)} Sessions", piece.genre, duration=piece.seconds + i)
        )
    return tracks


def _name(rng: np.random.Generator) -> str:
    return "".join(rng.choice(SYLLABLES, 3)).capitalize()


def damaged(tracks: Sequence[Track], rng: np.random.Generator) -> list[Track]:
    """The tracks with some of their tags removed or exchanged."""
    result = []
    for track in tracks:
        changes: dict[str, Any] = {}
        for field in FIELDS:
            chance = rng.random()
            if chance < MISSING_TAGS:
                changes[field] = ""
            elif chance < MISSING_TAGS + WRONG_TAGS:
                changes[field] = getattr(tracks[int(rng.integers(len(tracks)))], field)
        result.append(replace(track, **changes))
    return result


def make_queries(pieces: Sequence[Piece], tracks: Sequence[Track], rng: np.random.Generator) -> list[Query]:
    """Queries of every kind to which some piece is relevant."""

    def having(field: str, value: str) -> np.ndarray:
        return np.array([getattr(track, field) == value for track in tracks])

    artists, titles, genres = (sorted({getattr(t, name) for t in tracks}) for name in ("artist", "title", "genre"))
    has_instrument = {word: has for word, has in pieces_with_instrument(list(pieces)).items() if has.any()}
    instruments = [*has_instrument]
    queries = [Query("artist", name, having("artist", name)) for name in _some(artists, rng)]
    queries += [Query("title", name, having("title", name)) for name in _some(titles, rng)]
    queries += [Query("genre", name.lower(), having("genre", name)) for name in genres]
    queries += [Query("instrument", word, has_instrument[word]) for word in instruments]
    moods = sorted({(tag, word) for piece in pieces for tag in piece.tags for word in INSTRUMENT_WORDS})
    tagged = {tag: np.array([tag in piece.tags for piece in pieces]) for tag, _ in moods}
    described = [
        (t, w) for t, w in moods if t in ("slow", "fast", "sad", "happy", "calm", "solo") and w in has_instrument
    ]
    pairs = [(f"{t} {w}", tagged[t] & has_instrument[w]) for t, w in described]
    queries += [Query("description", text, relevant) for text, relevant in _some([p for p in pairs if p[1].any()], rng)]
    both = [(f"{w} by {a}", has_instrument[w] & having("artist", a)) for w in instruments for a in artists]
    queries += [Query("both", text, relevant) for text, relevant in _some([p for p in both if p[1].any()], rng)]
    return queries


def _some(items: list, rng: np.random.Generator) -> list:
    chosen = sorted(rng.permutation(len(items))[:QUERIES_PER_KIND])
    return [items[i] for i in chosen]


def quality(
    pieces: list[Piece], vectors: np.ndarray, embedder: Embedder, seed: int
) -> dict[str, dict[str, tuple[int, float]]]:
    """For every kind of query, and for all, how many there are and the mean nDCG@10 by each way to match.

    Args:
        vectors: (pieces, dim), from `embed_pieces`.
    """
    rng = np.random.default_rng(seed)
    tracks = make_tracks(pieces, rng)
    queries = make_queries(pieces, tracks, rng)
    with tempfile.TemporaryDirectory() as folder, MusicLibrary.open(Path(folder) / "library", embedder) as library:
        stored = zip(damaged(tracks, rng), vectors, strict=True)
        library.store.upsert_many(
            (track, FileState(i, i, i.to_bytes(16, "big")), [0.0], vector[None])
            for i, (track, vector) in enumerate(stored)
        )
        values = {match: _ndcgs(library.search, queries, match) for match in get_args(Match)}
    kinds = [*dict.fromkeys(query.kind for query in queries), "all"]
    chosen = {kind: [i for i, query in enumerate(queries) if kind in (query.kind, "all")] for kind in kinds}
    return {
        kind: {match: (len(rows), float(np.mean([values[match][i] for i in rows]))) for match in values}
        for kind, rows in chosen.items()
    }


def _ndcgs(search: Callable, queries: Sequence[Query], match: str) -> list[float]:
    results = []
    for query in queries:
        hits = search(query.text, K, match=match)
        results.append(ndcg([int(hit.track.path[1:].split(".")[0]) for hit in hits], query.relevant))
    return results


def main() -> None:
    from kobza.embedding.loader import load_embedder

    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--checkpoint", metavar="MODEL", help="default: kobza-mini")
    parser.add_argument("--seeds", type=int, nargs="+", default=[202, 205], help="a synthetic library for each")
    parser.add_argument("--pieces", type=int, default=300, help="in each library")
    args = parser.parse_args()
    embedder = load_embedder(args.checkpoint, arithmetic="float32")
    for seed in args.seeds:
        pieces = random_pieces(args.pieces, seed)
        print(f"{args.pieces} pieces of seed {seed}: nDCG@{K} by sound, tags, both")
        for kind, row in quality(pieces, embed_pieces(pieces, embedder), embedder, seed).items():
            print(
                f"  {kind:12} ({row['both'][0]:3} queries)  " + "  ".join(f"{value:.3f}" for _, value in row.values())
            )


if __name__ == "__main__":
    main()
