"""Ways to score recordings for a description, compared: by the cosine and by what corrects it for each recording.

    python -m kobza.benchmarks.score_scale --pairs FOLDER [--labelled FOLDER --list FILE.csv]

R@1 and R@10 are of captions among the recordings of --pairs; precision at 10 is of genre words among the recordings of
--labelled, a folder of the files that the column "file" of the list names, where the columns "text" and "original" say
what they are. With t the vectors of the reference queries (`library/calibration.py`), m their mean, C their covariance:
"deviation" is (q.v - m.v) / sqrt(v.C.v), "CSLS" 2 q.v - the mean of the 20 highest t.v, "centred" q.(v - mean of v).
"""

import argparse
import csv
import re
from collections.abc import Callable
from pathlib import Path

import numpy as np

from kobza.data.pairs import load_pairs
from kobza.embedding.embedder import embed_recordings
from kobza.evaluation.metrics import retrieval_metrics
from kobza.library.calibration import ScoreCalibration, calibrate

GENRES = (
    *("pop", "rap", "hip-hop", "rock", "metal", "jazz", "blues", "country", "folk", "funk", "classical", "electronic"),
    *("techno", "house", "ambient", "r&b"),
)
MIN_RECORDINGS = 10  # of a genre, to count its precision at 10
CSLS_NEIGHBOURS = 20

Scorer = Callable[[np.ndarray, np.ndarray], np.ndarray]


def scorers(calibration: ScoreCalibration) -> dict[str, Scorer]:
    """By name: (queries (n, dim), recordings (m, dim)) -> scores (n, m)."""

    def deviation(queries: np.ndarray, tracks: np.ndarray) -> np.ndarray:
        spread = np.sqrt(np.einsum("nd,de,ne->n", tracks, calibration.covariance, tracks))
        return (queries - calibration.mean) @ tracks.T / spread

    def csls(queries: np.ndarray, tracks: np.ndarray) -> np.ndarray:
        nearest = np.sort(calibration.references @ tracks.T, axis=0)[-CSLS_NEIGHBOURS:].mean(axis=0)
        return 2 * queries @ tracks.T - nearest

    return {
        "cosine": lambda queries, tracks: queries @ tracks.T,
        "deviation": deviation,
        "CSLS": csls,
        "centred": lambda queries, tracks: queries @ (tracks - tracks.mean(axis=0)).T,
    }


def precision_at_10(scores: np.ndarray, relevant: np.ndarray) -> float:
    """Of scores and relevance (queries, recordings)."""
    rows = np.argsort(-scores, axis=1)[:, :10]
    return float(np.take_along_axis(relevant, rows, axis=1).mean())


def genre_labels(texts: list[str]) -> tuple[list[str], np.ndarray]:
    """The genres that enough of the texts name, and which do: (genres, texts) of bool."""
    labels = {
        genre: np.array([bool(re.search(rf"(?<![a-z]){re.escape(genre)}(?![a-z])", text.lower())) for text in texts])
        for genre in GENRES
    }
    kept = [genre for genre, named in labels.items() if named.sum() >= MIN_RECORDINGS]
    return kept, np.stack([labels[genre] for genre in kept])


def main() -> None:
    from kobza.embedding.loader import load_embedder

    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--checkpoint", metavar="MODEL", help="default: kobza-mini")
    parser.add_argument("--pairs", metavar="FOLDER", required=True, help="captioned recordings")
    parser.add_argument("--labelled", metavar="FOLDER", type=Path, help="recordings whose genre is known")
    parser.add_argument("--list", metavar="FILE", type=Path, help="the list of these")
    args = parser.parse_args()
    embedder = load_embedder(args.checkpoint, arithmetic="float32")
    recordings = load_pairs(args.pairs).recordings
    tracks, reasons = embed_recordings(embedder, [recording.path for recording in recordings])
    kept = [i for i in range(len(recordings)) if i not in reasons]
    tracks = tracks[kept]
    captions = embedder.embed_text([recordings[i].caption or "" for i in kept])
    labelled = None
    if args.labelled:
        with args.list.open(encoding="utf-8", newline="") as file:
            rows = list(csv.DictReader(file))
        genres, relevant = genre_labels([f"{row['text']} {row['original']}" for row in rows])
        named = relevant.any(axis=0)
        files = [args.labelled / row["file"] for row, has_genre in zip(rows, named, strict=True) if has_genre]
        vectors, reasons = embed_recordings(embedder, files)
        good = [i for i in range(len(files)) if i not in reasons]
        labelled = (
            vectors[good],
            relevant[:, named][:, good],
            embedder.embed_text([f"{genre} music" for genre in genres]),
        )
        print(f"{len(genres)} genres, {len(good)} recordings that have one")
    for name, scorer in scorers(calibrate(embedder)).items():
        metrics = retrieval_metrics(scorer(captions, tracks))
        line = f"{name:10} R@1 {metrics['R@1']:.3f}  R@10 {metrics['R@10']:.3f}"
        if labelled is not None:
            vectors, relevant, queries = labelled
            line += f"  P@10 {precision_at_10(scorer(queries, vectors), relevant):.3f}"
        print(line)


if __name__ == "__main__":
    main()
