"""Wishes: how they are read, and how their vectors are put together."""

import numpy as np
import pytest

from kobza.library import LibraryError
from kobza.library.calibration import Spread
from kobza.library.search.query import UNWANTED, Wish, compose, direction, parse_wishes, unit


@pytest.mark.parametrize(
    ("text", "wishes"),
    [
        ("slow sad piano", [("slow sad piano", 1)]),
        ("  piano\n-drums ", [("piano", 1), ("drums", -1)]),
        ("hip-hop and lo-fi -hip-hop", [("hip-hop and lo-fi", 1), ("hip-hop", -1)]),
        ("-drums slow piano", [("slow piano", 1), ("drums", -1)]),
        ('piano -"string quartet" -(electric guitar)', [("piano", 1), ("string quartet", -1), ("electric guitar", -1)]),
        (
            'bass piano^2 "sad choir"^.5 -drums^1.5',
            [("bass", 1), ("piano", 2), ("sad choir", 0.5), ("drums", -1.5)],
        ),
        ("rock - live -- 1970", [("rock - live -- 1970", 1)]),  # a dash between words is no minus
        ('"sad song" (live) rock', [('"sad song" (live) rock', 1)]),  # unmarked phrases are part of the sentence
        ("^_^ a^b", [("^_^ a^b", 1)]),
        ("piano, -drums, slow", [("piano, slow", 1), ("drums", -1)]),
        ("пісня -барабани", [("пісня", 1), ("барабани", -1)]),
    ],
)
def test_reading(text, wishes):
    assert [(wish.text, wish.weight) for wish in parse_wishes(text)] == wishes


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("", "description is empty"),
        (" \n", "description is empty"),
        ("piano^0", "weight .* must lie above 0"),
        ("piano^101", "100 at most"),
        ('-"" piano', "There is nothing in"),
        ('piano -"string quartet', "not closed"),
        ("piano -(string quartet", "not closed"),
    ],
)
def test_what_cannot_be_read(text, sentence):
    with pytest.raises(LibraryError, match=sentence):
        parse_wishes(text)


@pytest.fixture
def spread():
    vectors = np.random.default_rng(3).normal(size=(400, 16)) * np.linspace(3, 0.3, 16) + 0.5
    return Spread(vectors.mean(axis=0), np.cov(vectors.T))


@pytest.fixture
def texts():
    vectors = np.random.default_rng(0).normal(size=(4, 16)) + 0.3
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def test_one_wish_is_its_own_vector(spread, texts):
    np.testing.assert_allclose(compose([Wish("a", 3.0)], texts[:1], spread), texts[0], atol=1e-7)


def test_several_wishes_are_their_weighted_mean(spread, texts):
    query = compose([Wish("a"), Wish("b", 3.0)], texts[:2], spread)
    np.testing.assert_allclose(query, unit(texts[0] + 3 * texts[1]), atol=1e-7)


def test_what_is_unwanted_falls_and_what_it_shares_with_the_wanted_stays(spread, texts):
    wishes = [Wish("a"), Wish("b", -1.0)]
    query, more = compose(wishes, texts[:2], spread), compose([wishes[0], Wish("b", -2.0)], texts[:2], spread)
    a, b = direction(texts[0], spread), direction(texts[1], spread)
    across = unit(b - (b @ a) * a)
    assert np.linalg.norm(query) == pytest.approx(1)
    assert query @ a == pytest.approx(1 / np.hypot(1, UNWANTED)) and more @ a < query @ a
    assert more @ across < query @ across < -0.4 and abs(a @ across) < 1e-7


def test_a_track_and_what_should_be_different(spread, texts):
    track = texts[3]
    calmer = compose([Wish("calm")], texts[:1], spread, track)
    wilder = compose([Wish("calm", -1.0)], texts[:1], spread, track)
    towards = direction(texts[0], spread)
    assert calmer @ towards > track @ towards > wilder @ towards
    assert calmer @ track == pytest.approx(wilder @ track) and calmer @ track > 0.5


def test_what_cannot_be_composed(spread, texts):
    with pytest.raises(LibraryError, match="Nothing is wanted"):
        compose([Wish("drums", -1.0)], texts[:1], spread)
    with pytest.raises(LibraryError, match='"piano" is wanted and unwanted at once'):
        compose([Wish("piano"), Wish("piano", -1.0)], texts[[0, 0]], spread)
