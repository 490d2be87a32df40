"""The layout of LAION's files is written out here by hand, from its own model's names, to check the conversion."""

import os
import shutil
import zipfile

import numpy as np
import pytest
import torch
from tiny_clap import make_clap_model, make_roberta_tokenizer
from transformers import ClapConfig, ClapModel, RobertaTokenizer

from kobza.embedding.checkpoint_folder import CheckpointError
from kobza.embedding.laion import load_laion, read_config, read_weights, to_transformers
from kobza.embedding.loader import load_embedder

# LAION's module -> transformers' module, with every tensor in it.
WHOLE = {
    "text_branch.embeddings.word_embeddings": "text_model.embeddings.word_embeddings",
    "text_branch.embeddings.position_embeddings": "text_model.embeddings.position_embeddings",
    "text_branch.embeddings.token_type_embeddings": "text_model.embeddings.token_type_embeddings",
    "text_branch.embeddings.LayerNorm": "text_model.embeddings.LayerNorm",
    "text_branch.pooler.dense": "text_model.pooler.dense",
    "text_projection.0": "text_projection.linear1",
    "text_projection.2": "text_projection.linear2",
    "audio_projection.0": "audio_projection.linear1",
    "audio_projection.2": "audio_projection.linear2",
    "audio_branch.patch_embed.proj": "audio_model.audio_encoder.patch_embed.proj",
    "audio_branch.patch_embed.norm": "audio_model.audio_encoder.patch_embed.norm",
    "audio_branch.bn0": "audio_model.audio_encoder.batch_norm",
    "audio_branch.norm": "audio_model.audio_encoder.norm",
}
TEXT_LAYER = [
    *("attention.self.query", "attention.self.key", "attention.self.value", "attention.output.dense"),
    *("attention.output.LayerNorm", "intermediate.dense", "output.dense", "output.LayerNorm"),
]
AUDIO_BLOCK = {
    "norm1": "layernorm_before",
    "norm2": "layernorm_after",
    "attn.proj": "attention.output.dense",
    "mlp.fc1": "intermediate.dense",
    "mlp.fc2": "output.dense",
}


def laion_layout(model: ClapModel) -> dict[str, torch.Tensor]:
    """What LAION's own model would have saved, were its weights those of `model`."""
    ours, audio = model.state_dict(), model.config.audio_config
    modules = dict(WHOLE)
    for i in range(model.config.text_config.num_hidden_layers):
        for part in TEXT_LAYER:
            modules[f"text_branch.encoder.layer.{i}.{part}"] = f"text_model.encoder.layer.{i}.{part}"
    theirs = {"logit_scale_a": ours["logit_scale_a"], "logit_scale_t": ours["logit_scale_t"]}
    for i, depth in enumerate(audio.depths):
        encoder = f"audio_model.audio_encoder.layers.{i}"
        for j in range(depth):
            here, there = f"audio_branch.layers.{i}.blocks.{j}", f"{encoder}.blocks.{j}"
            modules.update({f"{here}.{a}": f"{there}.{b}" for a, b in AUDIO_BLOCK.items()})
            attention = f"{there}.attention.self"
            for kind in ("weight", "bias"):
                stacked = [ours[f"{attention}.{part}.{kind}"] for part in ("query", "key", "value")]
                theirs[f"{here}.attn.qkv.{kind}"] = torch.cat(stacked)
            for table in ("relative_position_bias_table", "relative_position_index"):
                theirs[f"{here}.attn.{table}"] = ours[f"{attention}.{table}"]
            if j % 2:
                theirs[f"{here}.attn_mask"] = torch.zeros(4, 64, 64)
        if i < len(audio.depths) - 1:
            modules[f"audio_branch.layers.{i}.downsample.norm"] = f"{encoder}.downsample.norm"
            modules[f"audio_branch.layers.{i}.downsample.reduction"] = f"{encoder}.downsample.reduction"
    for theirs_name, ours_name in modules.items():
        theirs |= {theirs_name + k.removeprefix(ours_name): v for k, v in ours.items() if k.startswith(ours_name + ".")}
    positions = model.config.text_config.max_position_embeddings
    theirs["text_branch.embeddings.position_ids"] = torch.arange(positions)[None]
    for unused in (
        "audio_branch.spectrogram_extractor.stft.conv_real.weight",
        "audio_branch.logmel_extractor.melW",
        "audio_branch.tscam_conv.weight",
        "audio_branch.head.bias",
        "text_transform.sequential.0.weight",
        "audio_transform.sequential.3.bias",
    ):
        theirs[unused] = torch.zeros(3)
    return theirs


def save(weights: dict, path) -> None:
    """As LAION's trainer saved it: the weights of a distributed model among other things."""
    state = {f"module.{name}": value for name, value in weights.items()}
    rest = {"epoch": 15, "name": "clap", "optimizer": {"state": {0: {"exp_avg": torch.zeros(9)}}, "lr": 1e-4}}
    torch.save({**rest, "best": np.float64(90.14), "state_dict": state}, path)


@pytest.fixture(scope="module")
def model():
    return make_clap_model()


@pytest.fixture(scope="module")
def file(model, tmp_path_factory):
    path = tmp_path_factory.mktemp("laion") / "music_audioset_epoch_15_esc_90.14.pt"
    save(laion_layout(model), path)
    return path


def test_every_tensor_lands_in_its_place(model, file):
    converted, _ = load_laion(file)
    ours, theirs = model.state_dict(), converted.state_dict()
    assert ours.keys() == theirs.keys()
    assert [key for key in ours if not torch.equal(ours[key], theirs[key])] == []
    assert len({value.sum().item() for value in ours.values() if value.numel() > 1}) > 100  # they could be told apart


def test_the_shape_of_the_model_is_read_from_the_tensors(model, file):
    converted, extractor = load_laion(file)
    for tower in ("audio_config", "text_config"):
        said, found = getattr(model.config, tower).to_dict(), getattr(converted.config, tower).to_dict()
        assert {k: (said[k], found[k]) for k in said if str(said[k]) != str(found[k]) and k != "patch_stride"} == {}
    assert (extractor.sampling_rate, extractor.frequency_min, extractor.frequency_max) == (48_000, 50, 14_000)


@pytest.mark.parametrize(
    ("audio", "parameters"),
    [
        ({}, 153_492_890),  # HTSAT-tiny: 630k-audioset-best.pt
        ({"patch_embeds_hidden_size": 128, "depths": [2, 2, 12, 2], "hidden_size": 1024}, 193_913_882),  # HTSAT-base
    ],
)
def test_the_two_real_sizes(audio, parameters):
    """At full size, without the memory: names, shapes and the number of weights that both models are known to have."""
    with torch.device("meta"):
        real = ClapModel(ClapConfig(audio_config=audio))
        layout = laion_layout(real)
    config = read_config(layout, "a file")
    with torch.device("meta"):
        rebuilt = ClapModel(config)
    assert sum(parameter.numel() for parameter in rebuilt.parameters()) == parameters
    shapes = {key: value.shape for key, value in to_transformers(layout).items()}
    expected = {key: value.shape for key, value in real.state_dict().items() if "token_type_ids" not in key}
    assert shapes == expected
    assert config.audio_config.depths == list(real.config.audio_config.depths)
    assert config.text_config.num_attention_heads == 12 and config.text_config.layer_norm_eps == 1e-5


def test_a_file_with_its_tokenizer_beside_it_is_an_embedder(model, file, tmp_path):
    tokenizer = make_roberta_tokenizer()
    tokenizer.save_pretrained(tmp_path)
    (tmp_path / "tokenizer_config.json").unlink()  # tokenizer.json is enough
    shutil.copy(file, tmp_path / "630k-audioset-best.pt")
    embedder = load_embedder(tmp_path / "630k-audioset-best.pt", "cpu")
    with torch.inference_mode():
        expected = model.get_text_features(**tokenizer("slow sad piano", return_tensors="pt")).pooler_output.numpy()
    assert np.abs(embedder.embed_text(["slow sad piano", "drums"])[:1] - expected).max() < 1e-6
    assert embedder.embed_windows([np.ones(48_000, np.float32)]).shape == (1, 24)


def test_a_file_without_its_tokenizer_says_what_it_needs(file, monkeypatch, tmp_path):
    monkeypatch.setattr("kobza.embedding.clap.LAION_TOKENIZER", "nobody/no-such-tokenizer")
    with pytest.raises(CheckpointError, match=r"needs the tokenizer of nobody/.*tokenizer\.json beside the file"):
        load_embedder(file)
    shutil.copy(file, tmp_path / "file.pt")
    many = {token: i for i, token in enumerate(["<s>", "<pad>", "</s>", "<unk>", "<mask>", *map(chr, range(256, 330))])}
    RobertaTokenizer(vocab=many, merges=[]).save_pretrained(tmp_path)
    with pytest.raises(CheckpointError, match="has 79 tokens, the model 32"):
        load_embedder(tmp_path / "file.pt")


def test_a_file_of_an_older_numpy_is_read(file, tmp_path):
    """NumPy 2 moved the function that builds a number; files from before name its old place."""
    old = tmp_path / "old.pt"
    with zipfile.ZipFile(file) as source, zipfile.ZipFile(old, "w") as target:
        for name in source.namelist():
            held = source.read(name)
            if name.endswith("data.pkl"):
                assert b"numpy._core.multiarray" in held
                held = held.replace(b"numpy._core.multiarray", b"numpy.core.multiarray")
            target.writestr(name, held)
    assert read_weights(old).keys() == read_weights(file).keys()


class Malice:
    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return os.mkdir, (str(self.path),)


def test_nothing_in_a_file_is_run(tmp_path):
    torch.save({"state_dict": {}, "epoch": Malice(tmp_path / "ran")}, tmp_path / "bad.pt")
    with pytest.raises(CheckpointError, match="tensors and numbers alone"):
        load_laion(tmp_path / "bad.pt")
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda w: w.pop("audio_branch.layers.1.blocks.2.mlp.fc1.bias"), "lacks weights, 1 of them, such as audio_mod"),
        (lambda w: w.update({"audio_branch.extra.weight": torch.zeros(1)}), r"unknown weights, 1.*encoder\.extra"),
        (lambda w: w.update({"audio_projection.0.bias": torch.zeros(5)}), r"misshapen weights, 1.*linear1\.bias"),
        (lambda w: w.update({"audio_branch.patch_embed.mel_conv2d.weight": torch.zeros(1)}), "uses fusion"),
        (lambda w: w.pop("audio_branch.bn0.weight"), r"not one of LAION's CLAP files: it has no audio_branch\.bn0"),
        (dict.clear, "not one of LAION's CLAP files"),
    ],
)
def test_what_is_not_laions_model_is_one_sentence(model, tmp_path, change, reason):
    weights = laion_layout(model)
    change(weights)
    save(weights, tmp_path / "file.pt")
    with pytest.raises(CheckpointError, match=reason):
        load_laion(tmp_path / "file.pt")


def test_what_is_no_file_of_tensors_is_one_sentence(tmp_path):
    (tmp_path / "empty.pt").write_bytes(b"")
    (tmp_path / "text.pt").write_text("<html>Not found</html>")
    (tmp_path / "damaged.pt").write_bytes(b"\x80\x02.")  # a pickle without an object
    torch.save({"state_dict": [torch.zeros(1)]}, tmp_path / "list.pt")
    torch.save({0: torch.zeros(1)}, tmp_path / "numbers.pt")
    for path in (*tmp_path.iterdir(), tmp_path / "nowhere.pt", tmp_path):
        with pytest.raises(CheckpointError):
            load_laion(path)
