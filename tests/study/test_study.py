"""`kobza study thesis` from made data to tables, as a user runs it: every run is a process of its own."""

import json

import pytest
from sample_results import retrieval_result

from kobza.cli import main
from kobza.commands.study import INITIALIZATIONS
from kobza.data.sets import load_data_set
from kobza.errors import KobzaError
from kobza.evaluation.reproduction import evaluate_or_reuse
from kobza.evaluation.thesis_results import published_tables
from kobza.study.identity import check_study, recordings_hash, study_identity
from kobza.study.made_data import make_data, video_ids
from kobza.study.runs import needed_runs
from kobza.study.tables import study_table
from kobza.study.thesis import _devices
from kobza.training import arguments


def test_the_thesis_has_eleven_models(tmp_path):
    runs = needed_runs(published_tables(), 3, tmp_path)
    assert len(runs) == 33 and {run.recipe for run in runs} == {*(f"model_{n}" for n in range(1, 11)), "zero_shot"}
    assert [run.name for run in needed_runs(published_tables(), 2, tmp_path, ["model_6"])] == [
        "model_6-seed42",
        "model_6-seed43",
    ]
    with pytest.raises(KobzaError, match="no model 'model_66'"):
        needed_runs(published_tables(), 1, tmp_path, ["model_66"])


def measured(recipe, value, changed):
    record = {
        "recipe": recipe,
        "changed": changed,
        "seed": value,
        "steps": 9,
        "ended": "early stopping",
        "data": {"name": "musiccaps", "split": "thesis", "recordings": {"train": 3800}},
        "towers": {
            "text": {"name": "bert-base-uncased", "parameters": 108891648},
            "audio": {"name": "MIT/ast-finetuned-audioset-10-10-0.4593", "parameters": 86187264},
        },
    }
    sizes = {tower: about["parameters"] for tower, about in record["towers"].items()}
    result = retrieval_result("musiccaps", recipe, split="test")
    figures = [
        {**entry, "gallery": 1000, "value": value if entry["metric"] == "R@1" else entry["value"]}
        for entry in result["figures"]
        if entry["direction"] == "text -> music"
    ]
    return {**result, "training": record, "towers": sizes, "figures": figures, "used": 1000, "of": 1000}


def test_seeds_become_mean_and_deviation_and_other_runs_are_left_out():
    table = published_tables()[0]
    results = [measured("model_1", 0.1, {}), measured("model_1", 0.2, {}), measured("model_1", 0.9, {"init": "tiny"})]
    lines = study_table(table, results).splitlines()
    row = next(index for index, line in enumerate(lines) if line.startswith("| Model 1 |"))
    assert "0.137" in lines[row] and "0.150 ± 0.071" in lines[row + 1] and lines[row + 1].endswith("| 2 |")
    assert "0.400 ± 0.436" in study_table(table, results, is_made=True)


def made(folder, *more):
    argv = ["study", "thesis", "--synthetic", "--init", "tiny", "--pieces", "16", "--out", str(folder)]
    return [*argv, "--settings", "--num_train_epochs 1", *more]


def test_the_study_runs_from_made_data_to_tables_and_resumes(tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("KOBZA_ARITHMETIC", "int8")  # which evaluations do not follow
    used = []
    monkeypatch.setattr(
        "kobza.study.thesis.evaluate_or_reuse",
        lambda embedder, *args: used.append(embedder.arithmetic) or evaluate_or_reuse(embedder, *args),
    )
    argv = made(tmp_path / "out", "--seeds", "1", "--models", "model_6")
    assert main(argv) == 0
    first = capsys.readouterr()
    assert used == ["float32"]
    assert "0 of 1 runs are done" in first.err and "Made data and tiny random towers" in first.out
    table = first.out.split("## Table 2.4")[1].split("## Table")[0]
    assert [line.split("|")[3].strip() for line in table.splitlines() if line.endswith("| 1 |")] == ["measured"]
    for number in ("2.2", "3.2", "3.3", "3.4", "3.5", "3.6"):
        assert f"## Table {number}." in first.out
    assert "model_6-seed42, seed 42 | not the recipe as it is: init tiny" in (tmp_path / "out/report.md").read_text()
    assert main(argv) == 0
    again = capsys.readouterr()
    assert "1 of 1 runs are done" in again.err and again.err.count("measured before") == 1 and again.out == first.out
    record = json.loads((tmp_path / "out" / "runs" / "model_6-seed42" / "training.json").read_text())
    assert record["recipe"] == "model_6" and record["data"]["split"] == "thesis"
    for other, sentence in (
        ([*argv[:4], "random", *argv[5:]], "(--init: tiny, now random): give another --out"),
        ([*argv, "--settings", "--num_train_epochs 2"], "size 8 --num_train_epochs 1, now --num_train_epochs 4"),
        ([*argv, "--pieces", "20"], "with other runs (recordings: 16 pieces, now 20 pieces): give"),
    ):
        assert main(other) == 1
        assert sentence in capsys.readouterr().err
    (tmp_path / "out" / "study.json").unlink()
    assert main([*argv[:4], "random", *argv[5:]]) == 1
    assert "holds model_6, seed 42, init tiny, not model_6, seed 42, init random" in capsys.readouterr().err


@pytest.mark.slow
def test_a_study_of_several_models_and_seeds_fills_every_table_that_its_data_allows(tmp_path, capsys):
    assert main(made(tmp_path / "out", "--seeds", "2", "--models", "model_1", "zero_shot")) == 0
    out = capsys.readouterr().out
    for number, rows in {"2.2": 1, "3.2": 4, "3.3": 3}.items():
        table = out.split(f"## Table {number}.")[1].split("## Table")[0]
        assert len([line for line in table.splitlines() if line.endswith("| 2 |")]) == rows
    assert len(list((tmp_path / "out" / "receipts").iterdir())) == 6


def test_a_run_that_fails_is_named_and_the_others_are_measured(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr("kobza.study.thesis.make_data", lambda folder, pieces: {"musiccaps": tmp_path / "nothing"})
    argv = ["study", "thesis", "--synthetic", "--init", "tiny", "--seeds", "1", "--models", "model_1"]
    assert main([*argv, "--out", str(tmp_path / "out")]) == 1
    assert "failed: model_1-seed42: There is no folder" in capsys.readouterr().err


def test_a_study_goes_on_with_the_data_that_it_began_with(tmp_path):
    sets = make_data(tmp_path / "data", 6)
    assert recordings_hash(sets["musiccaps"]) == recordings_hash(sets["musiccaps"])
    check_study(tmp_path, study_identity(recordings_hash(sets["musiccaps"]), "tiny", ["--bf16"]))
    (sets["musiccaps"] / f"{video_ids(6)[0]}.flac").unlink()
    with pytest.raises(KobzaError, match=r"other runs \(recordings: hash .*, now hash .*\): give another --out"):
        check_study(tmp_path, study_identity(recordings_hash(sets["musiccaps"]), "tiny", ["--bf16"]))


def test_what_cannot_be_studied_is_said(tmp_path, capsys):
    out = ["--out", str(tmp_path)]
    assert main(["study", "thesis", *out]) == 1
    assert "There is nothing to train on: give --data FOLDER" in capsys.readouterr().err
    assert main(["study", "thesis", "--synthetic", "--data", str(tmp_path), *out]) == 1
    assert "makes its own data" in capsys.readouterr().err
    assert main(["study", "thesis", "--data", str(tmp_path), "--seeds", "0", *out]) == 1
    assert "--seeds is 0: give 1 or more" in capsys.readouterr().err
    with pytest.raises(SystemExit):
        main(["study", "thesis", "--data", str(tmp_path), "--init", "random-tiny", *out])
    assert "there is no choice 'random-tiny'" in capsys.readouterr().err
    assert main(["study", "thesis", "--synthetic", "--checkpoints", str(tmp_path / "nowhere"), *out]) == 1
    assert "There is no folder" in capsys.readouterr().err
    assert main(["study", "thesis", "--synthetic", "--models", "model_66", *out]) == 1
    assert "no model 'model_66'" in capsys.readouterr().err
    assert main(["study", "thesis", "--synthetic", "--settings", "'--bf16", *out]) == 1
    assert "(No closing quotation): correct the quotes" in capsys.readouterr().err
    assert main(["study", "thesis", "--synthetic", "--pieces", "15", *out]) == 1
    assert "15 pieces are too few" in capsys.readouterr().err and not list(tmp_path.iterdir())


def test_the_choices_of_towers_are_those_of_training():
    assert INITIALIZATIONS == arguments.INITIALIZATIONS


@pytest.mark.parametrize(
    ("visible", "count", "devices"),
    [(None, 2, ["0", "1"]), ("2,3", 2, ["2", "3"]), ("", 0, [""]), (None, 0, [""])],
)
def test_runs_are_spread_over_the_gpus_that_may_be_used(monkeypatch, visible, count, devices):
    monkeypatch.setattr("torch.cuda.device_count", lambda: count)
    if visible is None:
        monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    else:
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
    assert _devices() == devices


def test_made_sets_are_read_as_the_real_ones(tmp_path):
    sets = make_data(tmp_path, 6)
    loaded = {name: load_data_set(f"{name}:{folder}") for name, folder in sets.items()}
    assert [len(loaded[name].recordings) for name in ("musiccaps", "gtzan", "magnatagatune")] == [2, 6, 6]
    assert not loaded["magnatagatune"].skipped and len(loaded["magnatagatune"].vocabulary) == 50
    before = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*.*")}
    make_data(tmp_path, 6)
    assert {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*.flac")}.items() <= before.items()
