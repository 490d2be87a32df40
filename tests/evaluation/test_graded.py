import json

import numpy as np
import pytest
from recordings import ToneEmbedder, tone, write
from sklearn.metrics import ndcg_score

from kobza.cli import main
from kobza.data.recordings import DataSetError
from kobza.data.sets import load_data_set
from kobza.evaluation.comparison import compare_results
from kobza.evaluation.evaluate import evaluate
from kobza.evaluation.metrics import ndcg_at

HERTZ = (200, 300, 450, 700, 1000)


@pytest.fixture
def judged(tmp_path, monkeypatch):
    """Five tones; who looks for the first wants the second a little."""
    monkeypatch.setattr("kobza.evaluation.sanity_checks.run_checks", lambda embedder: [])
    for hertz in HERTZ:
        write(tmp_path / "audio" / f"tone-{hertz}.wav", tone(hertz, 1.2))
    return tmp_path


GRADES = [("tone 200", "tone-200", 3), ("tone 200", "tone-300", 1), ("tone 1000", "tone-1000", 2)]


def as_own_table(folder):
    lines = [f"{query},audio/{name}.wav,{grade}" for query, name, grade in GRADES]
    (folder / "judgments.csv").write_text("query,recording,grade\n" + "\n".join(lines))


def as_beir(folder):
    ids = {query: f"q{i}" for i, query in enumerate(dict.fromkeys(query for query, _, _ in GRADES))}
    rows = [{"_id": id, "text": query} for query, id in ids.items()]
    (folder / "queries.jsonl").write_text("\n".join(map(json.dumps, rows)))
    (folder / "qrels").mkdir()
    lines = [f"{ids[query]}\t{name}\t{grade}" for query, name, grade in GRADES]
    (folder / "qrels" / "test.tsv").write_text("query-id\tcorpus-id\tscore\n" + "\n".join(lines))


@pytest.mark.parametrize("written", [as_own_table, as_beir])
def test_both_forms_are_read_and_measured(judged, written, monkeypatch, capsys):
    written(judged)
    data = load_data_set(f"judged:{judged}")
    assert data.task == "ranking" and len(data.recordings) == 5
    assert [(query, id[6:-4], grade) for query, id, grade in data.judgments] == GRADES
    result = evaluate(ToneEmbedder(), f"judged:{judged}")
    entries = {entry["metric"]: entry for entry in result["figures"]}
    assert list(entries) == ["nDCG@5", "nDCG@10", "nDCG@100"] and entries["nDCG@5"]["gallery"] == 5
    assert 0.9 < entries["nDCG@10"]["value"] <= entries["nDCG@10"]["high"] <= 1
    assert result["details"]["graded_queries"] == ["tone 200", "tone 1000"]
    (one,) = compare_results(result, result).tables["text -> music"]
    assert (one.metric, one.first, one.p) == ("nDCG@10", entries["nDCG@10"]["value"], 1.0)
    monkeypatch.chdir(judged)
    monkeypatch.setattr("kobza.embedding.loader.load_embedder", lambda name, **_: ToneEmbedder())
    (judged / "README.md").write_text("# A card\n")
    assert main(["evaluate", "model", "--on", f"judged:{judged}", "--card", "README.md"]) == 0
    assert "nDCG@10" in capsys.readouterr().out and "ndcg_at_10" in (judged / "README.md").read_text()


def test_ndcg_is_scikit_learns_without_ties():
    rng = np.random.default_rng(0)
    grades, scores = rng.integers(0, 4, (20, 30)), rng.random((20, 30))
    for k in (1, 5, 100):
        expected = [ndcg_score(g[None], s[None], k=k) for g, s in zip(grades, scores, strict=True)]
        assert ndcg_at(scores, grades, k) == pytest.approx(expected)


def test_ties_count_against_the_model_and_queries_without_an_answer_do_not_count():
    assert ndcg_at(np.zeros((1, 4)), np.array([[1, 0, 0, 0]]), 3)[0] == 0
    assert ndcg_at(np.full((1, 4), np.nan), np.array([[1, 0, 0, 0]]), 3)[0] == 0
    assert np.isnan(ndcg_at(np.zeros((1, 4)), np.zeros((1, 4)), 3)[0])


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("query,file,grade\n", "no column 'recording'; it has 'query', 'file', 'grade'"),
        ("query,recording,grade\nsad,audio/tone-200.wav,good\n", "is 'good': write a number of 0 or more"),
        ("query,recording,grade\nsad,gone.wav,3\n", "No query of .* has a recording with a grade above 0"),
        (None, r"has no judgments\.csv and no queries\.jsonl: write a judgments\.csv"),
    ],
)
def test_what_is_wrong_is_named(judged, text, sentence):
    if text:
        (judged / "judgments.csv").write_text(text)
    with pytest.raises(DataSetError, match=sentence):
        load_data_set(f"judged:{judged}")
