"""The query language: parsing, and the composition of the terms' vectors."""

import numpy as np
import pytest

from kobza.library import LibraryError
from kobza.library.calibration import ScoreCalibration
from kobza.library.search.query import (
    NEGATIVE_STEP,
    QueryTerm,
    compose_changes,
    compose_query,
    normalized,
    parse_query,
    whitened_direction,
)
from kobza.library.search.wanted import PENALTY, wanted


@pytest.mark.parametrize(
    ("text", "terms"),
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
def test_parsing(text, terms):
    sentence, marked = parse_query(text)
    rest = [(sentence, 1)] if sentence else []
    assert rest + [(term.text, term.weight) for term in marked] == terms


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("", "description is empty"),
        (" \n", "description is empty"),
        ("piano^0", "weight .* must be above 0"),
        ("piano^101", "at most 100"),
        ('-"" piano', "empty term"),
        ('piano -"string quartet', "not closed"),
        ("piano -(string quartet", "not closed"),
    ],
)
def test_invalid_queries(text, sentence):
    with pytest.raises(LibraryError, match=sentence):
        parse_query(text)


@pytest.fixture
def calibration():
    vectors = np.random.default_rng(3).normal(size=(400, 16)) * np.linspace(3, 0.3, 16) + 0.5
    return ScoreCalibration.of(vectors)


@pytest.fixture
def texts():
    vectors = np.random.default_rng(0).normal(size=(4, 16)) + 0.3
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def test_one_term_is_its_own_vector(calibration, texts):
    np.testing.assert_allclose(compose_query([QueryTerm("a", 3.0)], texts[:1], calibration), texts[0], atol=1e-7)


def test_positive_terms_give_their_weighted_mean(calibration, texts):
    query = compose_query([QueryTerm("a"), QueryTerm("b", 3.0)], texts[:2], calibration)
    np.testing.assert_allclose(query, normalized(texts[0] + 3 * texts[1]), atol=1e-7)


def test_a_negative_term_changes_only_what_is_orthogonal_to_the_positive_ones(calibration, texts):
    terms = [QueryTerm("a"), QueryTerm("b", -1.0)]
    query, more = (
        compose_query(terms, texts[:2], calibration),
        compose_query([terms[0], QueryTerm("b", -2.0)], texts[:2], calibration),
    )
    a, b = whitened_direction(texts[0], calibration), whitened_direction(texts[1], calibration)
    across = normalized(b - (b @ a) * a)
    np.testing.assert_allclose(query, normalized(texts[0] - NEGATIVE_STEP * across), atol=1e-6)
    assert more @ across < query @ across < texts[0] @ across and abs(a @ across) < 1e-7


def test_how_much_is_subtracted_is_measured_in_the_library(calibration, texts):
    """Tracks that vary much in what is unwanted need less of it subtracted."""
    terms = [QueryTerm("a"), QueryTerm("b", -1.0)]
    a, b = whitened_direction(texts[0], calibration), whitened_direction(texts[1], calibration)
    across = normalized(b - (b @ a) * a)
    tracks = np.random.default_rng(4).normal(size=(200, 16))
    varied = tracks + 9 * (tracks @ across)[:, None] * across
    few = varied[:5]  # too few to measure

    def subtracted(tracks):
        query = compose_query(terms, texts[:2], calibration, tracks)
        return (texts[0] @ a) * (query @ across) / (query @ a) - texts[0] @ across

    assert subtracted(varied) > 0.6 * subtracted(tracks) and subtracted(tracks) < -0.3
    assert subtracted(few) == pytest.approx(subtracted(None))


def test_tracks_with_little_of_what_is_wanted_lose_score():
    tracks = np.linspace(0, 1, 101)[:, None]
    limit = wanted(np.ones(1), 0.5, tracks, k=1, library=101)
    assert limit.limit == pytest.approx(0.9)
    assert limit.penalty(np.array([0.95, 0.9, 0.8, 0.4])).round(6).tolist() == [0, 0, PENALTY * 0.2, PENALTY]
    assert wanted(np.ones(1), 0.5, tracks, k=10, library=101).limit == pytest.approx(0.703, abs=0.01)


def test_changes_relative_to_a_track(calibration, texts):
    track = texts[3]
    calmer = compose_changes([QueryTerm("calm")], texts[:1], calibration, track)
    wilder = compose_changes([QueryTerm("calm", -1.0)], texts[:1], calibration, track)
    towards = whitened_direction(texts[0], calibration)
    assert calmer @ towards > track @ towards > wilder @ towards
    assert calmer @ track == pytest.approx(wilder @ track) and calmer @ track > 0.5


def test_queries_without_a_meaning(calibration, texts):
    with pytest.raises(LibraryError, match="only says what to exclude"):
        compose_query([QueryTerm("drums", -1.0)], texts[:1], calibration)
    with pytest.raises(LibraryError, match='"piano" is both included and excluded'):
        compose_query([QueryTerm("piano"), QueryTerm("piano", -1.0)], texts[[0, 0]], calibration)
