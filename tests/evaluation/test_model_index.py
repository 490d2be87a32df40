import pytest
import yaml
from huggingface_hub import ModelCard
from made_receipts import genre_receipt, retrieval_receipt, tag_receipt

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
    retrieval_receipt(),
    retrieval_receipt("pairs", folder="pairs-folk"),
    retrieval_receipt("pairs", folder="pairs-jazz"),
    genre_receipt(),
    tag_receipt(),
]


@pytest.fixture
def readme(tmp_path):
    path = tmp_path / "README.md"
    path.write_text(CARD, encoding="utf-8")
    return path


def test_written_and_read_back(readme):
    write_model_index(readme, "kobza-mini", ALL)
    card = ModelCard.load(readme)
    results = eval_results(ALL)
    key = repr
    assert sorted(card.data.eval_results, key=key) == sorted(results, key=key)
    assert len(results) == sum(len(receipt["figures"]) for receipt in ALL)
    assert card.data.model_name == "kobza-mini"
    assert card.data.license == "apache-2.0" and card.data.tags == ["music"] and "# kobza-mini\n\nText." in card.text


def test_the_yaml_is_the_shape_that_the_hub_reads(readme):
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


def test_again_replaces_its_own_and_keeps_others(readme):
    write_model_index(readme, "kobza-mini", [genre_receipt(), tag_receipt()])
    changed = genre_receipt()
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


def test_unknown_figures_are_left_out():
    receipt = genre_receipt()
    receipt["figures"][0]["value"] = None
    assert len(eval_results([receipt])) == 7


def test_receipts_of_two_models_are_refused(readme):
    with pytest.raises(ValueError, match="of 2 models"):
        write_model_index(readme, "kobza-mini", [genre_receipt(), tag_receipt(model="another")])
    assert readme.read_text(encoding="utf-8") == CARD


def test_no_card_and_a_damaged_card_are_a_sentence(tmp_path, readme):
    with pytest.raises(ValueError, match="There is no model card"):
        write_model_index(tmp_path / "none.md", "kobza-mini", ALL)
    readme.write_text("---\na: [\n---\n", encoding="utf-8")
    with pytest.raises(ValueError, match="mend its head"):
        write_model_index(readme, "kobza-mini", ALL)
