import numpy as np
import pytest
from recordings import ToneEmbedder

from kobza.evaluation import zero_shot


def test_placeholder_names_of_the_thesis_are_accepted():
    assert zero_shot.parse_prompts(["The {genre} song", "The {} song", "{tag}"]) == ["The {} song", "{}"]
    with pytest.raises(ValueError, match="'The song' has no placeholder"):
        zero_shot.parse_prompts(["{}", "The song"])


def test_embed_labels_and_their_ensemble():
    vectors = zero_shot.embed_labels(ToneEmbedder(), ["tone {}", "tone {}00"], ["2", "30"], ensemble=True)
    assert list(vectors) == ["tone {}", "tone {}00", "ensemble"]
    assert np.array_equal(vectors["tone {}00"], ToneEmbedder().embed_text(["tone 200", "tone 3000"]))
    mean = vectors["tone {}"] + vectors["tone {}00"]
    assert np.allclose(vectors["ensemble"], mean / np.linalg.norm(mean, axis=1, keepdims=True), atol=1e-6)
    assert list(zero_shot.embed_labels(ToneEmbedder(), ["tone {}"], ["200"], ensemble=False)) == ["tone {}"]


def test_recording_gets_the_nearest_label():
    text = {"good": np.eye(3), "swapped": np.eye(3)[[1, 0, 2]]}
    true = np.array([0, 0, 1, 2])
    entries, predicted = zero_shot.evaluate_classification(np.eye(3)[true], text, true)
    assert {prompt: labels.tolist() for prompt, labels in predicted.items()} == {
        "good": [0, 0, 1, 2],
        "swapped": [1, 1, 0, 2],
    }
    found = {(f["prompt"], f["metric"]): f["value"] for f in entries}
    assert found == {
        ("good", "F1"): 1.0,
        ("good", "accuracy"): 1.0,
        ("swapped", "F1"): pytest.approx(1 / 3),
        ("swapped", "accuracy"): 0.25,
    }


def test_tags_on_all_or_no_recordings_are_left_out():
    audio = np.array([[1.0, 0.0], [0.6, 0.8], [0.0, 1.0]])
    has_tag = np.array([[1, 0, 0], [1, 1, 0], [0, 1, 0]], bool)
    entries, areas = zero_shot.evaluate_tagging(audio, {"{}": np.array([[1.0, 0.0], [1.0, 0.0], [0.0, 1.0]])}, has_tag)
    assert areas["{}"][:2] == [1.0, 0.0] and np.isnan(areas["{}"][2])
    assert (entries[0]["metric"], entries[0]["classes"], entries[0]["value"]) == ("ROC-AUC", 2, 0.5)
