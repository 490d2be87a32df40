"""A tiny checkpoint is broken in each way that the checks look for; they find this fault and no other."""

import copy

import numpy as np
import pytest
import torch
from tiny import make_model
from tiny_clap import make_clap_folder

from kobza import Checkpoint, KobzaFeatureExtractor, KobzaProcessor, cli
from kobza.embedding.loader import load_embedder
from kobza.evaluation import sanity_checks
from kobza.evaluation.probe_inputs import melody

CHECKS = ["weights", "unit length", "text tower", "audio tower", "batch", "half precision", "sampling rate"]


@pytest.fixture
def checkpoint(tiny_processor):
    """Random weights, scaled so that inputs get different vectors."""
    model = make_model(text_pooling="mean")
    for name, weights in model.named_parameters():
        if name.endswith(("word_embeddings.weight", "patch_embeddings.projection.weight", "v_proj.weight")):
            weights.data.mul_(5.0)
        if name.startswith("audio_model.embeddings.") and name.endswith(("position_embeddings", "_token")):
            weights.data.zero_()
    return Checkpoint(model, copy.copy(tiny_processor), "tiny")


def failed_checks(embedder) -> list[str]:
    return [result.name for result in sanity_checks.run_checks(embedder) if not result.passed]


def test_intact_checkpoint_passes(checkpoint):
    results = sanity_checks.run_checks(checkpoint)
    assert [result.name for result in results] == CHECKS
    assert [result.message for result in results if not result.passed] == []
    assert all(result.value is not None and result.message.endswith(".") for result in results)


@torch.no_grad()
def collapse(projection, direction):
    projection.weight.mul_(1e-4)
    projection.bias.copy_(torch.full_like(projection.bias, direction))


def break_text(checkpoint):
    collapse(checkpoint.model.text_projection, 1.0)


def break_audio(checkpoint):
    collapse(checkpoint.model.audio_projection, -1.0)


def break_half_precision(checkpoint):
    """The vectors stay the same in float32, where they are normalized; in fp16 the weights are infinite."""
    for parameter in checkpoint.model.text_projection.parameters():
        parameter.data.mul_(1e6)


def break_batches(checkpoint):
    """Attend to padding, as without an attention mask."""

    class NoAttentionMask:
        model_max_length, init_kwargs = 64, {}

        def __init__(self, tokenizer):
            self.tokenizer = tokenizer

        def __call__(self, *args, **kwargs):
            inputs = self.tokenizer(*args, **kwargs)
            inputs["attention_mask"] = torch.ones_like(inputs["attention_mask"])
            return inputs

    checkpoint.processor.tokenizer = NoAttentionMask(checkpoint.processor.tokenizer)


class IgnoresRate(KobzaFeatureExtractor):
    """Takes audio of any sampling rate as if it had its own."""

    def __call__(self, audio, sampling_rate=None, return_tensors="pt"):
        return super().__call__(audio, self.sampling_rate, return_tensors)


def break_sampling_rate(checkpoint):
    checkpoint.processor.feature_extractor = IgnoresRate()


def break_unit_length(checkpoint):
    embed = checkpoint.embed_windows
    checkpoint.embed_windows = lambda windows: 2 * embed(windows)


def break_weights(checkpoint):
    checkpoint.model.audio_model.layernorm.weight.data[3] = float("nan")


@pytest.mark.parametrize(
    ("fault", "name"),
    [
        (break_text, "text tower"),
        (break_audio, "audio tower"),
        (break_half_precision, "half precision"),
        (break_batches, "batch"),
        (break_sampling_rate, "sampling rate"),
        (break_unit_length, "unit length"),
        (break_weights, "weights"),
    ],
)
def test_each_fault_fails_its_own_check_only(checkpoint, fault, name):
    fault(checkpoint)
    assert failed_checks(checkpoint) == [name]


def test_model_that_loses_precision_in_bf16_is_found(checkpoint):
    """Adding a large constant and subtracting it again loses the digits that bf16 lacks."""
    projection = checkpoint.model.text_projection
    constant = 1e4 * torch.ones(projection.out_features)
    projection.bias.data += constant

    class Subtract(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.inner = projection

        def forward(self, pooled):
            return self.inner(pooled) - constant.to(pooled.dtype)

    checkpoint.model.text_projection = Subtract()
    found = {result.name: result for result in sanity_checks.run_checks(checkpoint)}
    assert not found["half precision"].passed and "bf16" in found["half precision"].message


def test_embedder_without_a_model_gets_the_other_checks():
    class Oracle:
        name, sampling_rate = "oracle", 16_000

        def embed_text(self, sentences):
            return np.stack([self.vector(sentence.encode()) for sentence in sentences])

        def embed_windows(self, windows):
            return np.stack([self.vector(window.tobytes()) for window in windows])

        def vector(self, held):
            vector = np.random.default_rng(list(held[:2000])).standard_normal(16).astype(np.float32)
            return vector / np.linalg.norm(vector)

    assert [(result.name, result.passed) for result in sanity_checks.run_checks(Oracle())] == [
        (n, True) for n in CHECKS[1:5]
    ]


def test_melody_is_the_same_at_every_rate():
    low, high = melody(16_000), melody(48_000)
    assert np.abs(low - high[::3]).max() < 1e-5
    power = np.abs(np.fft.rfft(high)) ** 2
    assert power[len(power) // 3 :].sum() < 1e-3 * power.sum()  # nothing to lose above 8 kHz


def test_clap_gets_all_checks(tmp_path):
    """A random CLAP embeds everything alike: it may be called collapsed, but must pass the other checks."""
    results = {f.name: f for f in sanity_checks.run_checks(load_embedder(make_clap_folder(tmp_path), "cpu"))}
    assert list(results) == CHECKS
    assert all(results[name].passed for name in ("weights", "unit length", "batch", "half precision", "sampling rate"))
    assert "is refused" in results["sampling rate"].message


def test_the_command(checkpoint, tmp_path, capsys):
    checkpoint.save(tmp_path / "sound")
    assert cli.main(["doctor", str(tmp_path / "sound")]) == 0
    assert "all checks passed" in capsys.readouterr().out
    break_text(checkpoint)
    checkpoint.save(tmp_path / "broken")
    assert cli.main(["doctor", str(tmp_path / "broken")]) == 1
    printed = capsys.readouterr().out
    assert "1 of 7 checks failed" in printed and printed.count("FAILED") == 1 and "collapsed" in printed
    assert cli.main(["doctor", str(tmp_path / "nowhere")]) == 1
    assert "There is no checkpoint folder" in capsys.readouterr().err


def test_shared_processor_is_not_modified(tiny_processor):
    assert (
        isinstance(tiny_processor, KobzaProcessor) and type(tiny_processor.feature_extractor) is KobzaFeatureExtractor
    )
