import pytest

from kobza.evaluation.thesis_results import published_tables

# One per value, with everything that it depends on.
RECORDS = [
    {**vars(table), **vars(row), "metric": metric, "value": value}
    for table in published_tables()
    for row in table.rows
    for metric, value in row.metrics.items()
]


def value(table, system, metric, prompt=None):
    (found,) = [
        f["value"]
        for f in RECORDS
        if (f["table"], f["system"], f["metric"], f["prompt"]) == (table, system, metric, prompt)
    ]
    return found


@pytest.mark.parametrize(
    ("table", "count", "total"),
    [
        ("2.2", 30, 351.779),
        ("2.4", 30, 250.352),
        ("3.2", 4, 1.726),
        ("3.3", 3, 2.145),
        ("3.4", 12, 118.195),
        ("3.5", 8, 4.230),
        ("3.6", 6, 4.437),
        ("3.7", 2, 1.560),
    ],
)
def test_every_value_of_every_table(table, count, total):
    values = [record["value"] for record in RECORDS if record["table"] == table]
    assert len(values) == count
    assert sum(values) == pytest.approx(total, abs=1e-9)


def test_there_is_no_other_table():
    assert [table.table for table in published_tables()] == ["2.2", "2.4", "3.2", "3.3", "3.4", "3.5", "3.6", "3.7"]
    assert len(RECORDS) == 95


@pytest.mark.parametrize(
    ("table", "system", "values"),
    [
        ("2.2", "model_1", (0.137, 0.434, 0.591, 31.875, 6, 0.259)),
        ("2.2", "model_2", (0.159, 0.428, 0.577, 24.935, 6, 0.273)),
        ("2.2", "model_5", (0.049, 0.174, 0.303, 119.496, 23, 0.108)),
        ("2.4", "model_6", (0.178, 0.482, 0.627, 35.138, 5, 0.303)),
        ("2.4", "model_10", (0.111, 0.376, 0.541, 34.183, 8, 0.227)),
        ("3.4", "clap_music", (0.124, 0.361, 0.482, 49.090, 11, 0.225)),
        ("3.4", "clap_default", (0.120, 0.301, 0.449, 43.841, 12, 0.202)),
    ],
)
def test_retrieval_values(table, system, values):
    metrics = ("R@1", "R@5", "R@10", "MeanR", "MedR", "mAP10")
    assert tuple(value(table, system, metric) for metric in metrics) == values


@pytest.mark.parametrize(
    ("table", "system", "metric", "prompt", "expected"),
    [
        ("3.2", "zero_shot", "F1", "The {genre} song", 0.679),
        ("3.2", "zero_shot", "F1", "this is a sound of {genre}", 0.315),
        ("3.2", "zero_shot", "F1", "{genre}", 0.360),
        ("3.3", "zero_shot", "ROC-AUC", "{tag}", 0.680),
        ("3.3", "zero_shot", "ROC-AUC", "The {tag} song", 0.756),
        ("3.5", "clap_music", "F1", "this is a music of {genre}", 0.634),
        ("3.5", "clap_default", "F1", "this is a music of {genre}", 0.629),
        ("3.5", "clap_default", "F1", "{genre}", 0.334),
        ("3.6", "clap_music", "ROC-AUC", "song with this feature: {tag}", 0.642),
        ("3.6", "clap_default", "ROC-AUC", "song with this feature: {tag}", 0.714),
        ("3.6", "clap_music", "ROC-AUC", "The {tag} song", 0.798),
        ("3.7", "mulan_m_ast", "ROC-AUC", None, 0.778),
        ("3.7", "mulan_m_resnet50", "ROC-AUC", None, 0.782),
    ],
)
def test_zero_shot_values(table, system, metric, prompt, expected):
    assert value(table, system, metric, prompt) == expected


def test_settings():
    settings = {f["system"]: f["settings"] for f in RECORDS}
    assert [settings[f"model_{i}"]["tau"] for i in range(1, 11)] == [1, 2, 0.2, 0.2, 0.2, 1, 1, 1, 1, 1]
    assert [settings[f"model_{i}"]["unfrozen_bert"] for i in range(1, 11)] == [5, 5, 5, 3, 5, 5, 5, 5, 3, 5]
    assert [settings[f"model_{i}"]["unfrozen_ast"] for i in range(1, 11)] == [0, 0, 0, 3, 5, 0, 0, 0, 0, 0]
    assert [settings[f"model_{i}"]["added_bert"] for i in range(6, 11)] == [0, 0, 1, 3, 3]
    assert [settings[f"model_{i}"]["added_ast"] for i in range(6, 11)] == [1, 3, 1, 3, 0]
    assert settings["zero_shot"]["tau"] == 1.2
    assert settings["clap_music"]["weights"] == "music_audioset_epoch_15_esc_90.14.pt"
    assert (settings["mulan_m_ast"]["lr"], settings["mulan_m_resnet50"]["lr"]) == (4e-5, 5e-5)


def test_only_mulan_is_published_only_and_every_value_has_a_source():
    assert {f["system"] for f in RECORDS if f["published_only"]} == {"mulan_m_ast", "mulan_m_resnet50"}
    assert all(f"table {f['table']}" in f["source"] for f in RECORDS)
    assert {(f["dataset"], f["gallery"]) for f in RECORDS} == {
        ("musiccaps", 1000),
        ("gtzan", None),
        ("magnatagatune", None),
    }
