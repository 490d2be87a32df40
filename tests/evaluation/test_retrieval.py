import numpy as np
import pytest

from kobza.evaluation import retrieval


def by_metric(entries, direction, gallery):
    return {f["metric"]: f["value"] for f in entries if (f["direction"], f["gallery"]) == (direction, gallery)}


def random_vectors(n, seed):
    vectors = np.random.default_rng(seed).standard_normal((n, 16)).astype(np.float32)
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def test_smaller_galleries_are_reported_too():
    audio = random_vectors(130, 0)
    text = audio + 1.5 * random_vectors(130, 1)
    entries, ranks = retrieval.evaluate_retrieval(text, audio, np.arange(130))
    assert list(dict.fromkeys(f["gallery"] for f in entries)) == [62, 100, 130]
    for direction in retrieval.DIRECTIONS:
        recall = [by_metric(entries, direction, gallery)["R@1"] for gallery in (62, 100, 130)]
        assert recall[0] > recall[1] > recall[2] == np.mean(np.array(ranks[direction]) == 0)
    assert retrieval.evaluate_retrieval(text, audio, np.arange(130)) == (entries, ranks)


def test_chance_depends_on_the_gallery_size_only():
    entries, _ = retrieval.evaluate_retrieval(random_vectors(200, 0), random_vectors(200, 1), np.arange(200))
    for gallery in (62, 100, 200):
        assert by_metric(entries, "text -> music", gallery)["R@10"] == pytest.approx(10 / gallery, abs=0.05)
    assert all(f["low"] <= f["value"] <= f["high"] for f in entries)


def test_best_of_several_captions_counts():
    audio = np.eye(3, dtype=np.float32)
    text = np.array([[1, 0, 0], [0.6, 0.8, 0], [0, 1, 0], [0, 0, 1]], np.float32)
    owner = np.array([0, 0, 1, 2])  # the second caption of the first recording is nearer to the second recording
    entries, ranks = retrieval.evaluate_retrieval(text, audio, owner)
    assert ranks == {"text -> music": [0, 1, 0, 0], "music -> text": [0, 0, 0]}
    assert by_metric(entries, "text -> music", 3)["R@1"] == 0.75
    assert by_metric(entries, "music -> text", 4)["R@1"] == 1.0


def test_random_galleries_have_one_caption_per_recording():
    audio = random_vectors(70, 0)
    owner = np.random.default_rng(1).permutation(np.repeat(np.arange(70), 3))
    found = retrieval.rank_random_galleries(audio[owner], audio, owner, 62)
    assert len(found["text -> music"]) == 20
    for chosen, ranks in found["text -> music"]:
        assert len(set(chosen)) == 62 and not ranks.any()  # a caption as its recording: always first


def test_random_galleries_are_searched_in_both_directions():
    text, audio, owner = random_vectors(80, 0), random_vectors(80, 1), np.arange(80)
    one = retrieval.rank_random_galleries(text, audio, owner, 62)
    other = retrieval.rank_random_galleries(audio, text, owner, 62)
    for (chosen, ranks), (again, turned) in zip(one["music -> text"], other["text -> music"], strict=True):
        assert (chosen == again).all() and (ranks == turned).all()
    assert not (one["music -> text"][0][1] == one["text -> music"][0][1]).all()
