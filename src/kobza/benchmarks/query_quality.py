"""What composed wishes, strengths and playlists are worth, on pieces whose instruments are known.

    python -m kobza.benchmarks.query_quality --seeds 202 205 206 [--pieces 300] [--pairs FOLDER]

A case of composition is a word that is wanted and one that is not, such that the plain query fails: of the K best for
"piano", one at least has drums, though K or more pieces have piano and no drums. "piano -drums" succeeds if fewer of
its K best have drums, and no fewer have piano.

The constants of `wishes.py` were chosen on pieces of the seeds 101, 103 and 104, the limits of `strength.py` on these
and on 61 recordings of MusicCaps, with other foreign sentences than those below.
"""

import argparse
from collections.abc import Iterable
from itertools import pairwise, permutations
from typing import NamedTuple

import numpy as np

from kobza.audio import windows
from kobza.data.pairs import load_pairs
from kobza.library.calibration import FAIR, STRONG, Spread, spread_of
from kobza.library.records import Track, normalised_mean
from kobza.library.search.moments import embed_part
from kobza.library.search.playlists import smooth_order
from kobza.library.search.query import Wish, compose
from kobza.synth.album import Piece, random_pieces, render

K = 5
# A word that people search for, and the pieces' instruments that it names.
WORDS = {
    **{
        word: {word}
        for word in (
            *("piano", "electric piano", "harp", "banjo", "double bass", "violin", "cello", "strings", "flute"),
            *("clarinet", "saxophone", "trumpet", "trombone", "accordion", "church organ", "electric organ"),
            *("music box", "vibraphone", "marimba", "glockenspiel", "drums"),
        )
    },
    "acoustic guitar": {"nylon guitar", "steel guitar"},
    "electric guitar": {"clean guitar", "distorted guitar"},
    "distorted guitar": {"distorted guitar"},
    "bass guitar": {"electric bass"},
    "choir": {"choir", "soft choir"},
    "church bells": {"bells"},
    "synthesizer": {"synth lead", "square lead", "synth pad", "synth bass"},
}
# What no piece of Kobza's own and little music is like.
FOREIGN = (
    *("a dog barking in the rain", "bagpipes", "a kettle coming to the boil", "the minutes of a board meeting"),
    *("how to change a bicycle tyre", "a goat on a mountain", "helicopter overhead", "instructions for a dishwasher"),
    *("a toddler laughing", "the price of wheat", "frogs at night", "someone sneezing", "a debate in parliament"),
    *("the rules of chess", "a hair dryer", "a map of the underground", "horses galloping", "a train conductor"),
    *("coughing in a waiting room", "the periodic table", "a cash machine", "wolves howling", "a lecture on geology"),
    *("pouring a glass of water", "a circular saw", "a letter from the bank", "seagulls", "turning pages"),
    *("a phone ringing", "the history of Rome", "zipping a tent", "thunder", "an auctioneer", "a lost umbrella"),
    *("bubble wrap", "the recipe for pancakes", "a football commentator", "snoring", "a tin opener", "qwertz uiop"),
)


class Composed(NamedTuple):
    """Over `cases`: shares of success; of the K best, shares with the wanted and the unwanted before and after."""

    cases: int
    success: float
    wanted: tuple[float, float]
    unwanted: tuple[float, float]


def heard_in(pieces: list[Piece]) -> dict[str, np.ndarray]:
    """For each word, which pieces it is heard in: (pieces,) of bool."""
    return {word: np.array([bool(names & set(piece.instruments)) for piece in pieces]) for word, names in WORDS.items()}


def embed_pieces(pieces: Iterable[Piece], model) -> np.ndarray:
    """(pieces, dim): each as a library would keep it."""
    rule = model.sampling_rate, model.window_seconds, model.min_window_seconds
    sounds = (render(piece, model.sampling_rate).mean(axis=0) for piece in pieces)
    return np.stack([normalised_mean(model.embed_windows([part for _, part in windows([s], *rule)])) for s in sounds])


def composition(pieces: list[Piece], tracks: np.ndarray, model, spread: Spread, sentence: str = "") -> Composed:
    """Of "wanted -unwanted", or of a `sentence` like "{} without {}" as a query of its own."""
    heard, text = heard_in(pieces), dict(zip(WORDS, model.embed_text(list(WORDS)), strict=True))

    def shares(query: np.ndarray, *words: str) -> list[float]:
        best = np.argsort(-(tracks @ query))[:K]
        return [float(heard[word][best].mean()) for word in words]

    rows = []
    for wanted, unwanted in permutations(WORDS, 2):
        one_is_the_other = WORDS[wanted] <= WORDS[unwanted] or WORDS[unwanted] <= WORDS[wanted]
        if one_is_the_other or (heard[wanted] & ~heard[unwanted]).sum() < K:
            continue
        before = shares(text[wanted], wanted, unwanted)
        if before[1]:
            wishes = [Wish(wanted), Wish(unwanted, -1.0)]
            query = compose(wishes, np.stack([text[wanted], text[unwanted]]), spread)
            if sentence:
                query = model.embed_text([sentence.format(wanted, unwanted)])[0]
            after = shares(query, wanted, unwanted)
            rows.append((after[0] >= before[0] and after[1] < before[1], before[0], after[0], before[1], after[1]))
    success, *means = np.mean(rows, axis=0).tolist() if rows else [0.0] * 5
    return Composed(len(rows), success, tuple(means[:2]), tuple(means[2:]))


def fitting(queries: list[str], tracks: np.ndarray, model, spread: Spread) -> tuple[float, float]:
    """Shares of queries whose strongest match is fair or better, and strong."""
    best = np.array([spread.strength(query, tracks).max() for query in model.embed_text(queries)])
    return float((best >= FAIR).mean()), float((best >= STRONG).mean())


def smoothness(tracks: np.ndarray, k: int = 10, ways: int = 50) -> tuple[float, float]:
    """Mean cosine of neighbours in playlists between two random tracks; and with the same tracks shuffled between."""
    rng, named = np.random.default_rng(0), [Track(str(i)) for i in range(len(tracks))]

    def search(vector: np.ndarray, n: int) -> list[tuple[float, Track, float]]:
        scores = tracks @ vector
        return [(float(scores[i]), named[i], 0.0) for i in np.argsort(-scores)[:n]]

    def steps(order: list[int]) -> float:
        return float(np.mean([tracks[a] @ tracks[b] for a, b in pairwise(order)]))

    smooth, shuffled = [], []
    for _ in range(ways):
        a, b = rng.choice(len(tracks), 2, replace=False)
        ends = (named[a], tracks[a]), (named[b], tracks[b])
        order = [int(hit.track.path) for hit in smooth_order(*ends, k, search, lambda track: tracks[int(track.path)])]
        smooth.append(steps(order))
        shuffled.append(steps([order[0], *rng.permutation(order[1:-1]).tolist(), order[-1]]))
    return float(np.mean(smooth)), float(np.mean(shuffled))


def main() -> None:
    from kobza.embedding.checkpoint import Checkpoint

    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--checkpoint", metavar="MODEL", help="default: kobza-mini")
    parser.add_argument(
        "--seeds", type=int, nargs="+", default=[202, 205, 206], help="a library of made pieces for each"
    )
    parser.add_argument("--pieces", type=int, default=300, help="in each library")
    parser.add_argument("--pairs", metavar="FOLDER", help="captioned recordings to measure strengths on")
    args = parser.parse_args()
    model = Checkpoint.load(args.checkpoint)
    spread = spread_of(model)
    for seed in args.seeds:
        pieces = random_pieces(args.pieces, seed)
        tracks, heard = embed_pieces(pieces, model), heard_in(pieces)
        print(f"{args.pieces} pieces of seed {seed}")
        for name, sentence in (("a -b", ""), ("as a sentence: a without b", "{} without {}")):
            print(f"  {name}: {composition(pieces, tracks, model, spread, sentence)}")
        there = [word for word in WORDS if heard[word].any()]
        print(f"  words that are there, called fair, strong: {fitting(there, tracks, model, spread)}")
        print(f"  foreign sentences, called fair, strong: {fitting(list(FOREIGN), tracks, model, spread)}")
        print(f"  neighbours in a playlist, and shuffled: {smoothness(tracks)}")
    if args.pairs:
        recordings = load_pairs(args.pairs).recordings
        parts = ([v for *_, v in embed_part(str(r.path), model, 0.0, np.inf, lambda _: None)] for r in recordings)
        tracks = np.stack([normalised_mean(np.stack(vectors)) for vectors in parts])
        print(f"{len(tracks)} recordings of {args.pairs}")
        captions = [recording.caption for recording in recordings]
        print(f"  their captions, called fair, strong: {fitting(captions, tracks, model, spread)}")
        print(f"  foreign sentences, called fair, strong: {fitting(list(FOREIGN), tracks, model, spread)}")


if __name__ == "__main__":
    main()
