import pytest
import yaml
from huggingface_hub import ModelCard
from sample_results import genre_result, retrieval_result, tag_result

from kobza.evaluation.model_index import eval_results, write_model_index

CARD = """---
license: apache-2.0
tags:
- music
---

# kobza-mini

Text.
"""
ALL = [
    retrieval_result(),
    retrieval_result("pairs", folder="pairs-folk"),
    retrieval_result("pairs", folder="pairs-jazz"),
    genre_result(),
    tag_result(),
]


@pytest.fixture
def readme(tmp_path):
    path = tmp_path / "README.md"
    path.write_text(CARD, encoding="utf-8")
    return path


def test_round_trip(readme):
    write_model_index(readme, "kobza-mini", ALL)
    card = ModelCard.load(readme)
    results = eval_results(ALL)
    key = repr
    assert sorted(card.data.eval_results, key=key) == sorted(results, key=key)
    assert len(results) == sum(len(result["figures"]) for result in ALL)
    assert card.data.model_name == "kobza-mini"
    assert card.data.license == "apache-2.0" and card.data.tags == ["music"] and "# kobza-mini\n\nText." in card.text


def test_yaml_has_the_format_of_the_hub(readme):
    write_model_index(readme, "kobza-mini", ALL)
    (entry,) = yaml.safe_load(readme.read_text(encoding="utf-8").split("---")[1])["model-index"]
    results = {(r["task"]["type"], r["dataset"]["name"]): r for r in entry["results"]}
    assert len(results) == len(entry["results"]) == 8  # two directions on three sets, genres, tags
    assert results["text-to-music-retrieval", "pairs-jazz"]["dataset"]["config"] == "pairs-jazz"
    found = results["text-to-music-retrieval", "MusicCaps"]
    assert found["dataset"]["type"] == "google/MusicCaps" and found["dataset"]["split"] == "test"
    assert found["dataset"]["args"]["used"] == 3 and found["dataset"]["args"]["of"] == 4
    recall = [m for m in found["metrics"] if m["type"] == "recall_at_10"]
    assert [(m["name"], m["args"]["gallery"], m["value"]) for m in recall] == [
        ("R@10 (gallery 2)", 2, pytest.approx(0.302)),
        ("R@10 (gallery 3)", 3, pytest.approx(0.303)),
    ]
    f1 = results["audio-classification", "GTZAN"]["metrics"][0]
    assert (f1["type"], f1["value"], f1["args"]["prompt"]) == ("f1", pytest.approx(0.1), "The {} song")
    assert f1["args"]["low"] < f1["value"] < f1["args"]["high"]


def test_same_results_are_replaced_and_others_kept(readme):
    write_model_index(readme, "kobza-mini", [genre_result(), tag_result()])
    changed = genre_result()
    for figure in changed["figures"]:
        figure["value"] = 0.99
    write_model_index(readme, "kobza-mini", [changed])
    results = ModelCard.load(readme).data.eval_results
    assert {r.metric_value for r in results if r.dataset_name == "GTZAN"} == {0.99}
    assert sum(r.dataset_name == "GTZAN" for r in results) == 8
    assert sum(r.dataset_name == "MagnaTagATune" for r in results) == 6
    once = readme.read_text(encoding="utf-8")
    write_model_index(readme, "kobza-mini", [changed])
    assert readme.read_text(encoding="utf-8") == once


def test_unknown_values_are_left_out():
    result = genre_result()
    result["figures"][0]["value"] = None
    assert len(eval_results([result])) == 7


def test_results_of_two_models_are_refused(readme):
    with pytest.raises(ValueError, match="of 2 models"):
        write_model_index(readme, "kobza-mini", [genre_result(), tag_result(model="another")])
    assert readme.read_text(encoding="utf-8") == CARD


def test_missing_and_damaged_cards_are_errors(tmp_path, readme):
    with pytest.raises(ValueError, match="There is no model card"):
        write_model_index(tmp_path / "none.md", "kobza-mini", ALL)
    readme.write_text("---\na: [\n---\n", encoding="utf-8")
    with pytest.raises(ValueError, match="correct the YAML"):
        write_model_index(readme, "kobza-mini", ALL)
