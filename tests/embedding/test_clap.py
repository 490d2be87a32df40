import json
import shutil

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from tiny_clap import make_clap_folder

from kobza import CheckpointError
from kobza.embedding.clap import ClapEmbedder
from kobza.embedding.embedder import Embedder
from kobza.embedding.engine import EngineEmbedder
from kobza.embedding.loader import load_embedder

SENTENCES = ["slow sad piano", "drums", "a happy song with flute and strings and choir"]


@pytest.fixture(scope="module")
def clap_folder(tmp_path_factory):
    return make_clap_folder(tmp_path_factory.mktemp("clap"))


@pytest.fixture(scope="module")
def clap(clap_folder):
    return load_embedder(clap_folder, "cpu")


@pytest.fixture(scope="module")
def fused(tmp_path_factory):
    folder = make_clap_folder(tmp_path_factory.mktemp("fused"), enable_fusion=True, fusion_type="aff_2d")
    return load_embedder(folder, "cpu")


@pytest.fixture(scope="module")
def windows():
    """At 48 kHz: 10 s of tone, 3.3 s of noise, and 1 s of a click train."""
    noise, t = np.random.default_rng(0), np.arange(480_000) / 48_000
    waves = [0.4 * np.sin(2 * np.pi * 440 * t), 0.1 * noise.standard_normal(158_400), (np.arange(48_000) % 2400 == 0)]
    return [wave.astype(np.float32) for wave in waves]


def test_it_is_an_embedder(clap, windows):
    assert isinstance(clap, Embedder)
    assert (clap.dim, clap.sampling_rate, clap.window_seconds, clap.min_window_seconds) == (24, 48_000, 10.0, 1.0)
    for vectors in (clap.embed_text(SENTENCES), clap.embed_windows(windows)):
        assert vectors.shape == (3, 24) and vectors.dtype == np.float32
        assert np.linalg.norm(vectors, axis=1) == pytest.approx(1.0, abs=1e-5)
        assert np.triu(vectors @ vectors.T, 1).max() < 0.999  # three inputs, three answers
    assert clap.embed_text([]).shape == clap.embed_windows([]).shape == (0, 24)


@pytest.mark.parametrize("kind", ["clap", "fused"])
def test_the_same_window_gives_the_same_vector_alone_and_in_a_batch(kind, request, windows):
    embedder = request.getfixturevalue(kind)
    together = embedder.embed_windows([*windows, *windows])
    alone = np.concatenate([embedder.embed_windows([window]) for window in windows])
    assert np.abs(together[:3] - alone).max() < 1e-5
    assert np.abs(together[:3] - together[3:]).max() < 1e-5
    text = np.concatenate([embedder.embed_text([sentence]) for sentence in SENTENCES])
    assert np.abs(embedder.embed_text(SENTENCES) - text).max() < 1e-5


def test_fusion_is_never_drawn_by_lot(fused, windows):
    """The extractor alone declares one window of each batch, at random, to be a longer recording's crop."""
    extractor = fused.processor.feature_extractor
    assert extractor(windows, sampling_rate=48_000)["is_longer"].count([True]) == 1
    features = extractor(windows[:1], sampling_rate=48_000, return_tensors="pt")
    lot = fused.model.get_audio_features(features["input_features"], torch.ones(1, 1, dtype=torch.bool)).pooler_output
    assert np.abs(fused.embed_windows(windows[:1]) - lot.detach().numpy()).max() > 1e-4


def test_a_longer_window_is_refused_rather_than_cropped(clap):
    with pytest.raises(ValueError, match=r"480001 samples.*cut the recording"):
        clap.embed_windows([np.zeros(480_001, np.float32)])
    with pytest.raises(ValueError, match="A window of 0 samples"):
        clap.embed_windows([np.zeros(100, np.float32), np.zeros(0, np.float32)])


def test_the_vectors_are_those_of_transformers(clap, windows):
    """Against the public calls of transformers, so that the baseline is CLAP and nothing else."""
    processor, model = clap.processor, clap.model
    window = (windows[0] * 32767).astype(np.int16).astype(np.float32) / 32767  # LAION's 16 bits
    with torch.inference_mode():
        inputs = processor.tokenizer(SENTENCES[0], return_tensors="pt")
        text = model.get_text_features(**inputs).pooler_output.numpy()
        features = processor.feature_extractor(window, sampling_rate=48_000, return_tensors="pt")
        audio = model.get_audio_features(**features).pooler_output.numpy()
    assert np.abs(clap.embed_text(SENTENCES[:1]) - text).max() < 1e-5
    assert np.abs(clap.embed_windows(windows[:1]) - audio).max() < 1e-5


def test_the_fingerprint_is_that_of_the_weights(clap, clap_folder, tmp_path):
    copy = tmp_path / "copy"
    shutil.copytree(clap_folder, copy)
    assert load_embedder(copy, "cpu").fingerprint == clap.fingerprint and len(clap.fingerprint) == 16
    weights = load_file(copy / "model.safetensors")
    weights["audio_projection.linear1.bias"][0] += 1
    save_file(weights, copy / "model.safetensors", metadata={"format": "pt"})
    assert load_embedder(copy, "cpu").fingerprint != clap.fingerprint


def test_load_embedder_knows_kobza_from_clap(tiny_checkpoint, clap, clap_folder):
    assert isinstance(load_embedder(tiny_checkpoint), EngineEmbedder)
    assert isinstance(clap, ClapEmbedder) and clap.name == clap_folder


@pytest.mark.parametrize("name", ["laion/larger_clap_music", "/somewhere/larger_clap_music/"])
def test_the_collapsed_clap_is_refused_with_the_reason(name):
    with pytest.raises(CheckpointError, match=r"collapsed.*music_audioset_epoch_15_esc_90\.14\.pt"):
        load_embedder(name)


def test_what_cannot_be_loaded_is_one_sentence(clap_folder, tmp_path):
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "config.json").write_text(json.dumps({"model_type": "bert"}))
    (tmp_path / "notes.txt").write_text("hello")
    broken = tmp_path / "broken"
    shutil.copytree(clap_folder, broken)
    weights = load_file(broken / "model.safetensors")
    del weights["text_projection.linear2.weight"]
    save_file(weights, broken / "model.safetensors", metadata={"format": "pt"})
    mute = tmp_path / "mute"
    shutil.copytree(clap_folder, mute)
    (mute / "tokenizer.json").unlink()  # transformers would make an empty one, without a word
    for name, reason in (
        (mute, r"cannot be loaded|has \d tokens, the model 32"),
        (tmp_path / "nothing", "There is no checkpoint folder"),
        (tmp_path / "other", "cannot be loaded"),
        (tmp_path / "notes.txt", "is a file"),
        (broken, r"lacks 1 of the model's weights, such as text_projection\.linear2\.weight"),
        ("nobody/no-such-model", "could be fetched"),
    ):
        with pytest.raises(CheckpointError, match=reason):
            load_embedder(name)
