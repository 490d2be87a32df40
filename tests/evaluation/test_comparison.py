import json

import numpy as np
import pytest
from sample_results import retrieval_result

from kobza.cli import main
from kobza.errors import KobzaError
from kobza.evaluation.comparison import compare_classes, compare_ranks, compare_results, compare_tags


def by_metric(differences):
    return {one.metric: one for one in differences}


def test_a_result_differs_from_itself_in_nothing():
    ranks = np.array([0, 3, 12, 1])
    for one in compare_ranks(ranks, ranks, np.arange(4)):
        assert (one.difference, one.low, one.high, one.p) == (0, 0, 0, 1)


def test_the_difference_is_that_of_the_metrics_and_the_interval_holds_it():
    rng = np.random.default_rng(3)
    worse, better = rng.integers(0, 40, 300), rng.integers(0, 20, 300)
    found = by_metric(compare_ranks(worse, better, np.arange(300)))
    assert found["R@10"].difference == pytest.approx((better < 10).mean() - (worse < 10).mean())
    assert found["R@10"].low < found["R@10"].difference < found["R@10"].high
    assert found["R@10"].p < 0.001 and found["MeanR"].difference < -5 and found["MeanR"].high < 0


def test_captions_of_a_recording_are_drawn_together():
    """Ten captions of each of 20 recordings that agree say as little as one."""
    rng = np.random.default_rng(4)
    a, b = rng.integers(0, 20, 20), rng.integers(0, 20, 20)
    one = by_metric(compare_ranks(a, b, np.arange(20)))["MeanR"]
    ten = by_metric(compare_ranks(np.repeat(a, 10), np.repeat(b, 10), np.repeat(np.arange(20), 10)))["MeanR"]
    assert (ten.low, ten.high, ten.p) == (one.low, one.high, one.p)


def test_p_values_and_intervals_hold_what_they_promise_for_models_that_are_alike(monkeypatch):
    """Of 200 pairs of equally good models some 5 % are called different; and as many intervals miss 0."""
    monkeypatch.setattr("kobza.evaluation.comparison.RESAMPLES", 1000)
    rng = np.random.default_rng(5)
    found = [
        by_metric(compare_ranks(*rng.integers(0, 30, (2, 100)), np.arange(100), seed=k))["mAP10"] for k in range(200)
    ]
    assert 0.01 <= np.mean([one.p < 0.05 for one in found]) <= 0.1
    assert 0.01 <= np.mean([not one.low <= 0 <= one.high for one in found]) <= 0.1


def test_predicted_classes_are_compared():
    true = np.repeat([0, 1, 2], 20)
    wrong = np.where(np.arange(60) % 2, true, (true + 1) % 3)
    found = by_metric(compare_classes(true, wrong, true, 3))
    assert found["accuracy"].difference == pytest.approx(0.5) and found["F1"].second == 1
    assert found["F1"].p < 0.001 and 0.3 < found["F1"].low < found["F1"].difference < found["F1"].high < 0.7


def test_tags_are_compared_where_both_models_have_an_auc():
    (one,) = compare_tags(np.array([0.6, np.nan, 0.7, 0.5]), np.array([0.7, 0.9, 0.8, np.nan]))
    assert one.first == pytest.approx(0.65) and one.difference == pytest.approx(0.1)


def results(**changes):
    base = retrieval_result("pairs", "a")
    base["details"] = {"queries": {"text -> music": ["x", "y", "z"]}, "ranks": {"text -> music": [0, 1, 5]}}
    other = {**base, "model": "b", "details": {**base["details"], "ranks": {"text -> music": [0, 0, 0]}}, **changes}
    return base, other


def test_results_of_other_recordings_or_without_queries_are_refused():
    with pytest.raises(KobzaError, match="not of the same recordings"):
        compare_results(*results(data_hash="other"))
    with pytest.raises(KobzaError, match="Nothing of a and b can be compared"):
        compare_results(*results(details={"ranks": {}}))
    with pytest.raises(KobzaError, match="Nothing of a and b can be compared"):
        compare_results(*({**result, "details": None} for result in results()))


def test_the_command(tmp_path, capsys):
    for name, result in zip("ab", results(), strict=True):
        (tmp_path / f"{name}.json").write_text(json.dumps(result))
    assert main(["compare", str(tmp_path / "a.json"), str(tmp_path / "b.json")]) == 0
    out = capsys.readouterr().out
    assert "text -> music" in out and "+0.667" in out and "A: a" in out
    assert main(["compare", str(tmp_path / "a.json"), str(tmp_path / "c.json")]) == 1
