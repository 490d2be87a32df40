"""AST-base in bfloat16 on a device, in several variants: windows a second, and the fraction of the peak that this is.

Weights are random, which does not change the times.
"""

import contextlib
import copy
import functools
import time
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn
from torch.nn.attention import SDPBackend, sdpa_kernel
from transformers import ASTConfig, ASTModel
from transformers.models.audio_spectrogram_transformer.modeling_audio_spectrogram_transformer import ASTAttention

from kobza.benchmarks.device_timing import median_seconds, pinned, synchronize
from kobza.benchmarks.runner import MIN_COSINE, Measurement
from kobza.embedding.checkpoint_folder import one_line
from kobza.model.feature_extraction_kobza import KobzaFeatureExtractor

CHECKED_WINDOWS = 16  # whose vectors are compared with float32's
PEAK_MATRIX_SIZE = 8192


class Variant(NamedTuple):
    """A form of the model to time.

    Attributes:
        attention: the context in which it must run: torch refuses to run where the attention kernel is not available.
    """

    name: str
    model: ASTModel
    attention: contextlib.AbstractContextManager


class Rates(NamedTuple):
    """A variant's speed: the fraction of the device's peak, and windows a second without and with log-mel."""

    name: str
    peak_fraction: float
    windows: float
    windows_with_log_mel: float


def tower_flops(config: ASTConfig) -> float:
    """Floating-point operations of the AST for one window.

    2 x weights x tokens in its linear layers and patches, and the two products of attention, 4 x tokens^2 x width per
    layer. Norms, GELU and softmax are not counted.
    """
    patch_size = config.patch_size
    if not isinstance(patch_size, int):
        raise ValueError(f"The patch size {patch_size!r} is not one number: square patches are expected.")
    rows = (config.num_mel_bins - patch_size) // config.frequency_stride + 1
    columns = (config.max_length - patch_size) // config.time_stride + 1
    tokens = rows * columns + 2
    width = config.hidden_size
    linear = 2 * tokens * (4 * width**2 + 2 * width * config.intermediate_size)
    attention = 4 * tokens**2 * width
    patches = 2 * rows * columns * width * patch_size**2
    return config.num_hidden_layers * (linear + attention) + patches


def peak_flops(device: str, size: int = PEAK_MATRIX_SIZE, dtype: torch.dtype = torch.bfloat16) -> float:
    """Operations a second of a product of two random square matrices: the practical peak of the device."""
    a, b = (torch.randn(size, size, device=device, dtype=dtype) for _ in range(2))
    times = 10
    return times * 2 * size**3 / median_seconds(lambda: [a @ b for _ in range(times)], device)


class FusedQkvAttention(nn.Module):
    """An ASTAttention that computes queries, keys and values in one product, from the same weights concatenated."""

    def __init__(self, attention: ASTAttention):
        super().__init__()
        self.heads: int = attention.num_attention_heads
        self.o_proj: nn.Linear = attention.o_proj
        projections = attention.q_proj, attention.k_proj, attention.v_proj
        self.weight = nn.Parameter(torch.cat([projection.weight.detach() for projection in projections]))
        self.bias = nn.Parameter(torch.cat([projection.bias.detach() for projection in projections]))

    def forward(self, tokens: torch.Tensor, attention_mask=None, **_) -> tuple[torch.Tensor, None]:
        n, length, width = tokens.shape
        qkv = F.linear(tokens, self.weight, self.bias).view(n, length, 3, self.heads, -1)
        query, key, value = qkv.permute(2, 0, 3, 1, 4)
        mixed = F.scaled_dot_product_attention(query, key, value)  # (n, heads, length, width / heads)
        return self.o_proj(mixed.transpose(1, 2).reshape(n, length, width)), None


def compiled(model: ASTModel, fused_qkv: bool = False) -> ASTModel:
    """A copy with compiled layers. The layers are alike, so compiling one serves all: seconds instead of a minute.

    Args:
        fused_qkv: compute queries, keys and values in one product.
    """
    torch.compiler.reset()  # earlier compilations have fixed their attention kernel
    model = copy.deepcopy(model)
    for layer in model.layers:
        if fused_qkv and isinstance(layer.attention, ASTAttention):
            layer.attention = FusedQkvAttention(layer.attention)
        layer.compile(dynamic=False)
    return model


def measure_tower(
    device: str, waves: list[np.ndarray], config: ASTConfig | None = None, peak_size: int = PEAK_MATRIX_SIZE
) -> Iterator[Measurement]:
    """Time every variant of the AST in bfloat16; report the fastest that agrees with float32.

    Args:
        waves: the windows of a batch, (samples,) float32 each.
        config: of the model; AST-base by default.
    """
    torch.manual_seed(0)
    config = config or ASTConfig()
    config._attn_implementation = "sdpa"
    full = ASTModel(config).eval().to(device)
    extractor = KobzaFeatureExtractor(max_length=config.max_length)
    host_waves = pinned(waves, device)
    features = extractor.log_mel(host_waves.to(device))
    half = copy.deepcopy(full).bfloat16()
    half_features = features.bfloat16()
    peak = peak_flops(device, peak_size)
    with torch.inference_mode():
        expected = full(features[:CHECKED_WINDOWS]).pooler_output
    del full

    def with_log_mel(model: ASTModel) -> torch.Tensor:
        return model(extractor.log_mel(host_waves.to(device, non_blocking=True)).bfloat16())

    best: Rates | None = None
    notes = []
    for name, model, attention in _variants(half, device):
        with torch.inference_mode(), attention:
            try:
                start = time.perf_counter()
                vectors = model(half_features).pooler_output[:CHECKED_WINDOWS]
                synchronize(device)
                first_call = time.perf_counter() - start
                alone = median_seconds(functools.partial(model, half_features), device)
                both = median_seconds(functools.partial(with_log_mel, model), device)
            except Exception as error:  # this GPU may lack a kernel, or the machine a compiler: time the others
                notes.append(f"{name} failed ({type(error).__name__}: {one_line(error)})")
                continue
        cosine = float(F.cosine_similarity(vectors.float(), expected).min())
        fraction = tower_flops(config) * len(waves) / alone / peak
        rates = Rates(name, fraction, len(waves) / alone, len(waves) / both)
        notes.append(
            f"{name} {rates.windows:.0f} windows/s, {fraction:.3f} of the peak, cosine {cosine:.5f}, with log-mel from "
            f"pinned memory {rates.windows_with_log_mel:.0f} windows/s (first call {first_call:.1f} s)"
        )
        if cosine >= MIN_COSINE and (best is None or fraction > best.peak_fraction):
            best = rates
    if best is None:
        raise RuntimeError(f"No variant of AST-base ran and agreed with float32: {'; '.join(notes)}.")
    note = f"peak {peak / 1e12:.0f} TFLOP/s; {tower_flops(config) / 1e9:.0f} GFLOP a window; " + "; ".join(notes)
    what = f"AST-base on {device}, batches of {len(waves)}, bfloat16, {best.name}"
    against = f"the card's bfloat16 peak ({peak_size}^3 product)"
    yield Measurement("gpu", f"{what}: fraction of the peak", against, best.peak_fraction, "", 0.5, note=note)
    yield Measurement("gpu", what, "", best.windows, "windows/s")
    yield Measurement("gpu", f"{what}, with log-mel from pinned memory", "", best.windows_with_log_mel, "windows/s")


def _variants(half: ASTModel, device: str) -> Iterator[Variant]:
    on_gpu = torch.device(device).type == "cuda"
    flash = SDPBackend.FLASH_ATTENTION if on_gpu else None
    yield Variant("eager, flash attention", half, _kernel(flash))
    yield Variant("compiled, flash attention", compiled(half), _kernel(flash))
    yield Variant("compiled, fused QKV, flash attention", compiled(half, fused_qkv=True), _kernel(flash))
    if on_gpu:
        cudnn = _kernel(SDPBackend.CUDNN_ATTENTION)
        yield Variant("compiled, fused QKV, cuDNN attention", compiled(half, fused_qkv=True), cudnn)


def _kernel(backend: SDPBackend | None) -> contextlib.AbstractContextManager:
    """The context that allows only this attention kernel; None for torch's choice."""
    return contextlib.nullcontext() if backend is None else sdpa_kernel(backend)
