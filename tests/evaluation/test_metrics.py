import numpy as np
import pytest

from kobza.evaluation import metrics


def test_ranks_count_from_zero():
    similarity = np.array([[0.9, 0.1, 0.2], [0.8, 0.5, 0.1], [0.7, 0.6, 0.5]])
    assert metrics.ranks(similarity).tolist() == [0, 1, 2]


def test_ties_count_against_the_model():
    assert metrics.ranks(np.zeros((4, 4))).tolist() == [3, 3, 3, 3]  # a collapsed model finds nothing
    assert metrics.retrieval_metrics(np.zeros((20, 20)))["R@10"] == 0.0
    assert metrics.ranks(np.full((4, 4), np.nan)).tolist() == [3, 3, 3, 3]


def test_the_thesis_definitions_by_hand():
    ranks = np.array([0, 1, 4, 9, 10, 99])
    assert metrics.recall_at(ranks, 1) == pytest.approx(1 / 6)
    assert metrics.recall_at(ranks, 5) == pytest.approx(3 / 6)
    assert metrics.recall_at(ranks, 10) == pytest.approx(4 / 6)
    assert metrics.mean_rank(ranks) == pytest.approx(123 / 6)
    assert metrics.median_rank(ranks) == 6.5
    assert metrics.map_at_10(ranks) == pytest.approx((1 + 1 / 2 + 1 / 5 + 1 / 10) / 6)


def test_a_perfect_model_and_chance():
    assert metrics.retrieval_metrics(np.eye(30))["R@1"] == 1.0
    rng = np.random.default_rng(0)
    drawn = [metrics.retrieval_metrics(rng.random((61, 61)))["R@10"] for _ in range(200)]
    assert np.mean(drawn) == pytest.approx(10 / 61, abs=0.02)
