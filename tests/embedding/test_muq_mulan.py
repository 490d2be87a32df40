"""MuQ-MuLan with random weights of the real classes; the vectors were computed by muq's own forward pass."""

import json
import os
import shutil
import subprocess
import sys

import numpy as np
import pytest
import torch
from loopback_hub import Hub
from made_sets import musiccaps
from recordings import tone, write
from safetensors.torch import load_file, save_file
from tiny_muq import make_muq_mulan_folder

from kobza import CheckpointError, MusicLibrary
from kobza.cli import main
from kobza.embedding.embedder import Embedder
from kobza.embedding.loader import load_embedder, load_text_embedder
from kobza.embedding.muq_mulan import MuQMuLanEmbedder
from kobza.evaluation.sanity_checks import run_checks
from kobza.extras import MissingPackageError

SENTENCES = ["slow sad piano", "drums", "a happy song with flute and strings and choir"]
# `MuQMuLan.from_pretrained(folder)(wavs=...)` and `(texts=...)`, one at a time, by muq 0.1.0 with transformers 4.57.3
MUQS_AUDIO = [
    [-0.615254, 0.396066, -0.163160, 0.244617, -0.303147, 0.434740, 0.269937, -0.156113],
    [-0.583558, 0.402208, -0.122800, 0.254919, -0.328953, 0.470689, 0.253256, -0.154043],
    [-0.325174, 0.460717, 0.073255, 0.333260, -0.374035, 0.639408, 0.106717, -0.073759],
]
MUQS_TEXT = [
    [0.222494, -0.136341, 0.088541, 0.052788, -0.582824, -0.435743, -0.170508, -0.602207],
    [0.143086, 0.058700, 0.251393, -0.193848, -0.389993, -0.542643, -0.374926, -0.536824],
    [0.200818, -0.025219, 0.203410, -0.144472, -0.443606, -0.505171, -0.344202, -0.571252],
]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return make_muq_mulan_folder(tmp_path_factory.mktemp("models"))


@pytest.fixture(scope="module")
def muq_mulan(folder):
    return load_embedder(folder, "cpu")


@pytest.fixture(scope="module")
def windows():
    """At 24 kHz: 10 s of tone, 4 s of a rising one, and 1 s of clicks."""
    t = np.arange(240_000) / 24_000
    rising, clicks = np.sin(2 * np.pi * (200 + 40 * t[:96_000]) * t[:96_000]), np.arange(24_000) % 1200 == 0
    return [wave.astype(np.float32) for wave in (0.4 * np.sin(2 * np.pi * 440 * t), 0.3 * rising, 0.5 * clicks)]


@pytest.fixture
def copied(folder, tmp_path):
    return shutil.copytree(folder, tmp_path / "copied")


def test_its_vectors_are_muqs(muq_mulan, windows):
    assert isinstance(muq_mulan, MuQMuLanEmbedder) and isinstance(muq_mulan, Embedder)
    rule = (muq_mulan.dim, muq_mulan.sampling_rate, muq_mulan.window_seconds, muq_mulan.min_window_seconds)
    assert rule == (8, 24_000, 10.0, 1.0)
    assert np.abs(muq_mulan.embed_windows(windows) - MUQS_AUDIO).max() < 1e-4
    assert np.abs(muq_mulan.embed_text(SENTENCES) - MUQS_TEXT).max() < 1e-4
    assert muq_mulan.embed_text([]).shape == muq_mulan.embed_windows([]).shape == (0, 8)


def test_the_same_input_has_the_same_vector_alone_and_in_a_batch(muq_mulan, windows):
    """In muq a longer sentence beside it changes a sentence's vector: here by up to 0.57."""
    for embed, inputs in ((muq_mulan.embed_windows, windows), (muq_mulan.embed_text, SENTENCES)):
        assert np.abs(embed(inputs) - np.concatenate([embed([one]) for one in inputs])).max() < 1e-6


def test_inputs_of_any_length(muq_mulan):
    long = muq_mulan.embed_text(["piano " * 300, "piano " * 400])  # XLM-R has positions for 512 tokens
    assert np.abs(long[0] - long[1]).max() < 1e-6
    shortest = muq_mulan.embed_windows([tone(3000, 1025 / 24_000, 24_000)])
    assert np.linalg.norm(shortest) == pytest.approx(1.0, abs=1e-5)
    for samples in (1024, 240_001):
        with pytest.raises(ValueError, match=f"A window of {samples} samples: .* takes 1025 to 240000"):
            muq_mulan.embed_windows([np.zeros(samples, np.float32)])


def test_a_file_of_transformers_4_as_safetensors_or_torchs(copied, muq_mulan):
    """Whose conformer names the weights of a convolution otherwise; no vector depends on it."""
    weights = load_file(copied / "model.safetensors")
    for key in [key for key in weights if "pos_conv_embed.conv.parametrizations" in key]:
        other = {"original0": "weight_g", "original1": "weight_v"}[key.rsplit(".")[-1]]
        weights[key.replace("parametrizations.weight." + key.rsplit(".")[-1], other)] = weights.pop(key)
    save_file(weights, copied / "model.safetensors")
    assert load_embedder(copied, "cpu").fingerprint == muq_mulan.fingerprint
    torch.save(weights, copied / "pytorch_model.bin")
    (copied / "model.safetensors").unlink()
    assert load_embedder(copied, "cpu").fingerprint == muq_mulan.fingerprint
    weights["mulan.text_to_latents.bias"] += 1
    torch.save(weights, copied / "pytorch_model.bin")
    assert load_embedder(copied, "cpu").fingerprint != muq_mulan.fingerprint


def test_it_is_fetched_from_the_hub_with_both_of_its_towers(folder, muq_mulan, tmp_path):
    """And with weights in torch's own format alone, which no other checkpoint is fetched in."""
    config = json.loads((folder / "config.json").read_text())
    names = {"audio_model": "OpenMuQ/MuQ-tiny", "text_model": "FacebookAI/xlm-roberta-tiny"}
    for tower, name in names.items():
        config[tower]["name"] = name
    weights = tmp_path / "pytorch_model.bin"
    torch.save(load_file(folder / "model.safetensors"), weights)
    own = {"config.json": json.dumps(config).encode(), weights.name: weights.read_bytes()}
    with Hub() as hub:
        repositories = {"OpenMuQ/MuQ-MuLan-tiny": own}
        for name in names.values():
            part = folder.parent / name.split("/")[1]
            repositories[name] = {path.name: path.read_bytes() for path in part.iterdir()}
        for name, files in repositories.items():
            hub.repositories["models", name] = {"private": False, "files": files, "commits": 1}
        kept = {key: value for key, value in os.environ.items() if not key.startswith("HF_")}
        load = "from kobza.embedding import loader; print(loader.load_embedder('OpenMuQ/MuQ-MuLan-tiny').fingerprint)"
        done = subprocess.run(
            [sys.executable, "-c", load],
            env=kept | {"HF_ENDPOINT": hub.address, "HF_HOME": str(tmp_path / "home"), "CUDA_VISIBLE_DEVICES": ""},
            capture_output=True,
            text=True,
            timeout=120,
        )
    assert done.stdout.strip() == muq_mulan.fingerprint, done.stderr[-2000:]


def test_missing_weights_are_an_error(copied):
    """`MuQMuLan.from_pretrained` goes on with random ones."""
    weights = load_file(copied / "model.safetensors")
    del weights["mulan.audio.proj.weight"]
    save_file(weights, copied / "model.safetensors")
    with pytest.raises(CheckpointError, match=r"lacks 1 of the model's weights, such as mulan\.audio\.proj\.weight"):
        load_embedder(copied, "cpu")
    (copied / "model.safetensors").write_bytes(b"no weights")
    with pytest.raises(CheckpointError, match=r"cannot be loaded .*: fetch it again"):
        load_embedder(copied, "cpu")


@pytest.mark.parametrize(
    ("tower", "changed", "reason"),
    [
        ("audio_model", {"name": "m-a-p/MERT-v1-330M"}, "is built from m-a-p/MERT-v1-330M and .* run code"),
        ("text_model", {"name": "Qwen/Qwen2-1.5B"}, "and Qwen/Qwen2-1.5B, for which muq would run code"),
        ("audio_model", {"use_layer_idx": 6}, "reads a middle layer of MuQ"),
        ("audio_model", {"name": "/nowhere/MuQ"}, "it also needs /nowhere/MuQ and .*xlm-roberta-tiny"),
        ("audio_transformer", {"dim": 32}, r"size mismatch .*: fetch it again"),
    ],
)
def test_other_towers_are_refused(copied, tower, changed, reason):
    config = json.loads((copied / "config.json").read_text())
    config[tower] |= changed
    (copied / "config.json").write_text(json.dumps(config))
    with pytest.raises(CheckpointError, match=reason):
        load_embedder(copied, "cpu")


def test_a_tokenizer_of_another_model_is_refused(copied, folder, tmp_path):
    config = json.loads((copied / "config.json").read_text())
    other = shutil.copytree(folder.parent / "xlm-roberta-tiny", tmp_path / "xlm-roberta-other")
    config["text_model"]["name"] = str(other)
    (copied / "config.json").write_text(json.dumps(config))
    tokenizer = json.loads((other / "tokenizer.json").read_text())
    tokenizer["model"]["vocab"] = [entry for entry in tokenizer["model"]["vocab"] if entry[0] != "z"]
    (other / "tokenizer.json").write_text(json.dumps(tokenizer))
    with pytest.raises(CheckpointError, match="has 31 tokens, the model 32"):
        load_embedder(copied, "cpu")


def test_without_muq_it_says_what_to_install(folder, monkeypatch):
    monkeypatch.setitem(sys.modules, "muq", None)
    with pytest.raises(MissingPackageError, match=r"needs muq: run `pip install 'kobza\[peers\]'`"):
        load_embedder(folder, "cpu")


def test_doctor_library_and_evaluation_take_it(folder, muq_mulan, tmp_path, capsys):
    checks = {check.name: check for check in run_checks(muq_mulan)}
    assert checks["weights"].passed and checks["batch"].passed and checks["half precision"].value is not None
    capsys.readouterr()
    for hertz, seconds in ((300, 12.0), (900, 15.0)):
        write(tmp_path / "music" / f"{hertz}.flac", tone(hertz, seconds, rate=24_000), 24_000)
    common = ["--library", str(tmp_path / "library")]
    assert main(["index", str(tmp_path / "music"), "--model", str(folder), *common]) == 0
    capsys.readouterr()
    assert main(["search", "a flute", "--json", *common, "--model", str(folder)]) == 0
    assert len(json.loads(capsys.readouterr().out)) == 2  # nothing else is on standard output, such as muq's messages
    with MusicLibrary.open(tmp_path / "library", load_text_embedder(folder)) as library:
        assert len(library.search("a flute")) == 2
    data, receipt = tmp_path / "musiccaps", tmp_path / "receipt.json"
    musiccaps(data, 6)
    assert main(["evaluate", str(folder), "--on", f"pairs:{data}", "--receipt", str(receipt)]) == 0
    result = json.loads(receipt.read_text())
    assert (result["fingerprint"], result["used"], result["dim"]) == (muq_mulan.fingerprint, 6, 8)
    assert result["windows"]["sampling_rate"] == 24_000 and result["versions"]["muq"].startswith("0.1")
