"""Models of other kinds than Kobza's own, made here with random weights of the real classes."""

import numpy as np
import pytest
from recordings import tone, write
from tiny import TINY_RESNET, make_model
from tiny_clap import make_clap_folder

from kobza import Checkpoint, CheckpointError, MusicLibrary
from kobza.embedding import device
from kobza.embedding.embedder import Embedder, embed_recording, embed_recordings, normalized_mean
from kobza.embedding.engine import EngineEmbedder
from kobza.embedding.loader import load_embedder, load_text_embedder, load_torch_embedder
from kobza.embedding.numpy_text_tower import TextTower
from kobza.embedding.two_tower import TwoTowerEmbedder


@pytest.fixture(scope="module")
def clap_folder(tmp_path_factory):
    return make_clap_folder(tmp_path_factory.mktemp("clap"))


def two_tower(folder):
    """Through the interface alone, as a model that Kobza has no class for."""
    clap = load_embedder(folder, "cpu")
    return TwoTowerEmbedder(clap.model, clap.processor, folder)


def test_each_kind_is_loaded_as_what_it_is(tiny_checkpoint, clap_folder, tiny_processor, tmp_path):
    assert isinstance(load_embedder(tiny_checkpoint, "cpu"), EngineEmbedder)  # needs no torch
    assert isinstance(load_torch_embedder(tiny_checkpoint, "cpu"), Checkpoint)
    Checkpoint(make_model(audio_config=dict(TINY_RESNET)), tiny_processor).save(tmp_path)
    assert isinstance(load_embedder(tmp_path, "cpu"), Checkpoint)
    assert isinstance(load_text_embedder(tiny_checkpoint), TextTower)  # needs no torch
    clap = load_text_embedder(clap_folder)
    assert isinstance(clap, Embedder) and clap.fingerprint == load_embedder(clap_folder, "cpu").fingerprint


def test_torch_is_looked_for_only_where_a_gpu_is(monkeypatch, tmp_path):
    monkeypatch.setattr("torch.cuda.is_available", lambda: True)
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    monkeypatch.setattr(device, "GPU_FILES", (str(tmp_path / "driver"),))
    assert not device.is_torch_wanted(None) and device.is_torch_wanted("cuda:0") and not device.is_torch_wanted("cpu")
    (tmp_path / "driver").touch()
    assert device.is_torch_wanted(None)
    monkeypatch.setattr(device, "find_spec", lambda name: None)  # torch is not installed
    assert not device.is_torch_wanted(None)


def test_a_model_without_both_towers_is_refused(tmp_path):
    from transformers import BertConfig, BertModel

    BertModel(
        BertConfig(hidden_size=8, num_hidden_layers=1, num_attention_heads=1, intermediate_size=8)
    ).save_pretrained(tmp_path)
    with pytest.raises(CheckpointError, match=r"cannot be loaded|does not embed both text and audio"):
        load_embedder(tmp_path)


def test_the_interface_alone_is_enough(clap_folder):
    embedder = two_tower(clap_folder)
    assert isinstance(embedder, Embedder) and embedder.embed_windows([]).shape == (0, 24)
    windows = [tone(hertz, seconds, rate=48_000) for hertz, seconds in ((300, 10.0), (500, 2.0))]
    together = embedder.embed_windows(windows)
    assert np.abs(together - np.concatenate([embedder.embed_windows([window]) for window in windows])).max() < 1e-5
    with pytest.raises(ValueError, match="cut the recording"):
        embedder.embed_windows([np.zeros(480_001, np.float32)])


def test_a_library_of_another_model(clap_folder, tmp_path):
    """Index, search, similar and locate with a ClapModel; another model's queries are refused."""
    for hertz, seconds in ((300, 12.0), (900, 15.0)):  # of one length, random weights would take them for copies
        write(tmp_path / "music" / f"{hertz}.flac", tone(hertz, seconds, rate=48_000), 48_000)
    embedder = load_embedder(clap_folder, "cpu")
    with MusicLibrary.open(tmp_path / "library", embedder) as library:
        assert library.add(tmp_path / "music").added == 2
        assert {hit.track.path for hit in library.search("a flute", k=5)} == {
            str(tmp_path / "music" / f"{hertz}.flac") for hertz in (300, 900)
        }
        assert library.search("a flute")[0].match in ("strong", "fair", "weak", "none")
        assert len(library.similar(tmp_path / "music" / "300.flac", k=1)) == 1
        assert len(library.locate(tmp_path / "music" / "900.flac", "a flute").moments) == 2
    with MusicLibrary.open(tmp_path / "library", str(clap_folder)) as library:  # by its folder, as --model names it
        assert len(library.search("a flute", k=2)) == 2


def test_sentence_transformers_models_embed_audio_and_text(clap_folder, tmp_path):
    from sentence_transformers import SentenceTransformer

    from kobza.embedding.sentence_transformer import load_sentence_transformer

    SentenceTransformer(clap_folder, device="cpu").save_pretrained(str(tmp_path))
    embedder = load_sentence_transformer(tmp_path, "clap", "cpu")
    assert isinstance(embedder, Embedder) and (embedder.dim, embedder.sampling_rate) == (24, 48_000)
    text = embedder.embed_text(["slow sad piano", "drums"])
    audio = embedder.embed_windows([tone(300, 3.0, rate=48_000), tone(900, 1.0, rate=48_000)])
    assert text.shape == audio.shape == (2, 24)
    assert np.linalg.norm(np.concatenate([text, audio]), axis=1) == pytest.approx(1.0, abs=1e-5)


def test_a_recording_is_the_normalized_mean_of_its_windows(tiny_checkpoint, tmp_path):
    embedder = load_embedder(tiny_checkpoint, "cpu")
    write(tmp_path / "a.flac", tone(300, 25.0), 16_000)
    (tmp_path / "b.flac").write_bytes(b"no recording")
    windows = list(embed_recording(embedder, tmp_path / "a.flac"))
    assert [(one.start, one.end) for one in windows] == [(0.0, 10.0), (10.0, 20.0), (20.0, 25.0)]
    assert [one.start for one in embed_recording(embedder, tmp_path / "a.flac", 10.0, 20.0)] == [10.0]
    vectors, reasons = embed_recordings(embedder, [tmp_path / "a.flac", tmp_path / "b.flac"])
    mean = normalized_mean(np.stack([one.vector for one in windows]))
    assert np.abs(vectors[0] - mean).max() < 1e-6 and not vectors[1].any()
    assert list(reasons) == [1] and "b.flac" in reasons[1]
