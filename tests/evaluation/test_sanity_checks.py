"""A tiny checkpoint is broken on purpose, in each way that the doctor knows, and the doctor finds that and no more."""

import copy

import numpy as np
import pytest
import torch
from tiny import make_model
from tiny_clap import make_clap_folder

from kobza import Checkpoint, KobzaFeatureExtractor, KobzaProcessor, cli
from kobza.embedding.loader import load_embedder
from kobza.evaluation import sanity_checks as doctor

CHECKS = ["weights", "unit length", "text tower", "audio tower", "batch", "half precision", "sampling rate"]


@pytest.fixture
def checkpoint(tiny_processor):
    """Random, but made to hear and read: what an input brings in outweighs what all inputs share."""
    model = make_model(text_pooling="mean")
    for name, weights in model.named_parameters():
        if name.endswith(("word_embeddings.weight", "patch_embeddings.projection.weight", "v_proj.weight")):
            weights.data.mul_(5.0)
        if name.startswith("audio_model.embeddings.") and name.endswith(("position_embeddings", "_token")):
            weights.data.zero_()
    return Checkpoint(model, copy.copy(tiny_processor), "tiny")


def wrong(embedder) -> list[str]:
    return [finding.name for finding in doctor.check(embedder) if not finding.ok]


def test_a_sound_checkpoint_passes(checkpoint):
    findings = doctor.check(checkpoint)
    assert [finding.name for finding in findings] == CHECKS
    assert [finding.sentence for finding in findings if not finding.ok] == []
    assert all(finding.value is not None and finding.sentence.endswith(".") for finding in findings)


@torch.no_grad()
def collapse(projection, direction):
    projection.weight.mul_(1e-4)
    projection.bias.copy_(torch.full_like(projection.bias, direction))


def break_text(checkpoint):
    collapse(checkpoint.model.text_projection, 1.0)


def break_audio(checkpoint):
    collapse(checkpoint.model.audio_projection, -1.0)


def break_half_precision(checkpoint):
    """The same vectors in float32, whose length is made 1 at the end; in fp16 the weights are infinite."""
    for parameter in checkpoint.model.text_projection.parameters():
        parameter.data.mul_(1e6)


def break_batches(checkpoint):
    """Padding taken for words, as without an attention mask."""

    class Careless:
        model_max_length, init_kwargs = 64, {}

        def __init__(self, tokenizer):
            self.tokenizer = tokenizer

        def __call__(self, *args, **kwargs):
            inputs = self.tokenizer(*args, **kwargs)
            inputs["attention_mask"] = torch.ones_like(inputs["attention_mask"])
            return inputs

    checkpoint.processor.tokenizer = Careless(checkpoint.processor.tokenizer)


class Deaf(KobzaFeatureExtractor):
    """Takes sound of any rate for its own."""

    def __call__(self, audio, sampling_rate=None, return_tensors="pt"):
        return super().__call__(audio, self.sampling_rate, return_tensors)


def break_sampling_rate(checkpoint):
    checkpoint.processor.feature_extractor = Deaf()


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
def test_each_fault_is_found_and_no_other(checkpoint, fault, name):
    fault(checkpoint)
    assert wrong(checkpoint) == [name]


def test_a_model_too_fine_for_bf16_is_found(checkpoint):
    """A large constant that a second layer takes away again leaves nothing of a coarse number."""
    projection = checkpoint.model.text_projection
    constant = 1e4 * torch.ones(projection.out_features)
    projection.bias.data += constant

    class Less(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.inner = projection

        def forward(self, pooled):
            return self.inner(pooled) - constant.to(pooled.dtype)

    checkpoint.model.text_projection = Less()
    found = {finding.name: finding for finding in doctor.check(checkpoint)}
    assert not found["half precision"].ok and "bf16" in found["half precision"].sentence


def test_an_embedder_without_a_model_is_examined_from_outside():
    class Oracle:
        name, sampling_rate = "oracle", 16_000

        def embed_text(self, sentences):
            return np.stack([self.vector(sentence.encode()) for sentence in sentences])

        def embed_windows(self, windows):
            return np.stack([self.vector(window.tobytes()) for window in windows])

        def vector(self, held):
            vector = np.random.default_rng(list(held[:2000])).standard_normal(16).astype(np.float32)
            return vector / np.linalg.norm(vector)

    assert [(finding.name, finding.ok) for finding in doctor.check(Oracle())] == [(n, True) for n in CHECKS[1:5]]


def test_the_melody_is_the_same_at_every_rate():
    low, high = doctor.melody(16_000), doctor.melody(48_000)
    assert np.abs(low - high[::3]).max() < 1e-5
    power = np.abs(np.fft.rfft(high)) ** 2
    assert power[len(power) // 3 :].sum() < 1e-3 * power.sum()  # nothing to lose above 8 kHz


def test_clap_is_examined_too(tmp_path):
    """A random CLAP says nearly the same to all: the doctor may call it collapsed, but must find the rest in order."""
    findings = {f.name: f for f in doctor.check(load_embedder(make_clap_folder(tmp_path), "cpu"))}
    assert list(findings) == CHECKS
    assert all(findings[name].ok for name in ("weights", "unit length", "batch", "half precision", "sampling rate"))
    assert "is refused" in findings["sampling rate"].sentence


def test_the_command(checkpoint, tmp_path, capsys):
    checkpoint.save(tmp_path / "sound")
    assert cli.main(["doctor", str(tmp_path / "sound")]) == 0
    assert "all is well" in capsys.readouterr().out
    break_text(checkpoint)
    checkpoint.save(tmp_path / "broken")
    assert cli.main(["doctor", str(tmp_path / "broken")]) == 1
    printed = capsys.readouterr().out
    assert "1 of 7 checks went wrong" in printed and printed.count("WRONG") == 1 and "collapsed" in printed
    assert cli.main(["doctor", str(tmp_path / "nowhere")]) == 1
    assert "There is no checkpoint folder" in capsys.readouterr().err


def test_the_processor_is_kept_as_it_was(tiny_processor):
    assert (
        isinstance(tiny_processor, KobzaProcessor) and type(tiny_processor.feature_extractor) is KobzaFeatureExtractor
    )
