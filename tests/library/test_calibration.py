"""Match z-scores: a cosine among those of a few hundred other descriptions."""

import numpy as np
import pytest
from recordings import ToneEmbedder

from kobza.library.calibration import (
    FAIR_Z_SCORE,
    FAMILIARITY_WEIGHT,
    STRONG_Z_SCORE,
    WEAK_Z_SCORE,
    ScoreCalibration,
    calibrate,
    match_label,
    reference_queries,
    score_scale,
)


def test_the_scale_is_that_of_the_references_in_the_library():
    """Standard deviations above what the references score on its tracks."""
    embedder = ToneEmbedder()
    references = embedder.embed_text(reference_queries())
    calibration = ScoreCalibration.of(references)
    tracks = embedder.embed_text(["tone 100", "tone 440", "tone 3000"])
    query = embedder.embed_text(["tone 450"])[0]
    scores = references @ tracks.T  # (references, tracks)
    deviation = np.sqrt(scores.var(axis=0, ddof=1).mean())
    scale = score_scale(calibration, query, query, 0.0, tracks)
    expected = (tracks @ query - scores.mean()) / deviation
    np.testing.assert_allclose(scale.scores(tracks @ query), expected, rtol=1e-3)
    np.testing.assert_allclose(scale.cosines(expected), tracks @ query, atol=1e-4)
    lower = score_scale(calibration, query, query, -2.0, tracks)
    np.testing.assert_allclose(lower.scores(tracks @ query), expected - 2 * FAMILIARITY_WEIGHT, rtol=1e-3)


def test_a_composed_query_is_on_the_scale_of_its_positive_terms():
    rng = np.random.default_rng(0)
    references, tracks = rng.normal(size=(50, 8)), rng.normal(size=(200, 8))
    calibration = ScoreCalibration.of(references)
    query, positive = rng.normal(size=(2, 8))
    plain = score_scale(calibration, positive, positive, -1.0, tracks).scores(tracks @ positive)
    composed = score_scale(calibration, query, positive, -1.0, tracks).scores(tracks @ query)
    assert composed.mean() == pytest.approx(plain.mean()) and composed.std() == pytest.approx(plain.std())
    assert (np.argsort(composed) == np.argsort(tracks @ query)).all()


def test_what_is_like_no_reference_is_unfamiliar():
    references = np.eye(6)[[0, 1, 2, 3]].repeat(3, axis=0) + np.random.default_rng(0).normal(0, 0.1, (12, 6))
    references /= np.linalg.norm(references, axis=1, keepdims=True)
    familiar, strange = ScoreCalibration.of(references).unfamiliarity(np.eye(6)[[0, 5]])
    assert strange < -1 < familiar <= 0


def test_the_references_are_embedded_once_for_each_model(monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    embedded = []

    class NamedEmbedder(ToneEmbedder):
        def embed_text(self, texts):
            embedded.append(self.fingerprint)
            return super().embed_text(texts)

    first, again = calibrate(NamedEmbedder(fingerprint="one")), calibrate(NamedEmbedder(fingerprint="one"))
    calibrate(NamedEmbedder(fingerprint="two"))
    calibrate(NamedEmbedder(dim=32, fingerprint="one"))
    assert embedded == ["one", "two", "one"]
    np.testing.assert_array_equal(first.covariance, again.covariance)
    np.testing.assert_array_equal(first.mean, again.mean)
    for damaged in (tmp_path / "kobza").iterdir():
        damaged.write_bytes(damaged.read_bytes()[:200])
    np.testing.assert_array_equal(calibrate(NamedEmbedder(fingerprint="one")).mean, first.mean)
    monkeypatch.setenv("XDG_CACHE_HOME", "/dev/null")
    assert calibrate(ToneEmbedder()).mean.shape == (64,)  # no writable cache: only slower


def test_labels():
    scores = (9.0, STRONG_Z_SCORE, STRONG_Z_SCORE - 0.1, FAIR_Z_SCORE, WEAK_Z_SCORE, WEAK_Z_SCORE - 0.1, -5.0)
    assert [match_label(x) for x in scores] == [*("strong", "strong", "fair", "fair", "weak", "none", "none")]


def test_there_are_many_distinct_references():
    queries = reference_queries()
    assert len(queries) > 300 and len(set(queries)) == len(queries)
    assert all(query == query.strip() and query for query in queries)
