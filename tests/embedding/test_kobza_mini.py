"""The shipped checkpoint: what a user meets first, as it lies in `hub/kobza-mini`."""

import filecmp
import json
import re
from pathlib import Path

import numpy as np
import pytest
from safetensors import safe_open
from transformers import AutoModel, AutoProcessor, pipeline

import kobza
from kobza import Checkpoint, KobzaModel
from kobza.audio import load_audio
from kobza.data.recording_identity import source_key
from kobza.embedding.checkpoint_folder import default_checkpoint, fingerprint
from kobza.embedding.trained_on import read_trained_on
from kobza.synth.album import album, random_pieces, render, write_album

FOLDER = Path(__file__).resolve().parents[2] / "hub" / "kobza-mini"


@pytest.fixture(scope="module")
def mini():
    return Checkpoint.load(str(FOLDER), device="cpu")


@pytest.fixture(scope="module")
def pieces(mini):
    """A few pieces at 16 kHz, by what is heard in them."""
    styles = {
        "drum solo": "drums",
        "piano solo": "piano",
        "church organ": "organ",
        "rock": "rock",
        "flute solo": "flute",
    }
    made = {styles[p.style]: p for p in album() if p.style in styles}
    return {name: render(piece, mini.sampling_rate).mean(0)[: 10 * mini.sampling_rate] for name, piece in made.items()}


def test_it_is_what_every_command_uses_by_default():
    assert Path(default_checkpoint()) == FOLDER


def test_it_is_small_and_half_precision():
    weights = FOLDER / "model.safetensors"
    assert weights.stat().st_size <= 64_000_000
    with safe_open(weights, "pt") as file:
        kinds = {file.get_slice(name).get_dtype() for name in file.keys() if not name.startswith("logit_")}  # noqa: SIM118
    assert kinds == {"F16"}


def test_it_says_which_captions_it_was_trained_on():
    known = read_trained_on(FOLDER, fingerprint(FOLDER))
    assert known is not None, "write hub/kobza-mini/trained_on.bin again, with the weights"
    assert {name: part.recordings for name, part in known.parts.items()} == {"captions": 5460, "validation": 61}
    left_out = (Path(kobza.__file__).parent / "distill" / "corpus" / "left_out.txt").read_text().split()
    keys = [[source_key(f"youtube:{ytid}")] for ytid in left_out]
    assert all(known.seen("validation", key) and not known.seen("captions", key) for key in keys)
    assert known.seen("captions", [source_key("youtube:-0Gj8-vB1q4")]) and not known.is_complete


def test_its_code_is_the_packages():
    published = (Path(kobza.__file__).parent / "model").glob("*_kobza.py")
    names = sorted(path.name for path in published)
    assert sorted(path.name for path in FOLDER.glob("*.py")) == names
    assert filecmp.cmpfiles(FOLDER, Path(kobza.__file__).parent / "model", names, shallow=False)[0] == names


def test_its_settings_are_those_that_a_checkpoint_is_saved_with(tiny_checkpoint):
    """For the pipelines and for sentence-transformers; none of it decides vectors, so the fingerprint stays."""
    saved = Path(tiny_checkpoint)
    assert (FOLDER / "modules.json").read_bytes() == (saved / "modules.json").read_bytes()
    mine, theirs = (json.loads((folder / "config.json").read_text()) for folder in (FOLDER, saved))
    assert mine["custom_pipelines"] == theirs["custom_pipelines"] and mine["auto_map"] == theirs["auto_map"]
    assert fingerprint(FOLDER) == "8e34a10b182a0386"


def test_its_card_has_figures_and_nothing_left_to_fill_in():
    card = (FOLDER / "README.md").read_text(encoding="utf-8")
    assert re.search(r"text -> music \| [01]\.\d{3} \| [01]\.\d{3} \| [01]\.\d{3} ", card)
    assert not re.search(r"\b[A-Z]{8,}\b", card)


def test_it_hears_what_is_played(mini, pieces):
    sentences = {
        "drums": "a fast drum solo",
        "piano": "slow sad piano",
        "organ": "church organ",
        "rock": "rock with distorted electric guitar",
        "flute": "solo flute",
    }
    sound = mini.embed_windows([pieces[name] for name in sentences])
    text = mini.embed_text(list(sentences.values()))
    right = (text @ sound.T).argmax(axis=1) == np.arange(5)
    assert right.sum() >= 4, dict(zip(sentences, right, strict=True))


def test_words_it_never_saw_together_find_their_kind(mini):
    """Over pieces made for this test, captions find their own far above chance (R@10 of 60 is 1/6 by chance)."""
    made = random_pieces(60, seed=77)
    sound = mini.embed_windows([render(p, mini.sampling_rate).mean(0)[: 10 * mini.sampling_rate] for p in made])
    scores = mini.embed_text([p.caption for p in made]) @ sound.T
    ranks = (scores > np.diag(scores)[:, None]).sum(axis=1)
    assert (ranks < 10).mean() >= 0.4


def test_upper_case_is_the_same_query_and_an_empty_sentence_is_no_error(mini):
    loud, soft = mini.embed_text(["SLOW SAD PIANO", "slow sad piano"])
    np.testing.assert_allclose(loud, soft, atol=1e-6)  # two rows of a batch may round differently
    assert np.isfinite(mini.embed_text(["", "🎻", "x" * 10_000])).all()


def test_one_file_one_vector(mini, pieces):
    waves = list(pieces.values())
    together = mini.embed_windows(waves)
    alone = np.concatenate([mini.embed_windows([wave]) for wave in waves])
    assert np.abs(together - alone).max() < 1e-5
    assert np.array_equal(mini.embed_windows(waves), together)


def test_transformers_gives_the_same_vectors_from_the_file(mini, tmp_path):
    path = next(Path(write_album(tmp_path, album()[4:5]) and tmp_path).glob("*.flac"))
    wave = load_audio(path, mini.sampling_rate)
    model, processor = AutoModel.from_pretrained(FOLDER), AutoProcessor.from_pretrained(FOLDER)
    windows = processor.feature_extractor.split(wave)
    inputs = processor(text=["church organ"], audio=[wave], sampling_rate=mini.sampling_rate)
    assert type(model) is KobzaModel
    outputs = model(**inputs)
    mean = mini.embed_windows(windows).mean(axis=0)
    assert np.abs(outputs.audio_embeds[0].detach().numpy() - mean / np.linalg.norm(mean)).max() < 1e-5
    assert np.abs(outputs.text_embeds.detach().numpy() - mini.embed_text(["church organ"])).max() < 1e-5


def test_the_stock_pipeline_tags_and_ours_ranks(pieces):
    tag = pipeline("zero-shot-audio-classification", model=str(FOLDER))
    answers = tag(pieces["drums"], candidate_labels=["drums", "flute", "church organ"], hypothesis_template="{} music")
    assert answers[0]["label"] == "drums" and answers[0]["score"] > 0.5
    search = pipeline("text-to-music-retrieval", model=str(FOLDER))
    names = ["flute", "drums", "organ"]
    candidates = [{"array": pieces[name], "sampling_rate": 16_000} for name in names]
    assert names[search("church organ", candidates=candidates)[0]["index"]] == "organ"
