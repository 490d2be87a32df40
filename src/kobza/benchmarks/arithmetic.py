"""What the engine's arithmetics cost in time and change in the vectors, beside PyTorch.

    python -m kobza.benchmarks.arithmetic FOLDER --pairs FOLDER [--windows 200]

The windows are real ones, of the recordings in FOLDER; the captions of --pairs search them. On one thread, one window
at a time in turn; the time is the median, log-mel included.
"""

import argparse
import time
from collections.abc import Sequence
from itertools import islice
from pathlib import Path

import numpy as np
import torch

from kobza.audio import AUDIO_EXTENSIONS, decode
from kobza.config import ARITHMETICS
from kobza.data.pairs import load_pairs
from kobza.data.recordings import Recording
from kobza.embedding.checkpoint_folder import default_checkpoint
from kobza.embedding.embedder import Embedder, cut_windows, embed_recordings
from kobza.embedding.loader import load_embedder, load_torch_embedder
from kobza.evaluation.metrics import ranks, recall_at

BEST = 10


def real_windows(folder: Path, embedder: Embedder, count: int) -> list[np.ndarray]:
    """The first window of each of `count` recordings."""
    paths = [path for path in sorted(folder.rglob("*")) if path.suffix.lower() in AUDIO_EXTENSIONS]
    first = (islice(cut_windows(embedder, decode(path, embedder.sampling_rate)), 1) for path in paths[:count])
    return [samples for window in first for _, samples in window]


def embed_in_turn(embedders: Sequence[Embedder], windows: Sequence[np.ndarray]) -> tuple[np.ndarray, list[float]]:
    """(embedders, windows, dim), and the median milliseconds of each embedder."""
    vectors, times = [], []
    for window in windows:
        row, spent = [], []
        for embedder in embedders:
            start = time.perf_counter()
            row.append(embedder.embed_windows([window])[0])
            spent.append(1000 * (time.perf_counter() - start))
        vectors.append(row)
        times.append(spent)
    return np.swapaxes(np.array(vectors), 0, 1), np.median(times, axis=0).tolist()


def shared_best(a: np.ndarray, b: np.ndarray, k: int = BEST) -> tuple[float, float]:
    """How much of the k best of each query both have, and in how many queries the first is the same.

    >>> shared_best(np.array([[3.0, 2.0, 1.0]]), np.array([[3.0, 1.0, 2.0]]), 2)
    (0.5, 1.0)

    Args:
        a, b: (queries, candidates) scores.
    """
    best_a, best_b = (np.argsort(-scores, axis=1)[:, :k] for scores in (a, b))
    shared = np.mean([len(set(x) & set(y)) / k for x, y in zip(best_a, best_b, strict=True)])
    return float(shared), float((best_a[:, 0] == best_b[:, 0]).mean())


def recalls(embedder: Embedder, pairs: Sequence[Recording], captions: np.ndarray) -> str:
    """R@1/5/10 of the captions (n, dim) among their recordings."""
    paths = list(dict.fromkeys(recording.path for recording in pairs))
    owner = np.array([paths.index(recording.path) for recording in pairs])
    found = ranks(captions @ embed_recordings(embedder, paths)[0].T, owner[:, None] == np.arange(len(paths)))
    return "/".join(f"{recall_at(found, k):.3f}" for k in (1, 5, 10))


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--pairs", required=True, metavar="FOLDER")
    parser.add_argument("--model", default=None)
    parser.add_argument("--windows", type=int, default=200)
    args = parser.parse_args()
    torch.set_num_threads(1)
    name = args.model or default_checkpoint()
    embedders = [load_torch_embedder(name, "cpu"), *(load_embedder(name, "cpu", kind) for kind in ARITHMETICS)]
    windows = real_windows(args.folder, embedders[0], args.windows)
    vectors, times = embed_in_turn(embedders, windows)
    pairs = load_pairs(args.pairs).recordings
    captions = embedders[0].embed_text([recording.caption or "" for recording in pairs])
    reference = captions @ vectors[0].T
    print(f"{len(windows)} windows, {len(captions)} captions\nPyTorch: {times[0]:.1f} ms a window", end="")
    print(f"; R@1/5/10 {recalls(embedders[0], pairs, captions)}")
    for kind, embedder, found, milliseconds in zip(ARITHMETICS, embedders[1:], vectors[1:], times[1:], strict=True):
        cosines = (found * vectors[0]).sum(axis=1)
        shared, first = shared_best(reference, captions @ found.T)
        print(
            f"{kind}: {milliseconds:.1f} ms; largest difference {np.abs(found - vectors[0]).max():.1e}; cosine mean "
            f"{cosines.mean():.5f}, lowest {cosines.min():.5f}; {shared:.1%} of the best {BEST} the same, the first in "
            f"{first:.1%}; R@1/5/10 {recalls(embedder, pairs, captions)}"
        )


if __name__ == "__main__":
    main()
