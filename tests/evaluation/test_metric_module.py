"""The published metric is loaded as its users load it, from its folder, and compared with the package's own."""

import ast
from pathlib import Path

import numpy as np
import pytest

from kobza.evaluation.metrics import ranks, retrieval_metrics

evaluate = pytest.importorskip("evaluate")
FOLDER = Path(__file__).resolve().parents[2] / "hub" / "metrics" / "text_to_music_retrieval"


@pytest.fixture(scope="module")
def metric(tmp_path_factory):
    return evaluate.load(str(FOLDER), cache_dir=str(tmp_path_factory.mktemp("evaluate")))


def matrices():
    rng = np.random.default_rng(0)
    tied = rng.integers(0, 4, (40, 40)).astype(float)
    lost = rng.random((12, 12))
    lost[3, 3] = lost[5, 2] = np.nan
    near = np.eye(30) + 1.2 * rng.random((30, 30))
    return {"random": rng.random((61, 61)), "near": near, "tied": tied, "nan": lost, "one": np.ones((1, 1))}


@pytest.mark.parametrize("name", matrices())
def test_it_equals_kobzas_metrics(metric, name):
    similarity = matrices()[name]
    expected = retrieval_metrics(similarity)
    assert metric.compute(predictions=similarity) == pytest.approx(expected, abs=1e-12)
    assert metric.compute(predictions=similarity.tolist()) == pytest.approx(expected, abs=1e-12)
    assert metric.compute(predictions=ranks(similarity)) == pytest.approx(expected, abs=1e-12)


def test_it_accepts_float32_similarities(metric):
    vectors = np.random.default_rng(1).standard_normal((20, 8)).astype(np.float32)
    assert metric.compute(predictions=vectors @ vectors.T) == pytest.approx(retrieval_metrics(vectors @ vectors.T))


def test_the_example_in_its_description(metric):
    assert metric.compute(predictions=[[0.9, 0.1, 0.2], [0.8, 0.5, 0.1], [0.7, 0.6, 0.8]])["R@1"] == 2 / 3
    assert metric.compute(predictions=[0, 3, 12])["MedR"] == 3.0


@pytest.mark.parametrize(
    ("predictions", "reason"),
    [([[0.1, 0.2], [0.3, 0.4], [0.5, 0.6]], "must be square"), ([[0.1, 0.2], [0.3]], "1 to 2"), ([2, -1], "from 0")],
)
def test_invalid_predictions_are_refused(metric, predictions, reason):
    with pytest.raises(ValueError, match=reason):
        metric.compute(predictions=predictions)


def test_it_does_not_import_kobza():
    """It is published alone; and `evaluate` reads its imports line by line, one to a line."""
    tree = ast.parse((FOLDER / "text_to_music_retrieval.py").read_text(encoding="utf-8"))
    imports = [node for node in ast.walk(tree) if isinstance(node, (ast.Import, ast.ImportFrom))]
    assert {alias.name for node in imports for alias in node.names} == {"datasets", "evaluate", "numpy"}
    assert all(len(node.names) == 1 for node in imports)
