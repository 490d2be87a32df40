"""The line `gpu` of `kobza bench`, small and on the CPU; what it measures is no test's business."""

import copy

import numpy as np
import pytest
import torch
from recordings import tone, write
from tiny import TINY_AUDIO
from torch import nn
from transformers import ASTConfig, ASTModel

from kobza.benchmarks import gpu as speed_gpu
from kobza.cli import main

SMALL = {name: value for name, value in TINY_AUDIO.items() if name != "model_type"}


@pytest.fixture
def waves():
    return list(np.random.default_rng(0).normal(0, 0.1, (3, 160_000)).astype(np.float32))


@pytest.fixture
def uncompiled(monkeypatch):
    monkeypatch.setattr(nn.Module, "compile", lambda self, **_: None)


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_without_a_gpu_it_says_so_and_measures_nothing(capsys):
    assert main(["bench", "gpu"]) == 0
    out, err = capsys.readouterr()
    assert "torch finds no GPU here" in err
    assert "| gpu |" not in out


def test_log_mel_is_compared_value_by_value(waves):
    line = speed_gpu.log_mel_on("cpu", waves, rounds=1)
    assert line.value > 0 and line.wanted == 50
    assert "0.0e+00 of the values by more than 1e-4" in line.note


def test_operations_are_those_of_torchs_own_counter():
    from torch.utils.flop_counter import FlopCounterMode

    config = ASTConfig(**SMALL, attn_implementation="eager")  # it does not count a CPU's fused attention
    model = ASTModel(config).eval()
    with FlopCounterMode(display=False) as counter, torch.inference_mode():
        model(torch.zeros(1, config.max_length, config.num_mel_bins))
    assert speed_gpu.tower_flops(config) == counter.get_total_flops()


def test_queries_keys_and_values_out_of_one_product_are_the_same(uncompiled):
    torch.manual_seed(0)
    model = ASTModel(ASTConfig(**SMALL, attn_implementation="sdpa")).eval()
    for parameter in model.parameters():  # away from 0, where a lost bias would not be noticed
        parameter.data.add_(torch.randn_like(parameter) * 0.2)
    given = torch.randn(2, 1024, 128)
    with torch.inference_mode():
        expected = copy.deepcopy(model)(given).pooler_output
        found = speed_gpu.compiled(model, one_product=True)(given).pooler_output
        assert torch.allclose(found, expected, atol=1e-5)
        assert torch.equal(model(given).pooler_output, expected)  # the model itself is left as it was


def test_the_best_form_that_agrees_is_the_line_and_failed_ones_are_named(waves, uncompiled, monkeypatch):
    forms = speed_gpu._forms

    class Off(nn.Module):
        def forward(self, given):
            raise RuntimeError("No available kernel.")

    def with_one_that_fails(half, device):
        yield "absent", Off(), speed_gpu._only(None)
        yield from forms(half, device)

    monkeypatch.setattr(speed_gpu, "_forms", with_one_that_fails)
    share, rate, _ = speed_gpu.tower_on("cpu", waves, ASTConfig(**SMALL), peak_size=64)
    assert "absent failed (RuntimeError: No available kernel.)" in share.note
    assert share.note.count("cosine 0.999") + share.note.count("cosine 1.0") == 3
    assert share.value > 0 and rate.value > 0
    monkeypatch.setattr(speed_gpu, "COSINE", 1.1)
    with pytest.raises(RuntimeError, match="No form of AST-base ran and agreed"):
        list(speed_gpu.tower_on("cpu", waves, ASTConfig(**SMALL), peak_size=64))


def test_the_whole_path_indexes_every_track(tmp_path, monkeypatch):
    monkeypatch.setattr(speed_gpu, "WINDOWS", 2)
    for i in range(3):
        write(tmp_path / f"{i}.flac", tone(200 + 100 * i, 21))
    whole, share = speed_gpu.whole_path_on("cpu", music=tmp_path, length=21)
    assert "3 tracks" in whole.what and "decoding alone" in whole.note
    assert whole.value > 0 and share.value > 0
