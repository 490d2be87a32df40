"""The strength of a match: a score among those of a few hundred other descriptions."""

import numpy as np
from recordings import ToneEar

from kobza.library.calibration import FAIR, STRONG, WEAK, match_word, reference_queries, spread_of


def test_it_is_the_scores_place_among_the_references():
    """The closed form equals mean and deviation of the references' scores, taken one by one."""
    ear = ToneEar()
    spread, references = spread_of(ear), ear.embed_text(reference_queries())
    tracks = ear.embed_text(["tone 100", "tone 440", "tone 3000"])
    query = ear.embed_text(["tone 450"])[0]
    scores = references @ tracks.T  # (references, tracks)
    expected = (tracks @ query - scores.mean(axis=0)) / scores.std(axis=0, ddof=1)
    np.testing.assert_allclose(spread.strength(query, tracks), expected, rtol=1e-3)
    assert spread.strength(query, tracks).argmax() == 1


def test_the_references_are_embedded_once_for_each_checkpoint(monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    asked = []

    class Ear(ToneEar):
        def embed_text(self, texts):
            asked.append(self.fingerprint)
            return super().embed_text(texts)

    first, again = spread_of(Ear(fingerprint="one")), spread_of(Ear(fingerprint="one"))
    spread_of(Ear(fingerprint="two"))
    spread_of(Ear(dim=32, fingerprint="one"))
    assert asked == ["one", "two", "one"]
    np.testing.assert_array_equal(first.covariance, again.covariance)
    np.testing.assert_array_equal(first.mean, again.mean)
    for damaged in (tmp_path / "kobza").iterdir():
        damaged.write_bytes(damaged.read_bytes()[:200])
    np.testing.assert_array_equal(spread_of(Ear(fingerprint="one")).mean, first.mean)
    monkeypatch.setenv("XDG_CACHE_HOME", "/dev/null")
    assert spread_of(ToneEar()).mean.shape == (64,)  # nowhere to keep it: it is only slower


def test_words():
    assert [match_word(x) for x in (9.0, STRONG, STRONG - 0.1, FAIR, WEAK, WEAK - 0.1, -5.0)] == [
        *("strong", "strong", "fair", "fair", "weak", "none", "none")
    ]


def test_the_references_are_many_and_different():
    queries = reference_queries()
    assert len(queries) > 300 and len(set(queries)) == len(queries)
    assert all(query == query.strip() and query for query in queries)
