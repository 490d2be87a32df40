"""What the constants of search should be for a checkpoint.

    python -m kobza.benchmarks.search_constants [--checkpoint MODEL] --pairs FOLDER [--classes FOLDER]

Match words: with the captions of recordings, single words for the sound of recordings (genres, instruments), and
sentences that describe no music, the limits are chosen so that at most 8 % of the latter are called fair, but 85 % of
the captions and 60 % of the words. The query language: `NEGATIVE_STEP` and `RIDGE_FACTOR` by the success of "a -b".
"""

import argparse
from collections.abc import Sequence
from itertools import product
from typing import NamedTuple
from unittest.mock import patch

import numpy as np

from kobza.benchmarks.query_quality import UNRELATED_SENTENCES, composition_quality, embed_labelled, embed_pieces
from kobza.data.class_folders import load_classes
from kobza.data.pairs import load_pairs
from kobza.data.recordings import Recording
from kobza.embedding.embedder import Embedder
from kobza.library.calibration import FAMILIARITY_WEIGHT, ScoreCalibration, calibrate, score_scale
from kobza.library.search import query
from kobza.synth.album import Piece, random_pieces

MAX_UNRELATED_FAIR = 0.08  # of unrelated sentences may be called fair
MAX_UNRELATED_STRONG = 0.02
MIN_CAPTIONS_FAIR = 0.85
MIN_WORDS_FAIR = 0.6
FAMILIARITY_WEIGHTS = (0.0, 0.5, 1.0, FAMILIARITY_WEIGHT, 2.0, 3.0)
RIDGES = (1.0, 3.0, 10.0, 30.0)
STEPS = (0.6, 0.8, 1.0)


class Scores(NamedTuple):
    """Of n queries: their score without familiarity (n,), and that (n,)."""

    base: np.ndarray
    unfamiliarity: np.ndarray

    def weighted(self, weight: float) -> np.ndarray:
        total: np.ndarray = self.base + weight * self.unfamiliarity
        return total


class MatchLimits(NamedTuple):
    """Limits for one weight of familiarity, and the fractions that are called fair with them."""

    familiarity_weight: float
    strong: float
    fair: float
    weak: float
    captions: float
    words: float
    unrelated: float


def best_scores(
    queries: Sequence[str], tracks: np.ndarray, embedder: Embedder, calibration: ScoreCalibration
) -> Scores:
    """Of the track (n, dim) that matches each query best."""
    vectors = embedder.embed_text(list(queries))
    scales = [score_scale(calibration, vector, vector, 0.0, tracks) for vector in vectors]
    base = [scale.score(float((tracks @ vector).max())) for scale, vector in zip(scales, vectors, strict=True)]
    return Scores(np.array(base), calibration.unfamiliarity(vectors))


def label_scores(
    labels: Sequence[str], tracks: np.ndarray, embedder: Embedder, calibration: ScoreCalibration
) -> Scores:
    """Of each track (n, dim) with its own label (n)."""
    names = sorted(set(labels))
    vectors = dict(zip(names, embedder.embed_text(names), strict=True))
    rows = np.stack([vectors[label] for label in labels])
    unfamiliarity = dict(zip(names, calibration.unfamiliarity(np.stack(list(vectors.values()))), strict=True))
    scales = {name: score_scale(calibration, vector, vector, 0.0, tracks) for name, vector in vectors.items()}
    cosines = (tracks * rows).sum(axis=1)
    base = [scales[label].score(float(cosine)) for label, cosine in zip(labels, cosines, strict=True)]
    return Scores(np.array(base), np.array([unfamiliarity[label] for label in labels]))


def match_limits(captions: Scores, words: Scores | None, unrelated: Scores, weight: float) -> MatchLimits:
    """The lowest limits that call few enough unrelated sentences fair and strong; half of them are weak or less.

    >>> scores = [Scores(np.linspace(low, low + 2, 101), np.zeros(101)) for low in (1.5, 1.0, 0.0)]
    >>> found = match_limits(*scores, weight=0.0)
    >>> found.fair, found.weak, round(found.captions, 2), round(found.unrelated, 2)
    (1.85, 1.0, 0.82, 0.08)
    """
    others = unrelated.weighted(weight)
    # Rounded up, in steps of .05, because the limits are written by hand
    strong, fair = (
        float(np.ceil(round(np.quantile(others, 1 - most) * 20, 6)) / 20)
        for most in (MAX_UNRELATED_STRONG, MAX_UNRELATED_FAIR)
    )

    def are_fair(scores: Scores) -> float:
        return float((scores.weighted(weight) >= fair).mean())

    word_fraction = float("nan") if words is None else are_fair(words)
    weak = float(np.round(np.median(others) * 20) / 20)
    return MatchLimits(weight, strong, fair, weak, are_fair(captions), word_fraction, are_fair(unrelated))


def choose(results: Sequence[MatchLimits]) -> MatchLimits:
    """The least weight of familiarity that reaches all aims, because with much of it the sound counts little; where
    none does, the one with the most captions and words."""
    reached = [
        row
        for row in results
        if row.captions >= MIN_CAPTIONS_FAIR
        and (np.isnan(row.words) or row.words >= MIN_WORDS_FAIR)
        and row.unrelated <= MAX_UNRELATED_FAIR
    ]
    if reached:
        return min(reached, key=lambda row: row.familiarity_weight)
    return max(results, key=lambda row: row.captions + (0.0 if np.isnan(row.words) else row.words))


def print_match_limits(
    recordings: Sequence[Recording],
    tracks: np.ndarray,
    labelled: tuple[Sequence[str], np.ndarray] | None,
    embedder: Embedder,
    calibration: ScoreCalibration,
) -> None:
    """
    Args:
        tracks: (n, dim), of the captioned recordings.
        labelled: the labels of other recordings, and those (n, dim).
    """
    captions = best_scores([recording.caption or "" for recording in recordings], tracks, embedder, calibration)
    libraries = [tracks] if labelled is None else [tracks, labelled[1]]
    found = [best_scores(UNRELATED_SENTENCES, library, embedder, calibration) for library in libraries]
    unrelated = Scores(*map(np.concatenate, zip(*found, strict=True)))
    words = None if labelled is None else label_scores(*labelled, embedder, calibration)
    print("FAMILIARITY_WEIGHT  STRONG   FAIR   WEAK   called fair: captions, words of the right recordings, unrelated")
    results = [match_limits(captions, words, unrelated, weight) for weight in FAMILIARITY_WEIGHTS]
    for row in results:
        print(
            f"{row.familiarity_weight:18.1f} {row.strong:7.2f} {row.fair:6.2f} {row.weak:6.2f}"
            f"   {row.captions:.2f} {row.words:.2f} {row.unrelated:.2f}"
        )
    best = choose(results)
    print(
        f"calibration.py: STRONG_Z_SCORE = {best.strong:g}, FAIR_Z_SCORE = {best.fair:g}, "
        f"WEAK_Z_SCORE = {best.weak:g}, FAMILIARITY_WEIGHT = {best.familiarity_weight:g}"
    )


def print_query_constants(
    libraries: Sequence[tuple[list[Piece], np.ndarray]], embedder: Embedder, calibration: ScoreCalibration
) -> None:
    """
    Args:
        libraries: pieces and their vectors (pieces, dim); of other seeds than those that the quality is reported on.
    """
    print('RIDGE_FACTOR  NEGATIVE_STEP   "a -b" succeeds')
    results: dict[tuple[float, float], float] = {}
    for ridge, step in product(RIDGES, STEPS):
        with patch.multiple(query, RIDGE_FACTOR=ridge, NEGATIVE_STEP=step):
            found = [composition_quality(*library, embedder, calibration) for library in libraries]
        cases = sum(one.cases for one in found)
        results[ridge, step] = sum(one.cases * one.success for one in found) / max(cases, 1)
        print(f"{ridge:12g} {step:14g}   {results[ridge, step]:.3f} of {cases}")
    ridge, step = max(results, key=lambda pair: results[pair])
    print(f"query.py: RIDGE_FACTOR = {ridge:g}, NEGATIVE_STEP = {step:g}")


def main() -> None:
    from kobza.embedding.loader import load_embedder

    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--checkpoint", metavar="MODEL", help="default: kobza-mini")
    parser.add_argument("--pairs", metavar="FOLDER", required=True, help="captioned recordings")
    parser.add_argument("--classes", metavar="FOLDER", help="recordings in a folder per genre, or of other words")
    parser.add_argument("--seeds", type=int, nargs="*", default=[101, 103, 104], help="a synthetic library for each")
    parser.add_argument("--pieces", type=int, default=300, help="in each library")
    args = parser.parse_args()
    embedder = load_embedder(args.checkpoint, arithmetic="float32")
    calibration = calibrate(embedder)
    recordings, tracks = embed_labelled(load_pairs(args.pairs).recordings, embedder)
    labelled = None
    if args.classes:
        members, vectors = embed_labelled(load_classes(args.classes).recordings, embedder)
        labelled = [recording.label or "" for recording in members], vectors
    print_match_limits(recordings, tracks, labelled, embedder, calibration)
    if args.seeds:
        libraries = [random_pieces(args.pieces, seed) for seed in args.seeds]
        embedded = [(pieces, embed_pieces(pieces, embedder)) for pieces in libraries]
        print_query_constants(embedded, embedder, calibration)


if __name__ == "__main__":
    main()
