"""How many training pairs one core makes in a second: decoding a random window of 10 s, its log-mel, the tokens; and in
the first epoch of a stream, where it also reads the key of each recording's sound.

python -m kobza.benchmarks.feeding
"""

import tempfile
import time
from pathlib import Path

import torch

from kobza.audio import load_audio
from kobza.benchmarks.audio import synthetic_tracks
from kobza.data.recording_identity import sound_key
from kobza.data.recordings import Recording
from kobza.embedding.checkpoint import Checkpoint
from kobza.synth.album import write_flac
from kobza.training.dataset import PairCollator, PairDataset

BATCH = 8
CAPTION = "A slow and sad piano piece with soft strings, no drums, recorded in a large hall."


def pairs_per_second(path: Path, collate: PairCollator, has_keys: bool, seconds: float = 8.0) -> float:
    """Of batches from random windows of one recording; `has_keys`: with the key of its sound."""
    pairs = PairDataset([Recording(path, path.name, caption=CAPTION)] * BATCH, train=True)
    collate([pairs[0]])
    made, start = 0, time.perf_counter()
    while time.perf_counter() - start < seconds:
        pairs.set_epoch(made)
        collate([pairs[k] for k in range(BATCH)])
        if has_keys:
            for _ in range(BATCH):
                sound_key(path)
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
            rates = [pairs_per_second(path, collate, has_keys) for has_keys in (False, True)]
            print(f"{name:26} {rates[0]:.0f} pairs/s, {rates[1]:.0f} in a stream's first epoch", flush=True)


if __name__ == "__main__":
    main()
