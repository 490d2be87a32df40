"""How much less a description finds in another language than in English (`kobza[languages]`).

    python -m kobza.benchmarks.languages --pairs FOLDER --translations tests/embedding/ukrainian_captions.txt

Recall at 1, 5 and 10 over all recordings of the folder, for the captions that are translated, in both languages.
"""

import argparse
from pathlib import Path

import numpy as np

from kobza.data.pairs import load_pairs
from kobza.embedding.embedder import Embedder, embed_recordings
from kobza.embedding.multilingual import Multilingual
from kobza.evaluation.metrics import ranks, recall_at

RANKS = (1, 5, 10)


def read_translations(path: Path) -> dict[str, str]:
    """File name without extension -> translation, from lines "name|translation"; "#" begins a comment."""
    lines = path.read_text(encoding="utf-8").splitlines()
    rows = (line.split("|", 1) for line in lines if line and not line.startswith("#"))
    return {name: translation for name, translation in rows}


def recall(queries: np.ndarray, tracks: np.ndarray, targets: list[int]) -> dict[int, float]:
    """Rank -> the fraction of the queries (n, dim) that find their target among the first so many tracks (m, dim).

    >>> recall(np.eye(2), np.eye(2), [0, 0])
    {1: 0.5, 5: 1.0, 10: 1.0}
    """
    found = ranks(queries @ tracks.T, np.eye(len(tracks), dtype=bool)[targets])
    return {k: recall_at(found, k) for k in RANKS}


def measure(embedder: Embedder, pairs: str, translations: Path) -> dict[str, dict[int, float]]:
    """The recall in English and of the translations."""
    languages = Multilingual.for_embedder(embedder)
    if languages is None:
        raise SystemExit("This needs kobza-mini's text tower, and the extra: run `pip install 'kobza[languages]'`.")
    recordings = load_pairs(pairs).recordings
    vectors, _ = embed_recordings(embedder, [recording.path for recording in recordings])
    index = {Path(recording.path).stem: at for at, recording in enumerate(recordings)}
    texts = read_translations(translations)
    targets = [index[name] for name in texts]
    english = embedder.embed_text([recordings[at].caption or "" for at in targets])
    return {
        "English": recall(english, vectors, targets),
        "translated": recall(languages.embed_text(list(texts.values())), vectors, targets),
    }


def main() -> None:
    from kobza.embedding.loader import load_embedder

    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--checkpoint", metavar="MODEL", help="default: kobza-mini")
    parser.add_argument("--pairs", metavar="FOLDER", required=True, help="captioned recordings")
    parser.add_argument("--translations", metavar="FILE", type=Path, required=True, help="lines: name|translation")
    args = parser.parse_args()
    embedder = load_embedder(args.checkpoint, arithmetic="float32")
    for name, found in measure(embedder, args.pairs, args.translations).items():
        print(f"{name:10}  " + "  ".join(f"R@{k} {value:.2f}" for k, value in found.items()))


if __name__ == "__main__":
    main()
