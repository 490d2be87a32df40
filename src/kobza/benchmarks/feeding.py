"""How many training pairs one core makes in a second: decoding a random window of 10 s, its log-mel, the tokens.

python -m kobza.benchmarks.feeding
"""

import tempfile
import time
from pathlib import Path

import torch

from kobza.audio import load_audio
from kobza.benchmarks.audio import synthetic_tracks
from kobza.data.recordings import Recording
from kobza.embedding.checkpoint import Checkpoint
from kobza.synth.album import write_flac
from kobza.training.dataset import PairCollator, PairDataset

BATCH = 8
CAPTION = "A slow and sad piano piece with soft strings, no drums, recorded in a large hall."


def pairs_per_second(path: Path, collate: PairCollator, seconds: float = 8.0) -> float:
    """Of batches from random windows of one recording."""
    pairs = PairDataset([Recording(path, path.name, caption=CAPTION)] * BATCH, train=True)
    collate([pairs[0]])
    made, start = 0, time.perf_counter()
    while time.perf_counter() - start < seconds:
        pairs.set_epoch(made)
        collate([pairs[k] for k in range(BATCH)])
        made += BATCH
    return made / (time.perf_counter() - start)


def main() -> None:
    torch.set_num_threads(1)
    collate = PairCollator(Checkpoint.load(device="cpu").processor)
    tracks = {path.suffix: path for path in sorted(synthetic_tracks().iterdir())}
    with tempfile.TemporaryDirectory() as folder:
        clip = Path(folder, "clip.flac")
        write_flac(clip, load_audio(tracks[".flac"])[None, :160_000], 16_000)
        for name, path in {
            "10 s, 16 kHz, mono, flac": clip,
            **{f"180 s, stereo, {k}": tracks[k] for k in tracks},
        }.items():
            print(f"{name:26} {pairs_per_second(path, collate):.0f} pairs/s", flush=True)


if __name__ == "__main__":
    main()
