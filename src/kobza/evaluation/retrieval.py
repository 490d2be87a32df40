"""Retrieval over a folder of captioned recordings: `python -m kobza.evaluation.retrieval CHECKPOINT FOLDER`.

The folder is a Hugging Face audiofolder: recordings, and a `metadata.jsonl` with `file_name` and `caption`. Every
caption is searched among all recordings (text -> music) and the other way round.
"""

import argparse
import json
from pathlib import Path

import numpy as np

from ..audio import decode, windows
from ..checkpoint import Checkpoint
from .metrics import retrieval_metrics


def embed_recording(checkpoint: Checkpoint, path: Path) -> np.ndarray:
    """The normalised mean of a recording's windows, (dim,): the same path from file to vector as the library's."""
    rate = checkpoint.sampling_rate
    cut = windows(decode(path, rate), rate, checkpoint.window_seconds, checkpoint.min_window_seconds)
    mean = checkpoint.embed_windows([samples for _, samples in cut]).mean(axis=0)
    return mean / np.linalg.norm(mean)


def read_pairs(folder: Path) -> list[tuple[Path, str]]:
    """(recording, caption) of every line of the folder's metadata.jsonl."""
    path = folder / "metadata.jsonl"
    if not path.is_file():
        raise ValueError(f"{folder} has no metadata.jsonl: one JSON object a line, with file_name and caption.")
    rows = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]
    return [(folder / row["file_name"], row["caption"]) for row in rows]


def evaluate_pairs(checkpoint: Checkpoint, folder: Path) -> dict[str, dict[str, float]]:
    """Metrics of both directions over the pairs of a folder."""
    pairs = read_pairs(folder)
    audio = np.stack([embed_recording(checkpoint, path) for path, _ in pairs])
    text = checkpoint.embed_text([caption for _, caption in pairs])
    similarity = text @ audio.T
    return {"text -> music": retrieval_metrics(similarity), "music -> text": retrieval_metrics(similarity.T)}


def main(argv: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m kobza.evaluation.retrieval", description=__doc__.split("\n")[0])
    parser.add_argument("checkpoint", help="a folder or a Hub id")
    parser.add_argument("folder", type=Path, help="an audiofolder with metadata.jsonl")
    args = parser.parse_args(argv)
    checkpoint = Checkpoint.load(args.checkpoint)
    print(f"{checkpoint.name} ({checkpoint.fingerprint}), {len(read_pairs(args.folder))} pairs")
    for direction, figures in evaluate_pairs(checkpoint, args.folder).items():
        print(direction, "  ".join(f"{name} {value:.3f}" for name, value in figures.items()))


if __name__ == "__main__":
    main()
