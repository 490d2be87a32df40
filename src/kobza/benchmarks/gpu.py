"""The benchmark `gpu` of `kobza bench`: log-mel, AST-base, and indexing from files to vectors on a GPU.

Each part takes the device as an argument, so that tests run it small on a CPU. Times are medians after a warm-up.
"""

import multiprocessing
import os
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from transformers import ASTFeatureExtractor

from kobza.benchmarks.ast_tower import CHECKED_WINDOWS, measure_tower
from kobza.benchmarks.audio import TRACK_SECONDS, copy_tracks, decoded_samples, synthetic_tracks
from kobza.benchmarks.device_timing import full_windows, median_seconds, pinned, synchronize
from kobza.benchmarks.runner import Measurement, side_by_side
from kobza.model.feature_extraction_kobza import KobzaFeatureExtractor
from kobza.terminal import say

BATCH_WINDOWS = 256  # of 10 s
TRACKS = 96  # of three minutes: some seconds of work for 16 cores


def measure_gpu() -> Iterator[Measurement]:
    """Everything on the GPU; only a message where torch finds none."""
    if not torch.cuda.is_available():
        say("gpu: torch finds no GPU here, so there is nothing to measure.")
        return
    waves = full_windows(synthetic_tracks(), BATCH_WINDOWS)
    yield measure_log_mel("cuda", waves)
    yield from measure_tower("cuda", waves)
    yield from measure_indexing("cuda")


def measure_log_mel(device: str, waves: list[np.ndarray], rounds: int = 5) -> Measurement:
    """Log-mel from windows in pinned host memory to features on the device, against ASTFeatureExtractor on the CPU.

    The copy to the device is counted.
    """
    kobza_extractor, ast_extractor = KobzaFeatureExtractor(), ASTFeatureExtractor()
    host_waves = pinned(waves, device)
    device_waves = host_waves.to(device)

    def ours() -> torch.Tensor:
        features = kobza_extractor.log_mel(host_waves.to(device, non_blocking=True))
        synchronize(device)
        return features

    def theirs() -> torch.Tensor:
        return ast_extractor(waves, sampling_rate=16_000, return_tensors="pt").input_values

    times = side_by_side(ours, theirs, rounds)
    difference = (ours().cpu() - theirs()).abs()
    other_paths = {
        "windows on the device already": lambda: kobza_extractor.log_mel(device_waves),
        "features back in host memory": lambda: kobza_extractor.log_mel(host_waves.to(device, non_blocking=True)).cpu(),
        "from arrays that are not pinned": lambda: kobza_extractor.log_mel(
            [torch.from_numpy(wave).to(device) for wave in waves]
        ),
    }
    other_ratios = [
        f"{name} {times.b / median_seconds(path, device, rounds):.0f} x" for name, path in other_paths.items()
    ]
    note = (
        f"{1e3 * times.a / len(waves):.4f} and {1e3 * times.b / len(waves):.2f} ms for 10 s, counted from pinned host "
        f"memory to features on the device; {', '.join(other_ratios)}; largest difference "
        f"{float(difference.max()):.1e}, {float((difference > 1e-4).float().mean()):.1e} of the values differ by more "
        "than 1e-4"
    )
    what = f"log-mel of {len(waves)} x 10 s on {device}"
    return Measurement("gpu", what, "ASTFeatureExtractor on the CPU", times.ratio, "x", 50, note=note)


def measure_indexing(
    device: str, tracks: int = TRACKS, music: Path | None = None, track_seconds: float = TRACK_SECONDS
) -> Iterator[Measurement]:
    """`kobza index` of a folder with the model on the device: hours of music a minute, against decoding alone.

    Args:
        music: a folder of recordings instead of synthetic ones, each `track_seconds` long.
    """
    from kobza.embedding.checkpoint import Checkpoint
    from kobza.library import MusicLibrary

    checkpoint = Checkpoint.load(device=device)
    with tempfile.TemporaryDirectory(prefix="kobza-bench-") as folder:
        music = music or copy_tracks(Path(folder) / "music", tracks)
        paths = sorted(music.iterdir())
        waves = full_windows(music, BATCH_WINDOWS)
        full = checkpoint.embed_windows(waves[:CHECKED_WINDOWS])
        model_rate = len(waves) / median_seconds(lambda: checkpoint.embed_windows(waves), device, 3)
        with torch.autocast(torch.device(device).type, torch.bfloat16):
            half_rate = len(waves) / median_seconds(lambda: checkpoint.embed_windows(waves), device, 3)
            cosine = float((checkpoint.embed_windows(waves[:CHECKED_WINDOWS]) * full).sum(axis=1).min())
        decoding = _seconds_to_decode(paths, checkpoint)
        in_processes = _seconds_to_decode_in_processes(paths)
        with MusicLibrary.open(Path(folder) / "library", checkpoint) as library:
            start = time.perf_counter()
            report = library.add(music)
            indexing = time.perf_counter() - start
    if report.added != len(paths):
        raise RuntimeError(f"{report.added} of {len(paths)} recordings were indexed: {report.failed[:1]}.")
    hour_seconds = 60 * len(paths) * track_seconds / 3600  # divided by seconds of work: hours of music a minute
    note = (
        f"hours of music a minute: indexing {hour_seconds / indexing:.1f}, decoding alone, as it does, "
        f"{hour_seconds / decoding:.1f}, decoding alone in {_cores()} processes {hour_seconds / in_processes:.1f}, "
        f"the model alone {60 * model_rate * 10 / 3600:.1f} ({model_rate:.0f} windows/s in "
        f"float32, as it indexes; {half_rate:.0f} in bfloat16, cosine {cosine:.5f})"
    )
    what = f"kobza index of {len(paths)} tracks, kobza-mini on {device}"
    yield Measurement("gpu", what, "", hour_seconds / indexing, "hours/min", note=note)
    what = f"{what}: percentage of the rate of decoding alone"
    yield Measurement("gpu", what, "the same processes", 100 * decoding / indexing, "%", 90)


def _cores() -> int:
    return len(os.sched_getaffinity(0))


def _seconds_to_decode(paths: list[Path], checkpoint) -> float:
    """What indexing does with recordings before the model, in its own processes."""
    from kobza.library.ingest.decode_ahead import decoded
    from kobza.library.ingest.decoding import RecordingEnd
    from kobza.library.ingest.scan import Job

    jobs = [Job(str(path), path.stat().st_size, 0, False) for path in paths]
    start = time.perf_counter()
    left = len(jobs)
    with decoded(jobs, checkpoint) as events:
        while left:
            left -= isinstance(events.get(), RecordingEnd)
    return time.perf_counter() - start


def _seconds_to_decode_in_processes(paths: list[Path]) -> float:
    """One process per core: the most that the processor can do."""
    with multiprocessing.get_context("spawn").Pool(_cores()) as pool:
        pool.map(decoded_samples, paths[: _cores()], chunksize=1)  # starting the processes is not counted
        start = time.perf_counter()
        for _ in pool.imap_unordered(decoded_samples, paths, chunksize=1):
            pass
        return time.perf_counter() - start
