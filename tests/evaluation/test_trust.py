"""From training to the thesis's tables on made sets in MusicCaps' format: what a run is, and what it has seen."""

import json
import shutil
from itertools import count, islice

import pytest
from made_sets import write_rows
from recordings import tone, write

from kobza.cli import main
from kobza.data.musiccaps import split_of
from kobza.training.run import main as train

PARTS = {"train": 8, "validation": 3, "test": 4}


def ids_of(part, name):
    return (ytid for k in count() if split_of(ytid := f"{name}-{k}") == part)


def captioned(folder, name="video", first_tone=0):
    """MusicCaps' columns; of the thesis's split, as many clips in each part as `PARTS` says."""
    rows = []
    for ytid in (ytid for part, n in PARTS.items() for ytid in islice(ids_of(part, name), n)):
        number = first_tone + len(rows)
        write(folder / f"{ytid}.wav", tone(150 + 61 * number, 0.4))
        caption = f"The {'slow' if number % 2 else 'fast'} song is a tone, number {number}."
        rows.append({"file_name": f"{ytid}.wav", "ytid": ytid, "caption": caption, "is_audioset_eval": number % 3 == 0})
    write_rows(folder, rows)
    return folder


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """data/musiccaps, and two runs at tiny size: model_1 in a folder called model_6, and model_6 in run-b."""
    place = tmp_path_factory.mktemp("trust")
    data = captioned(place / "data" / "musiccaps")
    quick = ["--init=tiny", "--num_train_epochs=1", "--per_device_train_batch_size=4", "--use_cpu"]
    quick += ["--disable_tqdm=true", "--data", str(data)]
    assert train(["model_1", *quick, "--output_dir", str(place / "runs" / "model_6")]) == 0
    assert train(["model_6", *quick, "--seed=3", "--output_dir", str(place / "runs" / "run-b")]) == 0
    return place


@pytest.fixture(autouse=True)
def _no_checks(monkeypatch):
    """Random towers fail the sanity checks, as they should."""
    monkeypatch.setattr("kobza.evaluation.sanity_checks.run_checks", lambda embedder: [])


def test_a_run_records_what_it_is(place):
    record = json.loads((place / "runs" / "run-b" / "training.json").read_text())
    assert (record["recipe"], record["seed"], record["steps"], record["ended"]) == ("model_6", 3, 2, "all epochs")
    assert record["changed"] == {"init": "tiny", "num_train_epochs": 1.0} and record["init"] == "tiny"
    assert record["towers"]["text"] == {"name": "bert, tiny", "revision": None, "parameters": 237952}
    assert record["data"]["recordings"] == PARTS and record["data"]["split"] == "thesis"
    assert record["model"]["audio_extra_layers"] == 1 and record["started_from"] is None and record["batch"] == 4
    assert str(place) not in json.dumps(record)


def test_the_thesis_tables_do_not_take_a_tiny_run_for_a_model_of_its_own(place, capsys):
    argv = ["reproduce", "--checkpoints", str(place / "runs"), "--data", str(place / "data")]
    assert main([*argv, "--out", str(place / "out")]) == 0
    report = (place / "out" / "report.md").read_text()
    table, below = report.split("## Table 2.2")[1].split("## Table 2.4")[0].split("### Measured on the same data")
    assert "| model_6, seed 42 | not the recipe as it is: init tiny, num_train_epochs 1.0; trained on 8 rec" in below
    assert "; text tower bert, tiny 0.24 M, not bert-base-uncased 108.9 M; audio tower " in below
    assert "run-b" not in below and "[" not in table  # no interval: nothing measured
    below = report.split("## Table 2.4")[1].split("## Table 3.2")[0].split("### Measured on the same data")[1]
    assert "| run-b, seed 3 |" in below and "model_6" not in below
    assert "| model_6 with init tiny, num_train_epochs 1.0 |" in report.split("## How the models were trained")[1]


def test_the_record_of_other_weights_does_not_count(place, tmp_path, capsys):
    shutil.copytree(place / "runs" / "run-b", tmp_path / "copy", ignore=shutil.ignore_patterns("checkpoint-*"))
    shutil.copy(place / "runs" / "model_6" / "model.safetensors", tmp_path / "copy")
    config = json.loads((place / "runs" / "model_6" / "config.json").read_text())
    (tmp_path / "copy" / "config.json").write_text(json.dumps(config))
    argv = ["evaluate", str(tmp_path / "copy"), "--on", f"musiccaps:{place / 'data' / 'musiccaps'}"]
    assert main([*argv, "--receipt", str(tmp_path / "r.json")]) == 0
    assert json.loads((tmp_path / "r.json").read_text())["training"] is None
    assert "Trained by" not in capsys.readouterr().out
    argv[1] = str(place / "runs" / "run-b")
    assert main([*argv, "--receipt", str(tmp_path / "r.json")]) == 0
    assert (
        "Trained by the recipe model_6 with init tiny, num_train_epochs 1.0, on musiccaps (thesis), 8 recordings; 2"
        in (capsys.readouterr().out)
    )
