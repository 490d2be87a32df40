"""Match z-scores: a cosine among those of a few hundred other descriptions."""

import numpy as np
from recordings import ToneEmbedder

from kobza.library.calibration import (
    FAIR_Z_SCORE,
    STRONG_Z_SCORE,
    WEAK_Z_SCORE,
    calibrate,
    match_label,
    reference_queries,
)


def test_the_closed_form_equals_the_z_score_among_the_references():
    embedder = ToneEmbedder()
    calibration, references = calibrate(embedder), embedder.embed_text(reference_queries())
    tracks = embedder.embed_text(["tone 100", "tone 440", "tone 3000"])
    query = embedder.embed_text(["tone 450"])[0]
    scores = references @ tracks.T  # (references, tracks)
    expected = (tracks @ query - scores.mean(axis=0)) / scores.std(axis=0, ddof=1)
    np.testing.assert_allclose(calibration.z_scores(query, tracks), expected, rtol=1e-3)
    assert calibration.z_scores(query, tracks).argmax() == 1


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
