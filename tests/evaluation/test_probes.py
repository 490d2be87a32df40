import json
import shutil

import numpy as np
import pytest
from made_sets import TAGS, gtzan, magnatagatune
from recordings import ToneEmbedder, tone, write

from kobza.cli import main
from kobza.data.recording_identity import sound_key
from kobza.data.recordings import DataSetError
from kobza.data.sets import divide_labelled
from kobza.embedding.trained_on import TrainedOn
from kobza.evaluation.comparison import compare_results
from kobza.evaluation.evaluate import evaluate
from kobza.evaluation.near_duplicates import find_near_duplicates
from kobza.evaluation.probes import DRAWS, Examples, _entries, draw_few, evaluate_probes


def made(rng, n, dim=8, classes=4, spread=0.5, tags=False):
    """Vectors around a point per class; where they are tagged, a tag for each class and the next one's too."""
    true = rng.integers(0, classes, n)
    vectors = (3 * np.eye(dim)[true] + spread * rng.standard_normal((n, dim))).astype(np.float32)
    return Examples(vectors, np.eye(classes, dtype=bool)[true] if tags else true, classes)


@pytest.mark.parametrize("tags", [False, True])
def test_probes_learn_what_can_be_learned_and_nothing_else(tags):
    rng = np.random.default_rng(0)
    train, validation, test = (made(rng, n, tags=tags) for n in (80, 40, 60))
    entries, chosen, answers = evaluate_probes(train, validation, test, shots=[2])
    names = ["linear probe", "hidden-layer probe", "2-shot linear probe"]
    assert list(dict.fromkeys(entry["prompt"] for entry in entries)) == list(chosen) == names
    metrics = ["ROC-AUC", "PR-AUC"] if tags else ["F1", "accuracy"]
    assert [entry["metric"] for entry in entries[:2]] == metrics
    assert all(entry["value"] > 0.95 for entry in entries[:4])
    assert all(entry["low"] < entry["value"] <= entry["high"] <= 1 for entry in entries)
    assert list(answers) == names[:2]
    for given in answers.values():
        assert min(given) > 0.9 if tags else np.mean(given == test.true) > 0.95
    shuffled = Examples(train.vectors, rng.permutation(train.true), 4)
    by_chance = evaluate_probes(shuffled, validation, test)[0][-1]["value"]
    assert by_chance < 0.75
    assert evaluate_probes(train, validation, test, shots=[2])[0] == entries


def test_scale_of_the_embeddings_changes_nothing():
    rng = np.random.default_rng(0)
    parts = [made(rng, n, spread=2.0) for n in (80, 40, 60)]
    scale = np.geomspace(1e-3, 1e3, 8)
    other = [Examples(part.vectors * scale + 5, part.true, 4) for part in parts]
    values = [[entry["value"] for entry in evaluate_probes(*these)[0]] for these in (parts, other)]
    assert values[0] == pytest.approx(values[1], abs=0.05)


def test_few_shots_are_as_many_as_said_of_each_class():
    rng = np.random.default_rng(0)
    few = draw_few(made(rng, 100), 3, rng)
    assert np.bincount(few.true).tolist() == [3, 3, 3, 3]
    tagged = made(rng, 100, tags=True)
    few = draw_few(tagged, 3, rng)
    assert (few.judged & few.true).sum(axis=0).tolist() == (few.judged & ~few.true).sum(axis=0).tolist() == [3] * 4


def test_interval_of_few_shots_includes_the_draws():
    values = np.tile([0.4, 0.6], DRAWS // 2)
    # As if there were endless recordings: what is left is the variation of the draws
    entry = _entries("probe", made(np.random.default_rng(0), 9), [{"accuracy": (v, np.zeros(9))} for v in values])[0]
    half = 1.96 * values.std(ddof=1) / DRAWS**0.5
    assert (entry["low"], entry["value"], entry["high"]) == pytest.approx((0.5 - half, 0.5, 0.5 + half), abs=0.002)


def test_what_nobody_judged_is_not_learned():
    rng = np.random.default_rng(0)
    train = made(rng, 80, tags=True)
    judged = rng.random(train.true.shape) < 0.7
    wrong = Examples(train.vectors, np.where(judged, train.true, ~train.true), 4, judged)
    entries, chosen, _ = evaluate_probes(wrong, made(rng, 40, tags=True), made(rng, 60, tags=True))
    assert list(chosen) == ["linear probe"] and all(entry["value"] > 0.95 for entry in entries)


def test_command_probes_a_model(monkeypatch, tmp_path, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("kobza.embedding.loader.load_embedder", lambda name, **_: ToneEmbedder())
    monkeypatch.setattr("kobza.evaluation.sanity_checks.run_checks", lambda embedder: [])
    gtzan(tmp_path / "gtzan", numbers=range(4))
    for name, numbers in {"train": (0, 1), "valid": (2,), "test": (3,)}.items():
        genres = sorted(path.name for path in (tmp_path / "gtzan").iterdir() if path.is_dir())
        lines = [f"{genre}/{genre}.{number:05d}.wav" for genre in genres for number in numbers]
        (tmp_path / "gtzan" / f"{name}_filtered.txt").write_text("\n".join(lines))
    words = ["evaluate", "model", "--on", "gtzan:gtzan", "--probe", "--shots", "1"]
    assert main(words) == 0
    printed = capsys.readouterr().out
    assert "linear probe" in printed and "1-shot linear probe" in printed and "10 of 10 recordings" in printed
    result = json.loads((tmp_path / "tone-embedder-gtzan-test-probe.json").read_text())
    assert result["details"]["splits"] == {"validation": {"used": 10, "of": 10}, "train": {"used": 20, "of": 20}}
    assert {entry["task"] for entry in result["figures"]} == {"probe"} and result["prompts"] == []
    assert result["details"]["copies"] == {"train": 0, "validation": 0}
    linear = next(entry for entry in result["figures"] if entry["metric"] == "accuracy")
    assert 0.7 <= linear["value"] <= linear["high"] and linear["low"] > 0.2  # by chance .1
    for wrong, sentence in (
        (["--on", "gtzan:gtzan@test", "--probe"], "A probe takes all splits of GTZAN: leave '@test' out."),
        (["--on", "pairs:gtzan", "--probe"], "A probe needs labels or tags, and pairs has none"),
        (["--on", "gtzan:gtzan", "--probe", "--prompt", "{}"], "A probe takes no prompts"),
        (["--on", "gtzan:gtzan", "--shots", "1"], "--shots is for --probe"),
    ):
        assert main(["evaluate", "model", *wrong]) == 1
        assert sentence in capsys.readouterr().err


def test_a_probes_test_must_be_new_to_the_checkpoint_and_to_the_probe(monkeypatch, tmp_path):
    monkeypatch.setattr("kobza.evaluation.sanity_checks.run_checks", lambda embedder: [])
    for number in range(60):
        write(tmp_path / "data" / "ab"[number % 2] / f"{number}.wav", tone(200 + 50 * number, 0.3))
    spec = f"classes:{tmp_path / 'data'}"
    splits = divide_labelled(spec)
    known = {name: [sound_key(r.path) for r in data.recordings] for name, data in splits.items()}

    def measure(trained_on, **options):
        found = TrainedOn().added({"train": [[key] for key in trained_on]})
        monkeypatch.setattr("kobza.evaluation.evaluate.recordings_trained_on", lambda *_: found)
        lines = []
        return evaluate(ToneEmbedder(), spec, probe=True, say=lines.append, **options), lines

    result, lines = measure(known["train"] + known["validation"])
    (linear, _), (hidden, _) = compare_results(result, result).tables.items()
    assert (linear, hidden) == ("linear probe", "hidden-layer probe")
    assert result["overlap"]["train"] == 0 and result["overlap"]["of"] == len(known["test"]) and not lines
    with pytest.raises(ValueError, match=f"1 of the {len(known['test'])} recordings of classes:"):
        measure(known["test"][:1])
    assert measure(known["test"][:1], allow_overlap=True)[0]["overlap"]["train"] == 1

    duplicates = find_near_duplicates(spec, spec, ToneEmbedder(), probe=True)
    assert len(duplicates["pairs"]) == duplicates["count"] == len(known["test"])  # each is in the whole set

    (tmp_path / "broken").mkdir()
    for name in "ab":
        (tmp_path / "broken" / name).mkdir()
        (tmp_path / "broken" / name / "1.flac").write_bytes(b"no music")
    with pytest.raises(DataSetError, match=r"No recording in .*broken can be used: .*1\.flac"):
        find_near_duplicates(spec, f"classes:{tmp_path / 'broken'}", ToneEmbedder(), probe=True)

    copied, other = splits["test"].recordings[0], splits["train"].recordings[0]
    shutil.copy(copied.path, other.path)
    result, lines = measure([])
    assert result["details"]["copies"] == {"train": 1, "validation": 0}
    assert lines == ["1 recording of the test is also in train, which the probe is trained on: the result says so"]


def test_tags_are_probed(monkeypatch, tmp_path):
    monkeypatch.setattr("kobza.evaluation.sanity_checks.run_checks", lambda embedder: [])
    clips = {f"{folder}/{folder}{i}.mp3": (TAGS[20 * (i % 2) + 20],) for folder in "01cd" for i in range(4)}
    magnatagatune(tmp_path, clips)
    result = evaluate(ToneEmbedder(), f"magnatagatune:{tmp_path}", probe=True)
    assert result["split"] == "50-test" and result["used"] == 4
    assert {entry["metric"]: entry["value"] for entry in result["figures"][:2]} == {"ROC-AUC": 1.0, "PR-AUC": 1.0}
    assert "linear probe, over tags" in compare_results(result, result).tables
    (tmp_path / "c").rename(tmp_path / "lost")
    with pytest.raises(ValueError, match="has none of the 4 clips"):
        evaluate(ToneEmbedder(), f"magnatagatune:{tmp_path}", probe=True)
