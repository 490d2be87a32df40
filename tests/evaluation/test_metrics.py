import numpy as np
import pytest
from sklearn.metrics import accuracy_score, average_precision_score, f1_score, roc_auc_score

from kobza.evaluation import influence, intervals, metrics


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


def test_influence_is_the_derivative_by_the_weight_of_a_recording():
    rng = np.random.default_rng(0)
    right, scores = rng.random(60) < 0.2, np.round(rng.random(60), 1)  # many ties
    true, predicted = rng.integers(0, 3, 60), rng.integers(0, 4, 60)  # the fifth class is nobody's
    found = influence.auc_influences(right, scores) | influence.class_influences(true, predicted, 5)

    def f1(weight):
        return f1_score(true, predicted, average="macro", sample_weight=weight)

    metric = {
        "ROC-AUC": lambda weight: roc_auc_score(right, scores, sample_weight=weight),
        "PR-AUC": lambda weight: average_precision_score(right, scores, sample_weight=weight),
        "F1": f1,
        "accuracy": lambda weight: accuracy_score(true, predicted, sample_weight=weight),
    }
    assert found.keys() == metric.keys()
    for name, (value, influences) in found.items():
        assert value == pytest.approx(metric[name](np.ones(60)))
        assert influences.sum() == pytest.approx(0, abs=1e-12)
        step = 1e-5 * np.eye(60)
        derivative = [(metric[name](1 + row) - metric[name](1 - row)) / 2e-5 for row in step]
        assert influences == pytest.approx(derivative, abs=1e-7), name


def test_interval_of_a_proportion_is_binomial():
    n, share = 1000, 0.3
    half = 1.96 * (share * (1 - share) / n) ** 0.5
    ranks = np.where(np.arange(n) < share * n, 0, 50)
    low, high = intervals.rank_intervals([(np.arange(n), ranks)], np.arange(n), 60)["R@1"]
    assert (low, high) == pytest.approx((share - half, share + half), abs=0.001)
    table = np.array([[200, 350], [350, 100]])
    low, high = intervals.class_intervals(table)["accuracy"]
    assert (low, high) == pytest.approx((share - half, share + half), abs=0.001)


def test_every_interval_contains_its_value():
    rng = np.random.default_rng(0)
    ranks, table = rng.integers(0, 40, 200), rng.integers(1, 9, (4, 4))
    right, scores = rng.random((200, 3)) < 0.3, rng.random((200, 3))
    right[:, 1] = False  # left out here too
    auc = {name: np.nanmean(values) for name, values in metrics.tag_metrics(right, scores).items()}
    for values, found in (
        (metrics.rank_metrics(ranks), intervals.rank_intervals([(np.arange(200), ranks)], np.arange(200), 40)),
        ({"F1": metrics.macro_f1(table), "accuracy": metrics.accuracy(table)}, intervals.class_intervals(table)),
        (auc, intervals.tag_intervals(right, scores)),
    ):
        assert found.keys() == values.keys()
        assert all(found[name][0] < value < found[name][1] for name, value in values.items())


def test_a_perfect_result_of_few_recordings_is_not_certain():
    found = intervals.rank_intervals([(np.arange(20), np.zeros(20, int))], np.arange(20), 20)
    assert found["R@1"] == pytest.approx((0.839, 1.0), abs=0.001) and found["MedR"] == (0, 0)
    low, high = intervals.class_intervals(np.diag([10, 10]))["F1"]
    assert 0.8 < low < 0.9 and high == 1.0
    # three recordings with a tag, before all others: it is these few that are known
    right = np.arange(250)[:, None] < [3]
    for low, high in intervals.tag_intervals(right, right.astype(float)).values():
        assert 0.4 < low < 0.5 and high == 1.0


def test_query_in_several_galleries_tells_no_more():
    ranks = np.random.default_rng(0).integers(0, 40, 100)
    owner = np.arange(100)
    once = intervals.rank_intervals([(owner, ranks)], owner, 40)
    again = intervals.rank_intervals([(owner, ranks)] * 5, owner, 40)
    for name, interval in once.items():
        assert again[name] == pytest.approx(interval), name


def test_captions_of_one_recording_are_not_independent():
    ranks = np.random.default_rng(0).integers(0, 40, 100)
    one = intervals.rank_intervals([(np.arange(100), ranks)], np.arange(100), 40)
    # The same recordings with four captions each, of the same rank: four times the queries, no more knowledge
    four = intervals.rank_intervals([(np.arange(400), np.repeat(ranks, 4))], np.repeat(np.arange(100), 4), 40)
    for name, interval in one.items():
        assert four[name] == pytest.approx(interval), name


def test_what_nobody_judged_counts_neither_way():
    rng = np.random.default_rng(0)
    right, scores, judged = rng.random((90, 2)) < 0.3, rng.random((90, 2)), rng.random((90, 2)) < 0.6
    found = metrics.tag_metrics(right, scores, judged)
    expected = [roc_auc_score(right[j, t], scores[j, t]) for t in range(2) for j in [judged[:, t]]]
    assert found["ROC-AUC"] == pytest.approx(expected)
    right[~judged] = ~right[~judged]
    assert metrics.tag_metrics(right, scores, judged)["PR-AUC"] == pytest.approx(found["PR-AUC"])
    low, high = intervals.tag_intervals(right, scores, judged)["ROC-AUC"]
    assert low < np.mean(expected) < high
