import json
import shutil
from types import SimpleNamespace

import pytest
import torch
from recordings import tone, write
from sample_results import genre_result, retrieval_result

from kobza.cli import main
from kobza.embedding.checkpoint import Checkpoint
from kobza.evaluation import reproduction as module
from kobza.evaluation.reproduction import find_checkpoints, find_data_sets, reproduce


def checkpoint_folder(path):
    path.mkdir(parents=True)
    (path / "config.json").write_text("{}", encoding="utf-8")


@pytest.fixture
def places(tmp_path):
    for name in ("model_6", "kobza-mini"):
        checkpoint_folder(tmp_path / "checkpoints" / name)
    (tmp_path / "checkpoints" / "630k-audioset-best.pt").touch()
    (tmp_path / "checkpoints" / "notes").mkdir()
    (tmp_path / "checkpoints" / "tokenizer.json").touch()
    for name in ("pairs-folk", "gtzan", "musiccaps", "other", ".pairs", "gtzan-old"):
        (tmp_path / "data" / name).mkdir(parents=True)
    (tmp_path / "data" / "classes").touch()  # a file
    return tmp_path / "checkpoints", tmp_path / "data", tmp_path / "out"


@pytest.fixture
def stubs(monkeypatch):
    """Stubs for loading, evaluating and plotting that record what was `measured`; names in `broken` raise."""
    done = SimpleNamespace(measured=[], broken=set(), fingerprints={}, hashes={})

    def load(path, arithmetic):
        if path.name in done.broken:
            raise ValueError(f"{path.name} lacks weights.")
        return SimpleNamespace(name=path.name, fingerprint=done.fingerprints.get(path.name, f"{path.name:0<16}"))

    def load_set(spec):
        if spec.rsplit("/", 1)[-1] in done.broken:
            raise ValueError("It has no table.")
        return spec.rsplit("/", 1)[-1]

    def measure(embedder, spec, checkpoint, allow_overlap, progress, say):
        kind, folder = spec.split(":", 1)
        folder = folder.rsplit("/", 1)[-1]
        done.measured.append((embedder.name, folder))
        if (embedder.name, folder) in done.broken:
            raise RuntimeError("no more\nmemory")
        make = genre_result if kind in ("gtzan", "classes") else retrieval_result
        return make(kind, embedder.name, folder=folder, fingerprint=embedder.fingerprint)

    monkeypatch.setattr(module, "load_embedder", load)
    monkeypatch.setattr(module, "evaluate", measure)
    monkeypatch.setattr(module, "load_data_set", load_set)
    monkeypatch.setattr(module, "data_hash", lambda folder: done.hashes.get(folder, "0" * 64))
    monkeypatch.setattr(
        "kobza.evaluation.plots.plot_results", lambda results, out: [(name, "p.png") for name in results]
    )
    return done


def test_checkpoints_and_data_sets_are_found(places):
    assert [path.name for path in find_checkpoints(places[0])] == ["630k-audioset-best.pt", "kobza-mini", "model_6"]
    assert [(kind, path.name) for kind, path in find_data_sets(places[1])] == [
        ("musiccaps", "musiccaps"),
        ("gtzan", "gtzan"),
        ("pairs", "pairs-folk"),
    ]


def test_every_pair_is_measured_for_one_report(places, stubs):
    outcome = reproduce(*places)
    assert len(stubs.measured) == len(set(stubs.measured)) == outcome.results == 9 and not outcome.failures
    text = outcome.report.read_text(encoding="utf-8")
    assert outcome.report == places[2] / "report.md"
    assert "| 0.178 |" in text and "| 0.103 [0.077, 0.129] |" in text  # model 6, published and measured
    assert text.count("(p.png)") == 9 and "![model_6--pairs-folk](p.png)" in text
    files = list((places[2] / "receipts").iterdir())
    assert len(files) == 9 and not [path for path in files if path.suffix != ".json"]
    assert {json.loads(path.read_text(encoding="utf-8"))["model"] for path in files} == {
        "630k-audioset-best.pt",
        "kobza-mini",
        "model_6",
    }


def test_stopped_run_resumes(places, stubs, monkeypatch):
    measure, stop_after = module.evaluate, 4

    def stopped(*args, **more):
        if len(stubs.measured) == stop_after:
            raise KeyboardInterrupt
        return measure(*args, **more)

    monkeypatch.setattr(module, "evaluate", stopped)
    with pytest.raises(KeyboardInterrupt):
        reproduce(*places)
    assert len(list((places[2] / "receipts").iterdir())) == 4
    monkeypatch.setattr(module, "evaluate", measure)
    assert reproduce(*places).results == 9
    assert len(stubs.measured) == len(set(stubs.measured)) == 9
    first = (places[2] / "report.md").read_bytes()
    assert reproduce(*places).results == 9 and len(stubs.measured) == 9
    assert (places[2] / "report.md").read_bytes() == first


def test_changed_models_data_and_damaged_results_are_measured_again(places, stubs):
    reproduce(*places)
    stubs.measured.clear()
    stubs.fingerprints["model_6"] = "another"
    stubs.hashes["gtzan"] = "1" * 64
    (damaged,) = (places[2] / "receipts").glob("kobza-mini--musiccaps--*")
    damaged.write_text('{"fingerprint": "k', encoding="utf-8")
    outcome = reproduce(*places)
    models = ("630k-audioset-best.pt", "kobza-mini", "model_6")
    again = {("model_6", name) for name in ("musiccaps", "gtzan", "pairs-folk")} | {(m, "gtzan") for m in models}
    again.add(("kobza-mini", "musiccaps"))
    assert set(stubs.measured) == again and outcome.results == 9
    assert "model_6000" not in outcome.report.read_text(encoding="utf-8")  # the old one's figures are gone


def test_failures_are_named_and_the_rest_continues(places, stubs):
    stubs.broken |= {"model_6", ("kobza-mini", "gtzan"), "pairs-folk"}
    said = []
    outcome = reproduce(*places, said.append)
    assert outcome.failures == [
        ("pairs-folk", "It has no table."),
        ("kobza-mini on gtzan", "RuntimeError: no more memory"),
        ("model_6", "model_6 lacks weights."),
    ]
    assert outcome.results == 3
    text = outcome.report.read_text(encoding="utf-8")
    assert "- kobza-mini on gtzan: RuntimeError: no more memory\n- model_6: model_6 lacks weights.\n" in text
    assert "model_6: model_6 lacks weights." in said and "kobza-mini on musiccaps: measuring" in said


@pytest.mark.parametrize(
    ("checkpoints", "data", "sentence"),
    [
        ("checkpoints", "nowhere", "There is no folder"),
        ("nowhere", "data", "There is no folder"),
        ("data", "data", "holds no checkpoint"),
        ("checkpoints", "checkpoints", "holds no data set; its sub-folders must be named"),
        ("checkpoints/model_6", "data", "is a checkpoint itself: give the folder around it"),
    ],
)
def test_missing_input_is_an_error(places, stubs, capsys, checkpoints, data, sentence):
    root = places[0].parent
    argv = ["--checkpoints", root / checkpoints, "--data", root / data, "--out", places[2]]
    assert main(["reproduce", *map(str, argv)]) == 1
    err = capsys.readouterr().err
    assert sentence in err and err.count("\n") == 1
    assert not places[2].exists() and not stubs.measured


def test_command_end_to_end(tiny_checkpoint, tmp_path, capsys):
    checkpoint = Checkpoint.load(tiny_checkpoint)
    with torch.no_grad():  # random words are so alike that the self-test refuses them: apart with them
        checkpoint.model.text_model.embeddings.word_embeddings.weight.mul_(10)
    checkpoint.save(tmp_path / "runs" / "last")
    (tmp_path / "checkpoints").mkdir()
    (tmp_path / "checkpoints" / "model_6").symlink_to(tmp_path / "runs" / "last", target_is_directory=True)
    checkpoint_folder(tmp_path / "checkpoints" / "broken")
    rows = []
    for genre, hertz in (("blues", 200), ("rock", 900), ("blues", 250), ("rock", 1200)):
        write(tmp_path / "data" / "pairs" / f"{hertz}.flac", tone(hertz, 3))
        write(tmp_path / "two" / genre / f"{hertz}.flac", tone(hertz, 3))
        rows.append({"file_name": f"{hertz}.flac", "caption": f"a {genre} song: {'slow ' * (hertz // 100)}piano"})
    (tmp_path / "data" / "classes-two").symlink_to(tmp_path / "two", target_is_directory=True)
    text = "\n".join(map(json.dumps, rows))
    (tmp_path / "data" / "pairs" / "metadata.jsonl").write_text(text, encoding="utf-8")
    argv = ["reproduce", "--checkpoints", str(tmp_path / "checkpoints"), "--data", str(tmp_path / "data")]
    assert main([*argv, "--out", str(tmp_path / "out")]) == 1  # one checkpoint is broken
    out, err = capsys.readouterr()
    assert out == f"2 measured, 1 failed: {tmp_path / 'out' / 'report.md'}\n"
    assert "broken: " in err and "Traceback" not in err
    report = (tmp_path / "out" / "report.md").read_text(encoding="utf-8")
    assert "classes-two" in report and "text -> music" in report and str(tmp_path) not in report.split("## Table")[1]
    names = {path.name for path in (tmp_path / "out" / "plots").iterdir()}
    assert {"pairs-recall-text-to-music.png", "model_6--pairs-ranks.png", "model_6--classes-two-labels.png"} <= names
    (file,) = (tmp_path / "out" / "receipts").glob("model_6--pairs--*")
    result = json.loads(file.read_text(encoding="utf-8"))
    assert result["used"] == result["of"] == 4 and result["model"] == "model_6"
    assert file.name == f"model_6--pairs--{result['fingerprint']}-{result['data_hash'][:16]}.json"
    shutil.rmtree(tmp_path / "checkpoints" / "broken")
    assert main([*argv, "--out", str(tmp_path / "out")]) == 0
    assert capsys.readouterr().err.count("measured before") == 2
