"""Results are read by every later version: `result_0.1.0.json` was written by kobza 0.1.0."""

import json
from pathlib import Path

import pytest
from sample_results import genre_result

from kobza.evaluation.model_index import eval_results
from kobza.evaluation.report import render_report
from kobza.evaluation.results import read_result, result_rows, write_result
from kobza.evaluation.thesis_results import published_tables

RESULT_0_1_0 = Path(__file__).with_name("result_0.1.0.json")


def test_result_of_version_0_1_0_is_read(tmp_path):
    result = read_result(RESULT_0_1_0)
    assert result["versions"]["kobza"] == "0.1.0"
    rows = result_rows(result)
    assert [(row.direction, row.gallery) for row in rows] == [("text -> music", 26), ("music -> text", 26)]
    recall = rows[0].metrics["R@5"]
    assert recall["low"] <= recall["value"] <= recall["high"]
    assert len(eval_results([result])) == 12
    assert f"{recall['value']:.3f} [{recall['low']:.3f}" in render_report(published_tables(), [result])
    write_result(result, tmp_path / "again.json")
    assert (tmp_path / "again.json").read_bytes() == RESULT_0_1_0.read_bytes()


def test_metrics_of_one_condition_share_a_row():
    rows = result_rows(genre_result())
    assert [row.prompt for row in rows] == ["The {} song", "this is a music of {}", "this is a sound of {}", "{}"]
    assert all(list(row.metrics) == ["F1", "accuracy"] for row in rows)


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"figures": [], "fingerprint": "a"}', "null"])
def test_other_files_are_refused(tmp_path, content):
    (tmp_path / "other.json").write_text(content)
    with pytest.raises(ValueError, match="is not a result of kobza evaluate"):
        read_result(tmp_path / "other.json")


def test_damaged_result_is_refused(tmp_path):
    text = json.dumps(genre_result())
    (tmp_path / "half.json").write_text(text[: len(text) // 2])
    with pytest.raises(ValueError, match="is not a result of kobza evaluate"):
        read_result(tmp_path / "half.json")
