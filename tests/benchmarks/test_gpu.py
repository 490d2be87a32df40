"""The benchmark `gpu`, small and on the CPU."""

import copy

import numpy as np
import pytest
import torch
from recordings import tone, write
from tiny import TINY_AUDIO
from torch import nn
from transformers import ASTConfig, ASTModel

from kobza.benchmarks import ast_tower, gpu
from kobza.cli import main

SMALL = {name: value for name, value in TINY_AUDIO.items() if name != "model_type"}


@pytest.fixture
def waves():
    return list(np.random.default_rng(0).normal(0, 0.1, (3, 160_000)).astype(np.float32))


@pytest.fixture
def uncompiled(monkeypatch):
    monkeypatch.setattr(nn.Module, "compile", lambda self, **_: None)


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_without_a_gpu_nothing_is_measured(capsys):
    assert main(["bench", "gpu"]) == 0
    out, err = capsys.readouterr()
    assert "torch finds no GPU here" in err
    assert "| gpu |" not in out


def test_log_mel_is_compared_value_by_value(waves):
    measurement = gpu.measure_log_mel("cpu", waves, rounds=1)
    assert measurement.value > 0 and measurement.target == 50
    assert "0.0e+00 of the values differ by more than 1e-4" in measurement.note


def test_tower_flops_equal_torchs_counter():
    from torch.utils.flop_counter import FlopCounterMode

    config = ASTConfig(**SMALL, attn_implementation="eager")  # it does not count a CPU's fused attention
    model = ASTModel(config).eval()
    with FlopCounterMode(display=False) as counter, torch.inference_mode():
        model(torch.zeros(1, config.max_length, config.num_mel_bins))
    assert ast_tower.tower_flops(config) == counter.get_total_flops()


def test_fused_qkv_attention_gives_the_same_output(uncompiled):
    torch.manual_seed(0)
    model = ASTModel(ASTConfig(**SMALL, attn_implementation="sdpa")).eval()
    for parameter in model.parameters():  # away from 0, where a lost bias would not be noticed
        parameter.data.add_(torch.randn_like(parameter) * 0.2)
    given = torch.randn(2, 1024, 128)
    with torch.inference_mode():
        expected = copy.deepcopy(model)(given).pooler_output
        found = ast_tower.compiled(model, fused_qkv=True)(given).pooler_output
        assert torch.allclose(found, expected, atol=1e-5)
        assert torch.equal(model(given).pooler_output, expected)  # the model itself is left as it was


def test_best_variant_that_agrees_is_reported_and_failed_ones_are_named(waves, uncompiled, monkeypatch):
    variants = ast_tower._variants

    class Fails(nn.Module):
        def forward(self, given):
            raise RuntimeError("No available kernel.")

    def with_failing_variant(half, device):
        yield ast_tower.Variant("absent", Fails(), ast_tower._kernel(None))
        yield from variants(half, device)

    monkeypatch.setattr(ast_tower, "_variants", with_failing_variant)
    share, rate, _ = ast_tower.measure_tower("cpu", waves, ASTConfig(**SMALL), peak_size=64)
    assert "absent failed (RuntimeError: No available kernel.)" in share.note
    assert share.note.count("cosine 0.999") + share.note.count("cosine 1.0") == 3
    assert share.value > 0 and rate.value > 0
    monkeypatch.setattr(ast_tower, "MIN_COSINE", 1.1)
    with pytest.raises(RuntimeError, match="No variant of AST-base ran and agreed"):
        list(ast_tower.measure_tower("cpu", waves, ASTConfig(**SMALL), peak_size=64))


def test_every_track_is_indexed(tmp_path, monkeypatch):
    monkeypatch.setattr(gpu, "BATCH_WINDOWS", 2)
    for i in range(3):
        write(tmp_path / f"{i}.flac", tone(200 + 100 * i, 21))
    rate, percentage = gpu.measure_indexing("cpu", music=tmp_path, track_seconds=21)
    assert "3 tracks" in rate.what and "decoding alone" in rate.note
    assert rate.value > 0 and percentage.value > 0
