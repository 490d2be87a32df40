"""Descriptions in other languages, with the extra `kobza[languages]`."""

from pathlib import Path

import numpy as np
import pytest

from kobza import Checkpoint
from kobza.benchmarks.languages import read_translations, recall
from kobza.distill.multilingual_map import phrase_pairs
from kobza.embedding import multilingual
from kobza.embedding.multilingual import Multilingual
from kobza.embedding.numpy_text_tower import TextTower

# The map was fitted on none of them but a drum solo, which is too common to be left out
PHRASES = {
    "сумне повільне піаніно": "slow sad piano",
    "швидкий рок з електрогітарою": "fast rock with electric guitar",
    "дощовий осінній джаз": "rainy autumn jazz",
    "колискова для немовляти": "lullaby for a baby",
    "барабанне соло": "drum solo",
    "церковний хор і орган": "church choir and organ",
    "електронна музика для клубу": "electronic music for a club",
    "реп під потужний біт": "rap over a strong beat",
    "trauriges langsames Klavier": "slow sad piano",
    "voix de femme avec guitare": "female voice with guitar",
    "smutne skrzypce": "sad violin",
    "быстрый рок с электрогитарой": "fast rock with electric guitar",
    "悲しいピアノ": "sad piano",
}


@pytest.fixture(scope="module")
def tower():
    return TextTower.load()


@pytest.fixture(scope="module")
def languages(tower):
    return Multilingual.for_embedder(tower)


def test_phrases_find_their_english_ones(tower, languages):
    english = list(dict.fromkeys(PHRASES.values()))
    vectors = languages.embed_text(list(PHRASES))
    assert vectors.shape == (len(PHRASES), tower.dim) and np.allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)
    targets = [english.index(phrase) for phrase in PHRASES.values()]
    assert recall(vectors, tower.embed_text(english), targets)[1] >= 0.75
    trained = {ukrainian for _, ukrainian in phrase_pairs()}
    assert trained & set(PHRASES) == {"барабанне соло"}


def test_translated_captions_differ_as_their_sentences_do(languages):
    texts = read_translations(Path(__file__).parent / "ukrainian_captions.txt")
    assert len(texts) == 20
    vectors = languages.embed_text(list(texts.values()))
    assert np.isfinite(vectors).all() and np.max(vectors @ vectors.T - 2 * np.eye(20)) < 0.98


def test_both_forms_of_a_text_tower_are_one_encoder(tower):
    checkpoint = Checkpoint.load(device="cpu")
    assert checkpoint.encoder_id() == tower.encoder_id()
    assert Multilingual.for_embedder(checkpoint) is not None
    pooled = tower.pool_text(["slow sad piano", "drums"])
    np.testing.assert_allclose(checkpoint.project_text(pooled), tower.project_text(pooled), atol=1e-5)
    np.testing.assert_allclose(tower.project_text(pooled), tower.embed_text(["slow sad piano", "drums"]), atol=1e-6)
    for word, known in (("piano", True), ("saxaphone", False)):
        assert checkpoint.knows_word(word) == tower.knows_word(word) == known


def test_the_map_stays_with_a_new_projection_and_goes_with_another_encoder(tower):
    name = "text_projection.weight"
    weights = tower.weights | {name: -tower.weights[name]}
    other = TextTower("new", "id", tower.config, weights, tower.tokenizer)
    assert Multilingual.for_embedder(other) is not None
    name = "text_model.encoder.layer.5.output.dense.bias"
    weights = tower.weights | {name: tower.weights[name] + 1}
    assert Multilingual.for_embedder(TextTower("other", "id", tower.config, weights, tower.tokenizer)) is None


def test_without_the_extra_there_is_none(tower, monkeypatch):
    monkeypatch.setattr(multilingual, "find_spec", lambda name: None)
    assert Multilingual.for_embedder(tower) is None
