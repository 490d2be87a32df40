"""Kobza beside what others do with CLAP: one recording to its vector, and a folder to an index.

CLAP (HTSAT-tiny) has random weights, which do not change the times. Its script is what music servers' plug-ins run:
librosa decodes the whole file at 48 kHz, consecutive windows of 10 s go through the model together, and the mean of
their vectors is kept, one file after the other.
"""

import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from kobza.benchmarks.audio import TRACK_SECONDS, synthetic_tracks
from kobza.benchmarks.runner import Measurement, side_by_side
from kobza.config import ARITHMETICS
from kobza.embedding.embedder import embed_recording, normalized_mean
from kobza.embedding.engine import EngineEmbedder, default_arithmetic

CLAP_SAMPLING_RATE = 48_000  # Hz
CLAP_WINDOW = 10 * CLAP_SAMPLING_RATE


def clap_script() -> Callable[[Path], np.ndarray]:
    """A function from a file to its vector by CLAP, as a plain script has it."""
    import librosa
    import torch
    from transformers import ClapFeatureExtractor, ClapModel
    from transformers.models.clap.configuration_clap import ClapConfig

    clap, extractor = ClapModel(ClapConfig()).eval(), ClapFeatureExtractor(truncation="rand_trunc")

    @torch.inference_mode()
    def embed(path: Path) -> np.ndarray:
        wave = librosa.load(path, sr=CLAP_SAMPLING_RATE)[0]
        windows = [wave[i : i + CLAP_WINDOW] for i in range(0, len(wave), CLAP_WINDOW)]
        inputs = extractor(windows, sampling_rate=CLAP_SAMPLING_RATE, return_tensors="pt")
        vector: np.ndarray = clap.get_audio_features(**inputs).pooler_output.mean(dim=0).numpy()
        return vector

    return embed


def file_to_vector() -> list[Measurement]:
    """One recording of 3 minutes from the file to its vector: kobza-mini against CLAP (HTSAT-tiny, random weights)."""
    path = sorted(synthetic_tracks().iterdir())[0]
    clap, measurements = clap_script(), []
    for arithmetic in ARITHMETICS:
        embedder = EngineEmbedder.load(None, arithmetic)

        def ours(embedder: EngineEmbedder = embedder) -> np.ndarray:
            return normalized_mean(np.stack([window.vector for window in embed_recording(embedder, path)]))

        times = side_by_side(ours, lambda: clap(path), 3)
        note = f"{TRACK_SECONDS / times.a:.0f} and {TRACK_SECONDS / times.b:.0f} x real time"
        what = f"file -> vector, kobza-mini in {arithmetic}"
        goal = 12 if arithmetic == default_arithmetic() else None
        against = "ClapModel (HTSAT-tiny)"
        measurements.append(Measurement("file-to-vector", what, against, times.ratio, "x", goal, note=note))
    return measurements


def clap_indexing() -> list[Measurement]:
    """The job of `kobza bench indexing` by the script around CLAP: two tracks of each format stand for the 100."""
    embed, paths = clap_script(), sorted(synthetic_tracks().iterdir())
    embed(paths[0])
    start = time.perf_counter()
    np.stack([embed(path) for path in paths])
    wall = time.perf_counter() - start
    rate = len(paths) * TRACK_SECONDS / 3600 / (wall / 60)
    what = f"the same by a script with librosa and ClapModel ({len(paths)} of the tracks)"
    return [Measurement("clap-indexing", what, "", rate, "hours of music a minute")]
