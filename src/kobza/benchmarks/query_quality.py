"""Quality of composed queries, match words and playlists, on synthetic pieces whose instruments are known.

    python -m kobza.benchmarks.query_quality --seeds 202 205 206 [--pieces 300] [--pairs FOLDER]

A case of composition is a wanted and an unwanted word for which the plain query fails: of the top K for "piano", at
least one has drums, though K pieces or more have piano and no drums. "piano -drums" succeeds if fewer of its top K have
drums, and no fewer have piano.

`search_constants` says what the constants should be for a checkpoint. Those of `library/search/query.py` were chosen on
pieces of the seeds 101, 103 and 104, the limits of `library/calibration.py` on 61 recordings of MusicCaps and 1,720
others, with other unrelated sentences than those below.
"""

import argparse
from collections.abc import Iterable, Sequence
from itertools import pairwise, permutations
from typing import NamedTuple

import numpy as np

from kobza.data.pairs import load_pairs
from kobza.data.recordings import Recording
from kobza.embedding.embedder import Embedder, cut_windows, embed_recordings, normalized_mean
from kobza.library.calibration import FAIR_Z_SCORE, STRONG_Z_SCORE, ScoreCalibration, calibrate, score_scale
from kobza.library.records import Hit, Track
from kobza.library.search.playlists import smooth_order
from kobza.library.search.query import QueryTerm, compose_query
from kobza.library.search.wanted import Wanted, wanted
from kobza.synth.album import Piece, random_pieces, render

K = 5  # results that count
# A word that people search for: the instruments of the pieces that it names.
INSTRUMENT_WORDS = {
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
# Sentences that describe none of the synthetic pieces, and hardly any music.
UNRELATED_SENTENCES = (
    *("a dog barking in the rain", "bagpipes", "a kettle coming to the boil", "the minutes of a board meeting"),
    *("how to change a bicycle tyre", "a goat on a mountain", "helicopter overhead", "instructions for a dishwasher"),
    *("a toddler laughing", "the price of wheat", "frogs at night", "someone sneezing", "a debate in parliament"),
    *("the rules of chess", "a hair dryer", "a map of the underground", "horses galloping", "a train conductor"),
    *("coughing in a waiting room", "the periodic table", "a cash machine", "wolves howling", "a lecture on geology"),
    *("pouring a glass of water", "a circular saw", "a letter from the bank", "seagulls", "turning pages"),
    *("a phone ringing", "the history of Rome", "zipping a tent", "thunder", "an auctioneer", "a lost umbrella"),
    *("bubble wrap", "the recipe for pancakes", "a football commentator", "snoring", "a tin opener", "qwertz uiop"),
)


class CompositionQuality(NamedTuple):
    """Results over `cases`.

    Attributes:
        success: the fraction of cases that succeed.
        wanted: the fraction of the top K that has the wanted instrument, for the plain query and the composed one.
        unwanted: the same for the unwanted instrument.
    """

    cases: int
    success: float
    wanted: tuple[float, float]
    unwanted: tuple[float, float]


def pieces_with_instrument(pieces: list[Piece]) -> dict[str, np.ndarray]:
    """For each of `INSTRUMENT_WORDS`, which pieces have it: (pieces,) of bool."""
    return {
        word: np.array([bool(names & set(piece.instruments)) for piece in pieces])
        for word, names in INSTRUMENT_WORDS.items()
    }


def embed_pieces(pieces: Iterable[Piece], embedder: Embedder) -> np.ndarray:
    """(pieces, dim): the vectors that a library would store."""
    vectors = []
    for piece in pieces:
        mono = render(piece, embedder.sampling_rate).mean(axis=0)
        windows = [samples for _, samples in cut_windows(embedder, iter([mono]))]
        vectors.append(normalized_mean(embedder.embed_windows(windows)))
    return np.stack(vectors)


def composition_quality(
    pieces: list[Piece], tracks: np.ndarray, embedder: Embedder, calibration: ScoreCalibration, sentence: str = ""
) -> CompositionQuality:
    """Quality of "wanted -unwanted", or of a `sentence` such as "{} without {}" that is embedded in its place.

    Args:
        tracks: (pieces, dim), from `embed_pieces`.
    """
    has_instrument = pieces_with_instrument(pieces)
    words = list(INSTRUMENT_WORDS)
    text = dict(zip(words, embedder.embed_text(words), strict=True))

    def fractions(query: np.ndarray, a: str, b: str, limit: Wanted | None = None) -> tuple[float, float]:
        """Of the top K, the fraction with the wanted instrument, and with the unwanted one."""
        scores = tracks @ query
        if limit is not None:
            scale = score_scale(calibration, query, limit.vector, 0.0, tracks)
            scores = scale.scores(scores) - limit.penalty(tracks @ limit.vector)
        top = np.argsort(-scores)[:K]
        return float(has_instrument[a][top].mean()), float(has_instrument[b][top].mean())

    before, after = [], []
    for a, b in permutations(INSTRUMENT_WORDS, 2):
        if _overlap(a, b) or (has_instrument[a] & ~has_instrument[b]).sum() < K:
            continue
        plain = fractions(text[a], a, b)
        if plain[1] == 0:
            continue
        limit = None
        if sentence:
            query = embedder.embed_text([sentence.format(a, b)])[0]
        else:
            vectors = np.stack([text[a], text[b]])
            query = compose_query([QueryTerm(a), QueryTerm(b, -1.0)], vectors, calibration, tracks)
            limit = wanted_limit(text[a], calibration, tracks)
        before.append(plain)
        after.append(fractions(query, a, b, limit))
    if not before:
        return CompositionQuality(0, 0.0, (0.0, 0.0), (0.0, 0.0))
    plain_fractions, composed_fractions = np.array(before), np.array(after)  # (cases, 2): wanted, unwanted
    keeps_wanted = composed_fractions[:, 0] >= plain_fractions[:, 0]
    has_less_unwanted = composed_fractions[:, 1] < plain_fractions[:, 1]
    return CompositionQuality(
        cases=len(before),
        success=float((keeps_wanted & has_less_unwanted).mean()),
        wanted=(float(plain_fractions[:, 0].mean()), float(composed_fractions[:, 0].mean())),
        unwanted=(float(plain_fractions[:, 1].mean()), float(composed_fractions[:, 1].mean())),
    )


def wanted_limit(positive: np.ndarray, calibration: ScoreCalibration, tracks: np.ndarray) -> Wanted:
    """The second condition that a search for K tracks has."""
    return wanted(positive, score_scale(calibration, positive, positive, 0.0, tracks).unit, tracks, K, len(tracks))


def _overlap(word: str, other: str) -> bool:
    """Whether one word names nothing that the other does not."""
    return INSTRUMENT_WORDS[word] <= INSTRUMENT_WORDS[other] or INSTRUMENT_WORDS[other] <= INSTRUMENT_WORDS[word]


def match_fractions(
    queries: list[str], tracks: np.ndarray, embedder: Embedder, calibration: ScoreCalibration
) -> tuple[float, float]:
    """The fractions of queries whose best match is called fair or better, and strong."""
    best = np.array([best_score(query, tracks, calibration) for query in embedder.embed_text(queries)])
    return float((best >= FAIR_Z_SCORE).mean()), float((best >= STRONG_Z_SCORE).mean())


def best_score(query: np.ndarray, tracks: np.ndarray, calibration: ScoreCalibration) -> float:
    """The score of the track (n, dim) that matches a description's vector (dim,) best."""
    scale = score_scale(calibration, query, query, float(calibration.unfamiliarity(query[None])[0]), tracks)
    return scale.score(float((tracks @ query).max()))


def playlist_smoothness(tracks: np.ndarray, k: int = 10, playlists: int = 50) -> tuple[float, float]:
    """Mean cosine of consecutive tracks in playlists between two random tracks; and in the same playlists shuffled."""
    rng = np.random.default_rng(0)
    records = [Track(str(i)) for i in range(len(tracks))]

    def search(vector: np.ndarray, n: int, taken: Sequence[Track]) -> list[Hit]:
        scores = tracks @ vector
        others = [Hit(float(scores[i]), records[i], 0.0) for i in np.argsort(-scores) if records[i] not in taken]
        return others[:n]

    def mean_cosine(order: list[int]) -> float:
        return float(np.mean([tracks[a] @ tracks[b] for a, b in pairwise(order)]))

    smooth, shuffled = [], []
    for _ in range(playlists):
        a, b = rng.choice(len(tracks), 2, replace=False)
        ends = (records[a], tracks[a]), (records[b], tracks[b])
        order = [int(hit.track.path) for hit in smooth_order(*ends, k, search, lambda track: tracks[int(track.path)])]
        smooth.append(mean_cosine(order))
        shuffled.append(mean_cosine([order[0], *rng.permutation(order[1:-1]).tolist(), order[-1]]))
    return float(np.mean(smooth)), float(np.mean(shuffled))


def embed_labelled(recordings: Sequence[Recording], embedder: Embedder) -> tuple[list[Recording], np.ndarray]:
    """The recordings that can be embedded, and their vectors (n, dim); says which cannot."""
    tracks, reasons = embed_recordings(embedder, [recording.path for recording in recordings])
    for reason in reasons.values():
        print(f"  skipped: {reason}")
    usable = [recording for i, recording in enumerate(recordings) if i not in reasons]
    return usable, np.delete(tracks, list(reasons), axis=0)


def main() -> None:
    from kobza.embedding.loader import load_embedder

    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--checkpoint", metavar="MODEL", help="default: kobza-mini")
    parser.add_argument("--seeds", type=int, nargs="+", default=[202, 205, 206], help="a synthetic library for each")
    parser.add_argument("--pieces", type=int, default=300, help="in each library")
    parser.add_argument("--pairs", metavar="FOLDER", help="captioned recordings, to check the match words on")
    args = parser.parse_args()
    embedder = load_embedder(args.checkpoint, arithmetic="float32")
    calibration = calibrate(embedder)
    unrelated = list(UNRELATED_SENTENCES)
    for seed in args.seeds:
        pieces = random_pieces(args.pieces, seed)
        tracks = embed_pieces(pieces, embedder)
        print(f"{args.pieces} pieces of seed {seed}")
        for name, sentence in (("a -b", ""), ("as a sentence: a without b", "{} without {}")):
            print(f"  {name}: {composition_quality(pieces, tracks, embedder, calibration, sentence)}")
        present = [word for word, has_it in pieces_with_instrument(pieces).items() if has_it.any()]
        print(f"  instruments present, called fair, strong: {match_fractions(present, tracks, embedder, calibration)}")
        fractions = match_fractions(unrelated, tracks, embedder, calibration)
        print(f"  unrelated sentences, called fair, strong: {fractions}")
        print(f"  consecutive tracks of a playlist, and shuffled: {playlist_smoothness(tracks)}")
    if not args.pairs:
        return
    recordings, tracks = embed_labelled(load_pairs(args.pairs).recordings, embedder)
    print(f"{len(tracks)} recordings of {args.pairs}")
    captions = [recording.caption or "" for recording in recordings]
    print(f"  their captions, called fair, strong: {match_fractions(captions, tracks, embedder, calibration)}")
    fractions = match_fractions(unrelated, tracks, embedder, calibration)
    print(f"  unrelated sentences, called fair, strong: {fractions}")


if __name__ == "__main__":
    main()
