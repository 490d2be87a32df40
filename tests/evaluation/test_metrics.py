import numpy as np
import pytest
from sklearn.metrics import accuracy_score, average_precision_score, f1_score, roc_auc_score

from kobza.evaluation import intervals, metrics


def test_ranks_count_from_zero():
    similarity = np.array([[0.9, 0.1, 0.2], [0.8, 0.5, 0.1], [0.7, 0.6, 0.5]])
    assert metrics.ranks(similarity).tolist() == [0, 1, 2]


def test_ties_count_against_the_model():
    assert metrics.ranks(np.zeros((4, 4))).tolist() == [3, 3, 3, 3]  # a collapsed model finds nothing
    assert metrics.retrieval_metrics(np.zeros((20, 20)))["R@10"] == 0.0
    assert metrics.ranks(np.full((4, 4), np.nan)).tolist() == [3, 3, 3, 3]


def test_best_of_several_relevant_candidates_counts():
    similarity = np.array([[0.9, 0.9, 0.5, 0.1], [0.9, 0.8, 0.5, 0.1], [0.3, 0.3, 0.3, 0.3]])
    right = np.array([[1, 1, 0, 0], [0, 0, 1, 1], [0, 1, 1, 0]], bool)
    assert metrics.ranks(similarity, right).tolist() == [0, 2, 2]


def test_metrics_computed_by_hand():
    ranks = np.array([0, 1, 4, 9, 10, 99])
    assert metrics.recall_at(ranks, 1) == pytest.approx(1 / 6)
    assert metrics.recall_at(ranks, 5) == pytest.approx(3 / 6)
    assert metrics.recall_at(ranks, 10) == pytest.approx(4 / 6)
    assert metrics.mean_rank(ranks) == pytest.approx(123 / 6)
    assert metrics.median_rank(ranks) == 6.5
    assert metrics.map_at_10(ranks) == pytest.approx((1 + 1 / 2 + 1 / 5 + 1 / 10) / 6)


def test_perfect_and_random_models():
    assert metrics.retrieval_metrics(np.eye(30))["R@1"] == 1.0
    rng = np.random.default_rng(0)
    drawn = [metrics.retrieval_metrics(rng.random((61, 61)))["R@10"] for _ in range(200)]
    assert np.mean(drawn) == pytest.approx(10 / 61, abs=0.02)


def test_f1_and_accuracy_equal_scikit_learn():
    rng = np.random.default_rng(0)
    tables = []
    for classes in (3, 6):  # of six, two appear nowhere
        true, predicted = rng.integers(0, min(classes, 4), (2, 50))
        table = metrics.confusion_matrix(true, predicted, classes)
        assert table[1, 2] == ((true == 1) & (predicted == 2)).sum() and table.shape == (classes, classes)
        assert metrics.macro_f1(table) == pytest.approx(f1_score(true, predicted, average="macro"))
        assert metrics.accuracy(table) == pytest.approx(accuracy_score(true, predicted))
        tables.append(table)
    stack = np.stack([tables[0], tables[0].T, 2 * tables[0]])
    assert metrics.macro_f1(stack) == pytest.approx([metrics.macro_f1(table) for table in stack])
    assert metrics.accuracy(stack) == pytest.approx([metrics.accuracy(table) for table in stack])


def test_auc_per_tag_equals_scikit_learn_and_is_nan_where_undefined():
    rng = np.random.default_rng(0)
    right, scores = rng.random((40, 4)) < 0.3, np.round(rng.random((40, 4)), 1)
    right[:, 1], right[:, 2] = False, True
    found = metrics.tag_metrics(right, scores)
    assert np.isnan(found["ROC-AUC"]).tolist() == np.isnan(found["PR-AUC"]).tolist() == [False, True, True, False]
    known = [0, 3]
    macro = roc_auc_score(right[:, known], scores[:, known], average="macro")
    assert np.nanmean(found["ROC-AUC"]) == pytest.approx(macro)
    macro = average_precision_score(right[:, known], scores[:, known], average="macro")
    assert np.nanmean(found["PR-AUC"]) == pytest.approx(macro)
    by_hand = metrics.tag_metrics(np.array([[1], [0], [1], [0]], bool), np.array([[0.9], [0.8], [0.7], [0.1]]))
    assert by_hand["ROC-AUC"] == [0.75] and by_hand["PR-AUC"] == pytest.approx([(1 + 2 / 3) / 2])


def test_resampled_rank_metrics_equal_those_of_the_drawn_ranks():
    rng = np.random.default_rng(0)
    ranks = rng.integers(0, 30, 25)
    counts = np.concatenate(list(intervals._resample_counts(25, 150, seed=1)))
    assert counts.shape == (150, 25) and (counts.sum(axis=1) == 25).all()
    found = intervals._weighted_metrics(ranks, counts)
    for i in range(150):
        expected = metrics.rank_metrics(np.repeat(ranks, counts[i].astype(int)))
        assert {name: values[i] for name, values in found.items()} == pytest.approx(expected, abs=1e-6)


def test_resampled_auc_equals_weighted_scikit_learn():
    rng = np.random.default_rng(0)
    right, scores = rng.random(60) < 0.2, np.round(rng.random(60), 1)  # many ties
    counts = next(intervals._resample_counts(60, 50, seed=1))
    roc, pr = intervals._SortedTag(right, scores).areas(counts.T)
    for i in range(50):
        assert roc[i] == pytest.approx(roc_auc_score(right, scores, sample_weight=counts[i]), abs=1e-6)
        assert pr[i] == pytest.approx(average_precision_score(right, scores, sample_weight=counts[i]), abs=1e-6)
    only_negatives = np.where(right, 0, 1)[:, None].astype(np.float32)
    assert np.isnan(intervals._SortedTag(right, scores).areas(only_negatives)).all()
    assert np.isnan(intervals._SortedTag(right, scores).areas(1 - only_negatives)).all()


def test_interval_of_a_proportion_is_binomial():
    n, share = 1000, 0.3
    half = 1.96 * (share * (1 - share) / n) ** 0.5
    ranks = np.where(np.arange(n) < share * n, 0, 50)
    low, high = intervals.rank_intervals([(np.arange(n), ranks)], n)["R@1"]
    assert (low, high) == pytest.approx((share - half, share + half), abs=0.006)
    table = np.array([[200, 350], [350, 100]])
    low, high = intervals.class_intervals(table)["accuracy"]
    assert (low, high) == pytest.approx((share - half, share + half), abs=0.006)


def test_every_interval_contains_its_value_and_is_reproducible():
    rng = np.random.default_rng(0)
    ranks, table = rng.integers(0, 40, 200), rng.integers(1, 9, (4, 4))
    right, scores = rng.random((200, 3)) < 0.3, rng.random((200, 3))
    right[:, 1] = False  # left out here too
    auc = {name: np.nanmean(values) for name, values in metrics.tag_metrics(right, scores).items()}
    for values, compute in (
        (metrics.rank_metrics(ranks), lambda **k: intervals.rank_intervals([(np.arange(200), ranks)], 200, **k)),
        (
            {"F1": metrics.macro_f1(table), "accuracy": metrics.accuracy(table)},
            lambda **k: intervals.class_intervals(table, **k),
        ),
        (auc, lambda **k: intervals.tag_intervals(right, scores, **k)),
    ):
        first = compute()
        assert first.keys() == values.keys()
        assert all(first[name][0] < value < first[name][1] for name, value in values.items())
        assert compute() == first != compute(seed=1)


def test_query_in_several_galleries_is_drawn_in_all_of_them():
    ranks = np.random.default_rng(0).integers(0, 40, 100)
    once = intervals.rank_intervals([(np.arange(100), ranks)], 100)
    again = intervals.rank_intervals([(np.arange(100), ranks)] * 5, 100)  # the same queries five times tell no more
    assert once.keys() == again.keys()
    for name, interval in once.items():
        assert again[name] == pytest.approx(interval), name
