"""The lines of `kobza bench`: what is measured, on what, against what. Each function gives one or more `Line`s.

All sound is made on the spot (`data/synthetic.py`), weights of other people's models are random: neither changes how
long anything takes.
"""

import multiprocessing
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np

from kobza.audio import load_audio
from kobza.benchmarks.audio import SECONDS, copies, made_music, thousand, three_hours
from kobza.benchmarks.runner import Line, side_by_side
from kobza.synth.album import random_pieces


def log_mel() -> list[Line]:
    """16 windows of 10 s: our feature extractor against transformers' (which uses torchaudio)."""
    import torch
    from transformers import ASTFeatureExtractor

    from kobza.model.feature_extraction_kobza import KobzaFeatureExtractor

    ours, theirs = KobzaFeatureExtractor(), ASTFeatureExtractor()
    waves = [wave for path in sorted(made_music().iterdir()) for wave in ours.split(load_audio(path))][:16]
    held = [torch.from_numpy(wave) for wave in waves]

    def mine():
        return ours.log_mel(held)

    def others():
        return theirs(waves, sampling_rate=16_000, return_tensors="pt").input_values

    found = side_by_side(mine, others)
    off = float((mine() - others()).abs().max())
    each = 1000 * found.a / len(waves), 1000 * found.b / len(waves)
    note = f"{each[0]:.2f} and {each[1]:.2f} ms for 10 s; furthest apart {off:.1e}"
    return [Line("log-mel", "log-mel of 16 x 10 s", "ASTFeatureExtractor", found.ratio, "x", 3, note=note)]


def gpu() -> Iterator[Line]:
    """All that there is to say of a GPU (`speed_gpu.py`); a sentence where there is none."""
    from kobza.benchmarks.gpu import gpu

    yield from gpu()


def decoding() -> list[Line]:
    """A folder of mp3, ogg and flac to 16 kHz mono, on as many threads as indexing uses, against librosa one by one."""
    from concurrent.futures import ThreadPoolExecutor

    import librosa

    from kobza.library.ingest.embed import DECODERS

    paths = sorted(made_music().iterdir())

    def ours():
        with ThreadPoolExecutor(DECODERS) as pool:
            return list(pool.map(load_audio, paths))

    def theirs():
        return [librosa.load(path, sr=16_000)[0] for path in paths]

    both, alone = side_by_side(ours, theirs, 3), side_by_side(lambda: list(map(load_audio, paths)), theirs, 3)
    note = f"{len(paths) * SECONDS / both.a:.0f} x real time; on one thread {alone.ratio:.2f} x"
    return [Line("decoding", "decode and resample a folder", "librosa.load(sr=16000)", both.ratio, "x", 2, note=note)]


def file_to_vector() -> list[Line]:
    """One recording of 3 minutes from the file to its vector: kobza-mini against CLAP (HTSAT-tiny, random weights)."""
    import librosa
    import torch
    from transformers import ClapFeatureExtractor, ClapModel
    from transformers.models.clap.configuration_clap import ClapConfig

    from kobza.embedding.checkpoint import Checkpoint

    path = sorted(made_music().iterdir())[0]
    ours = Checkpoint.load()
    clap, extractor = ClapModel(ClapConfig()).eval(), ClapFeatureExtractor(truncation="rand_trunc")

    def mine():
        return ours.embed_windows(ours.processor.feature_extractor.split(load_audio(path))).mean(axis=0)

    @torch.inference_mode()
    def theirs():
        wave = librosa.load(path, sr=48_000)[0]
        windows = [wave[i : i + 480_000] for i in range(0, len(wave), 480_000)]
        inputs = extractor(windows, sampling_rate=48_000, return_tensors="pt")
        return clap.get_audio_features(**inputs).pooler_output.mean(dim=0)

    found = side_by_side(mine, theirs, 3)
    note = f"{SECONDS / found.a:.0f} and {SECONDS / found.b:.0f} x real time"
    return [
        Line("file-to-vector", "file -> vector, kobza-mini", "ClapModel (HTSAT-tiny)", found.ratio, "x", 5, note=note)
    ]


def tower() -> list[Line]:
    """AST-base with random weights on one window: each faster form against float32, the best of those that agree."""
    import torch
    from transformers import ASTConfig, ASTModel

    torch.manual_seed(0)
    plain = ASTModel(ASTConfig()).eval()
    window = torch.randn(1, 1024, 128) * 0.5
    lines, notes = [], []
    with torch.inference_mode():
        expected = plain(window).pooler_output
        for name, model, dtype in _faster_forms(plain):
            given = window.to(dtype)
            found = side_by_side(lambda m=model, x=given: m(x), lambda: plain(window), 3)
            cosine = float(torch.cosine_similarity(model(given).pooler_output.float(), expected).min())
            notes.append(f"{name} {found.ratio:.2f} x, cosine {cosine:.5f}")
            if cosine >= 0.999:
                lines.append(Line("tower", f"AST-base in {name}", "in float32", found.ratio, "x", 2.5))
    best = max(lines, key=lambda line: line.value)
    return [Line(**{**best.__dict__, "note": "; ".join(notes)})]


def _faster_forms(plain):
    """(name, function, type of its input)"""
    import copy

    import torch

    from kobza.benchmarks.int8 import in_int8

    half = copy.deepcopy(plain).bfloat16()
    yield "bfloat16", half, torch.bfloat16
    yield "bfloat16, compiled", torch.compile(half), torch.bfloat16
    theirs = torch.ao.quantization.quantize_dynamic(copy.deepcopy(plain), {torch.nn.Linear})
    yield "torch's own int8", theirs, torch.float32
    packed = in_int8(plain)
    yield "int8 by rows", packed, torch.float32

    def attend_in_half(window):
        with torch.autocast("cpu", torch.bfloat16):
            return packed(window)

    yield "int8 by rows, attention in bfloat16", attend_in_half, torch.float32


def search() -> list[Line]:
    """A query vector to ranked tracks with 1 M windows stored, by track and by moment, with and without a filter."""
    from kobza.benchmarks.library_search import run

    with tempfile.TemporaryDirectory() as folder:
        _, searches = run(1_000_000, Path(folder))
    note = "; ".join(
        f"by {s.by}, filter {s.where}: p50 {s.p50:.1f}, p95 {s.p95:.1f}, recall {s.recall:.4f}" for s in searches
    )
    slowest = max(s.p95 for s in searches if s.by == "track")
    recall = min(s.recall for s in searches)
    what = "search over 1 M windows, slowest p95 by track"
    return [
        Line("search", what, "exact numpy", slowest, "ms", 25, less=True, note=note),
        Line("search", "lowest recall@10 of the same", "exact numpy", recall, "", 0.999),
    ]


def training() -> list[Line]:
    """An epoch of model_1 at full size, one batch as large as the recipe's, with the frozen-tower cache and without."""
    from kobza.benchmarks.training_cache import epoch_with_and_without_cache
    from kobza.data.pairs import load_pairs
    from kobza.synth.album import write_album

    with tempfile.TemporaryDirectory() as folder:
        write_album(Path(folder), random_pieces(64, seed=0))
        cached, whole = epoch_with_and_without_cache(load_pairs(folder).recordings)
    note = f"{cached.clock:.1f} and {whole.clock:.1f} s, 64 clips"
    ratio = whole.clock / cached.clock
    return [Line("training", "an epoch of model_1 with its frozen tower cached", "without", ratio, "x", 30, note=note)]


def cold_search() -> list[Line]:
    """`kobza search` as a new process, over a library of six tracks."""
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "kobza.cli"]
        library = ["--library", f"{folder}/library"]
        subprocess.run([*command, "index", str(made_music()), *library], check=True, capture_output=True)
        times = []
        for _ in range(6):
            start = time.perf_counter()
            subprocess.run([*command, "search", "slow sad piano", *library], check=True, capture_output=True)
            times.append(time.perf_counter() - start)
    return [Line("cold-search", "kobza search, a new process", "", sorted(times[1:])[2], "s", 3, less=True)]


def indexing() -> list[Line]:
    """`kobza index` of 100 tracks of 3 minutes: how busy the cores are, how fast it is, its memory."""
    with tempfile.TemporaryDirectory() as folder:
        music = copies(Path(folder) / "music", 100)
        wall, busy, peak = _apart(_index, music, Path(folder) / "library")
    cores = len(os.sched_getaffinity(0))
    rate = 100 * SECONDS / 3600 / (wall / 60)
    note = f"{rate:.1f} hours of music a minute, peak memory {peak:.0f} MiB"
    return [Line("indexing", "kobza index, 100 tracks: cores busy", "", 100 * busy / cores / wall, "%", 90, note=note)]


def memory() -> list[Line]:
    """Peak memory of indexing 1,000 tracks, and one recording of three hours."""
    lines = []
    with tempfile.TemporaryDirectory() as folder:
        for what, make in (("1,000 tracks", thousand), ("one file of three hours", three_hours)):
            music = make(Path(folder) / what)
            _, _, peak = _apart(_index, music, Path(folder) / f"library of {what}")
            lines.append(Line("memory", f"peak while indexing {what}", "", peak, "MiB", 1536, less=True))
            shutil.rmtree(music)
    return lines


def _index(music: Path, library: Path) -> tuple[float, float, float]:
    """(seconds, processor seconds, peak MiB of the process)"""
    from kobza.library import MusicLibrary

    with MusicLibrary.open(library) as opened:
        opened.model.embed_windows([np.zeros(16_000, np.float32)])  # loading the model is not indexing
        start, before = time.perf_counter(), time.process_time()
        opened.add(music)
        wall, busy = time.perf_counter() - start, time.process_time() - before
    return wall, busy, _peak()


def _peak() -> float:
    """MiB (Linux). Not `getrusage`'s: that of a new process begins with the peak of the one that started it."""
    status = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in status if line.startswith("VmHWM")) / 1024


def _apart(function: Callable, *args):
    """The function's result, run in a process of its own, whose memory is nobody else's."""
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        return pool.apply(function, args)


LINES = {
    "log-mel": log_mel,
    "decoding": decoding,
    "file-to-vector": file_to_vector,
    "tower": tower,
    "indexing": indexing,
    "search": search,
    "cold-search": cold_search,
    "training": training,
    "memory": memory,
    "gpu": gpu,
}
