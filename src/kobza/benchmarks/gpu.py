"""The line `gpu` of `kobza bench`: log-mel, AST-base and the whole way from files to vectors on a graphics card.

Each part takes the device, so that tests run it small on a CPU. Times are medians after a warm-up; the card is waited
for before the clock is read. Weights of AST-base are random, which changes no time.
"""

import contextlib
import copy
import itertools
import multiprocessing
import os
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn
from torch.nn.attention import SDPBackend, sdpa_kernel
from transformers import ASTConfig, ASTFeatureExtractor, ASTModel

from kobza.audio import load_audio
from kobza.benchmarks.audio import SECONDS, copies, decode, made_music
from kobza.benchmarks.runner import Line, side_by_side
from kobza.model.feature_extraction_kobza import KobzaFeatureExtractor
from kobza.terminal import say

WINDOWS = 256  # of 10 s, in a batch
CHECKED = 16  # windows whose vectors are compared with float32's
TRACKS = 96  # of three minutes: some seconds of work for 16 cores
COSINE = 0.999  # a faster form may not be further from float32


def gpu() -> Iterator[Line]:
    """All of it on the GPU; nothing but a sentence where torch finds none."""
    if not torch.cuda.is_available():
        say("gpu: torch finds no GPU here, so there is nothing to measure.")
        return
    waves = windows_of(made_music(), WINDOWS)
    yield log_mel_on("cuda", waves)
    yield from tower_on("cuda", waves)
    yield from whole_path_on("cuda")


def windows_of(folder: Path, count: int) -> list[np.ndarray]:
    """`count` whole windows of 10 s at 16 kHz out of the folder's recordings, over again if it has not as many."""
    extractor = KobzaFeatureExtractor()
    whole = round(extractor.window_seconds * extractor.sampling_rate)
    found = [wave for path in sorted(folder.iterdir()) for wave in extractor.split(load_audio(path))]
    return list(itertools.islice(itertools.cycle(wave for wave in found if len(wave) == whole), count))


def wait(device: str) -> None:
    if torch.device(device).type == "cuda":
        torch.cuda.synchronize()


def seconds(function: Callable[[], object], device: str, rounds: int = 5) -> float:
    """Median seconds until the device has done what `function` asks of it; the first of the rounds + 1 is not
    counted."""
    times = []
    for _ in range(rounds + 1):
        wait(device)
        start = time.perf_counter()
        function()
        wait(device)
        times.append(time.perf_counter() - start)
    return statistics.median(times[1:])


def _held(waves: list[np.ndarray], device: str) -> torch.Tensor:
    """(windows, samples) in host memory, from where a card fetches them itself (pinned)."""
    held = torch.from_numpy(np.stack(waves))
    return held.pin_memory() if torch.device(device).type == "cuda" else held


def log_mel_on(device: str, waves: list[np.ndarray], rounds: int = 5) -> Line:
    """From windows in pinned host memory to features on the device, where the tower is, against ASTFeatureExtractor
    from the same windows to features in host memory. Counted: the copy to the device and all arithmetic."""
    ours, theirs = KobzaFeatureExtractor(), ASTFeatureExtractor()
    held = _held(waves, device)
    there = held.to(device)

    def mine():
        features = ours.log_mel(held.to(device, non_blocking=True))
        wait(device)
        return features

    def others():
        return theirs(waves, sampling_rate=16_000, return_tensors="pt").input_values

    found = side_by_side(mine, others, rounds)
    apart = (mine().cpu() - others()).abs()
    other_ways = {
        "windows already there": lambda: ours.log_mel(there),
        "features back in host memory": lambda: ours.log_mel(held.to(device, non_blocking=True)).cpu(),
        "from arrays that are not pinned": lambda: ours.log_mel([torch.from_numpy(w).to(device) for w in waves]),
    }
    others_too = (f"{name} {found.b / seconds(way, device, rounds):.0f} x" for name, way in other_ways.items())
    note = (
        f"{1e3 * found.a / len(waves):.4f} and {1e3 * found.b / len(waves):.2f} ms for 10 s, counted from pinned host "
        f"memory to features on the device; {', '.join(others_too)}; furthest apart {float(apart.max()):.1e}, "
        f"{float((apart > 1e-4).float().mean()):.1e} of the values by more than 1e-4"
    )
    what = f"log-mel of {len(waves)} x 10 s on {device}"
    return Line("gpu", what, "ASTFeatureExtractor on the CPU", found.ratio, "x", 50, note=note)


def tower_flops(config: ASTConfig) -> float:
    """Floating-point operations of the AST for one window: 2 x weights x tokens in its linear layers and patches, and
    the two products of attention, 4 x tokens^2 x width a layer. Norms, GELU and softmax are not counted."""
    down = (config.num_mel_bins - config.patch_size) // config.frequency_stride + 1
    along = (config.max_length - config.patch_size) // config.time_stride + 1
    tokens, width = down * along + 2, config.hidden_size
    linear = 2 * tokens * (4 * width**2 + 2 * width * config.intermediate_size)
    attention = 4 * tokens**2 * width
    patches = 2 * down * along * width * config.patch_size**2
    return config.num_hidden_layers * (linear + attention) + patches


def peak_flops(device: str, size: int = 8192, dtype: torch.dtype = torch.bfloat16) -> float:
    """Operations a second of a product of two random square matrices, which is as fast as the device gets."""
    a, b = (torch.randn(size, size, device=device, dtype=dtype) for _ in range(2))
    times = 10
    return times * 2 * size**3 / seconds(lambda: [a @ b for _ in range(times)], device)


class _OneProduct(nn.Module):
    """An ASTAttention whose queries, keys and values come out of one product: the same weights, side by side."""

    def __init__(self, plain: nn.Module):
        super().__init__()
        self.heads, self.o_proj = plain.num_attention_heads, plain.o_proj
        parts = plain.q_proj, plain.k_proj, plain.v_proj
        self.weight = nn.Parameter(torch.cat([part.weight.detach() for part in parts]))
        self.bias = nn.Parameter(torch.cat([part.bias.detach() for part in parts]))

    def forward(self, tokens: torch.Tensor, attention_mask=None, **_) -> tuple[torch.Tensor, None]:
        n, length, width = tokens.shape
        three = F.linear(tokens, self.weight, self.bias).view(n, length, 3, self.heads, -1)
        query, key, value = three.permute(2, 0, 3, 1, 4)
        mixed = F.scaled_dot_product_attention(query, key, value)
        return self.o_proj(mixed.transpose(1, 2).reshape(n, length, width)), None


def compiled(model: ASTModel, one_product: bool = False) -> ASTModel:
    """A copy whose layers are compiled: they are alike, so one is compiled for all, which takes seconds, not a minute.

    Args:
        one_product: with queries, keys and values out of one product.
    """
    torch.compiler.reset()  # what was compiled before chose its attention then
    model = copy.deepcopy(model)
    for layer in model.layers:
        if one_product:
            layer.attention = _OneProduct(layer.attention)
        layer.compile(dynamic=False)
    return model


def tower_on(
    device: str, waves: list[np.ndarray], config: ASTConfig | None = None, peak_size: int = 8192
) -> Iterator[Line]:
    """AST-base in bfloat16, in each form: windows a second, and the share of the measured peak that this is."""
    torch.manual_seed(0)
    config = config or ASTConfig()
    config._attn_implementation = "sdpa"
    full = ASTModel(config).eval().to(device)
    ours, held = KobzaFeatureExtractor(max_length=config.max_length), _held(waves, device)
    features = ours.log_mel(held.to(device))
    half, given = copy.deepcopy(full).bfloat16(), features.bfloat16()
    peak = peak_flops(device, peak_size)
    with torch.inference_mode():
        expected = full(features[:CHECKED]).pooler_output
    del full
    best, notes = None, []
    for name, model, attention in _forms(half, device):
        with torch.inference_mode(), attention:
            try:
                start = time.perf_counter()
                vectors = model(given).pooler_output[:CHECKED]
                wait(device)
                first = time.perf_counter() - start
                taken = seconds(lambda m=model: m(given), device)
                all_of_it = seconds(
                    lambda m=model: m(ours.log_mel(held.to(device, non_blocking=True)).bfloat16()), device
                )
            except Exception as error:  # a kernel that this card lacks, a compiler that is absent: the others count
                notes.append(f"{name} failed ({type(error).__name__}: {' '.join(str(error).split())[:100]})")
                continue
        cosine = float(F.cosine_similarity(vectors.float(), expected).min())
        rate, share = len(waves) / taken, tower_flops(config) * len(waves) / taken / peak
        notes.append(
            f"{name} {rate:.0f} windows/s, {share:.3f} of the peak, cosine {cosine:.5f}, with log-mel from pinned "
            f"memory {len(waves) / all_of_it:.0f} windows/s (first call {first:.1f} s)"
        )
        if cosine >= COSINE and (best is None or share > best[1]):
            best = name, share, rate, len(waves) / all_of_it
    if best is None:
        raise RuntimeError(f"No form of AST-base ran and agreed with float32: {'; '.join(notes)}.")
    name, share, rate, rate_with_log_mel = best
    note = f"peak {peak / 1e12:.0f} TFLOP/s; {tower_flops(config) / 1e9:.0f} GFLOP a window; " + "; ".join(notes)
    what = f"AST-base on {device}, batches of {len(waves)}, bfloat16, {name}"
    peak_name = f"the card's bfloat16 peak ({peak_size}^3 product)"
    yield Line("gpu", f"{what}: share of the peak", peak_name, share, "", 0.5, note=note)
    yield Line("gpu", what, "", rate, "windows/s")
    yield Line("gpu", f"{what}, with log-mel from pinned memory", "", rate_with_log_mel, "windows/s")


def _forms(half: ASTModel, device: str) -> Iterator[tuple[str, ASTModel, contextlib.AbstractContextManager]]:
    """(name, model, which attention it must use: where that is not to be had, torch refuses to run)"""
    on_gpu = torch.device(device).type == "cuda"
    flash, cudnn = (SDPBackend.FLASH_ATTENTION, SDPBackend.CUDNN_ATTENTION) if on_gpu else (None, None)
    yield "eager, flash attention", half, _only(flash)
    yield "compiled, flash attention", compiled(half), _only(flash)
    yield "compiled, q, k and v in one product, flash attention", compiled(half, one_product=True), _only(flash)
    if on_gpu:
        yield "compiled, q, k and v in one product, cuDNN's attention", compiled(half, one_product=True), _only(cudnn)


def _only(backend: SDPBackend | None) -> contextlib.AbstractContextManager:
    return contextlib.nullcontext() if backend is None else sdpa_kernel(backend)


def whole_path_on(device: str, tracks: int = TRACKS, music: Path | None = None, length: float = SECONDS):
    """`kobza index` of a folder, its model on the device: hours of music a minute, and what decoding alone gives.

    Args:
        music: a folder of recordings instead of made ones, each `length` seconds long.
    """
    from kobza.embedding.checkpoint import Checkpoint
    from kobza.library import MusicLibrary

    checkpoint = Checkpoint.load(device=device)
    with tempfile.TemporaryDirectory(prefix="kobza-bench-") as folder:
        music = music or copies(Path(folder) / "music", tracks)
        paths = sorted(music.iterdir())
        hours = len(paths) * length / 3600
        waves = windows_of(music if len(paths) < 8 else made_music(), WINDOWS)
        full = checkpoint.embed_windows(waves[:CHECKED])
        model_alone = len(waves) / seconds(lambda: checkpoint.embed_windows(waves), device, 3)
        with torch.autocast(torch.device(device).type, torch.bfloat16):
            in_half = len(waves) / seconds(lambda: checkpoint.embed_windows(waves), device, 3)
            cosine = float((checkpoint.embed_windows(waves[:CHECKED]) * full).sum(axis=1).min())
        threads, processes = _decode_in_threads(paths, checkpoint), _decode_in_processes(paths)
        with MusicLibrary.open(Path(folder) / "library", checkpoint) as library:
            start = time.perf_counter()
            report = library.add(music)
            taken = time.perf_counter() - start
    if report.added != len(paths):
        raise RuntimeError(f"{report.added} of {len(paths)} recordings were indexed: {report.failed[:1]}.")
    per_minute = 60 * hours
    note = (
        f"hours of music a minute: indexing {per_minute / taken:.1f}, decoding alone in its threads "
        f"{per_minute / threads:.1f}, decoding alone in {_cores()} processes {per_minute / processes:.1f}, the model "
        f"alone {60 * model_alone * 10 / 3600:.1f} ({model_alone:.0f} windows/s in "
        f"float32, as it indexes; {in_half:.0f} in bfloat16, cosine {cosine:.5f})"
    )
    what = f"kobza index of {len(paths)} tracks, kobza-mini on {device}"
    yield Line("gpu", what, "", per_minute / taken, "hours/min", note=note)
    yield Line(
        "gpu", f"{what}: share of the rate of decoding alone", "the same threads", 100 * threads / taken, "%", 90
    )


def _cores() -> int:
    return len(os.sched_getaffinity(0))


def _decode_in_threads(paths: list[Path], checkpoint) -> float:
    """Seconds of all that indexing does with the recordings before the model: its own threads, nothing embedded."""
    from kobza.library.ingest.embed import End, decoding
    from kobza.library.ingest.scan import Job

    jobs = [Job(str(path), path.stat().st_size, 0, False) for path in paths]
    start, left = time.perf_counter(), len(jobs)
    with decoding(jobs, checkpoint) as events:
        while left:
            left -= isinstance(events.get(), End)
    return time.perf_counter() - start


def _decode_in_processes(paths: list[Path]) -> float:
    """Seconds for one process a core: what the processor could do at most."""
    with multiprocessing.get_context("spawn").Pool(_cores()) as pool:
        pool.map(decode, paths[: _cores()], chunksize=1)  # starting them is not decoding
        start = time.perf_counter()
        for _ in pool.imap_unordered(decode, paths, chunksize=1):
            pass
        return time.perf_counter() - start
