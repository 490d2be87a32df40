import json
import sys

import numpy as np
import pytest
from made_sets import TAGS, gtzan, magnatagatune, musiccaps, write_rows
from recordings import ToneEmbedder, tone, write

from kobza.cli import main
from kobza.embedding.checkpoint import Checkpoint
from kobza.evaluation.data_sets import load_data_set
from kobza.evaluation.evaluate import evaluate
from kobza.evaluation.intervals import METHOD
from kobza.evaluation.results import write_result
from kobza.evaluation.sanity_checks import CheckResult

RETRIEVAL = ["R@1", "R@5", "R@10", "MeanR", "MedR", "mAP10"]
CLIPS = {f"{i:x}/clip-{i}.mp3": (TAGS[8 * i], TAGS[8 * i + 4]) for i in range(6)}


@pytest.fixture
def no_checks(monkeypatch):
    """An untrained tower and `ToneEmbedder` fail the sanity checks, as they should; here their metrics are wanted."""
    monkeypatch.setattr("kobza.evaluation.sanity_checks.run_checks", lambda embedder: [])


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    folder = tmp_path_factory.mktemp("data")
    gtzan(folder / "gtzan")
    (folder / "gtzan" / "jazz" / "jazz.00054.wav").write_bytes(b"\x13\x37" * 3000)
    magnatagatune(folder / "mtat", CLIPS)
    (folder / "mtat" / "3" / "clip-3.mp3").write_bytes(b"")
    musiccaps(folder / "musiccaps", 24)
    for name in (
        "classes/slow_piano/a.wav",
        "classes/slow_piano/in/b.flac",
        "classes/drums/c.wav",
        "classes/notes.txt",
    ):
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        write(path, tone(300 + 7 * len(name), 0.4)) if path.suffix != ".txt" else path.write_text("x")
    return folder


def test_command_prints_metrics_and_writes_results(no_checks, data, tiny_checkpoint, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main(["evaluate", tiny_checkpoint, "--on", f"musiccaps:{data / 'musiccaps'}@eval"]) == 0
    printed = capsys.readouterr().out
    result = json.loads((tmp_path / "kobza-tiny-musiccaps-eval.json").read_text())
    assert (result["used"], result["of"], result["skipped"]) == (12, 12, [])
    value = next(f for f in result["figures"] if f["metric"] == "R@5" and f["direction"] == "music -> text")
    assert "text -> music" in printed and "gallery 12" in printed and "12 of 12 pairs" in printed
    assert f"{value['value']:.3f} [{value['low']:.3f}, {value['high']:.3f}]" in printed
    assert result["fingerprint"] in printed and len(result["fingerprint"]) == 16

    (tmp_path / "README.md").write_text("---\nlicense: apache-2.0\n---\n\n# A card\n")
    assert main(["evaluate", tiny_checkpoint, "--on", f"classes:{data / 'classes'}", "--card", "README.md"]) == 0
    card = (tmp_path / "README.md").read_text()
    assert "model-index:" in card and "type: accuracy" in card and card.endswith("# A card\n")
    assert main(["evaluate", tiny_checkpoint, "--on", f"classes:{data / 'classes'}", "--card", "none.md"]) == 1
    assert "There is no model card none.md: write the README.md first" in capsys.readouterr().err

    prompts = ["--prompt", "The {} song", "--prompt", "{}", "--ensemble", "--receipt", "here.json"]
    assert main(["evaluate", tiny_checkpoint, "--on", f"classes:{data / 'classes'}", *prompts]) == 0
    out, err = capsys.readouterr()
    assert "F1" in out and "ensemble" in out and "skipped: notes.txt: it is in no class's folder" in err
    result = json.loads((tmp_path / "here.json").read_text())
    assert result["prompts"] == ["The {} song", "{}"] and result["details"]["labels"] == ["drums", "slow piano"]
    assert list(result["details"]["confusion"]) == ["The {} song", "{}", "ensemble"]
    assert sum(map(sum, result["details"]["confusion"]["{}"])) == result["used"] == 3


@pytest.mark.parametrize(
    ("spec", "split", "used", "of", "task", "metrics", "prompts"),
    [
        ("gtzan:{}/gtzan", None, 20, 1000, "zero-shot", ["F1", "accuracy"], 4),
        ("magnatagatune:{}/mtat@188", "188", 5, 6, "zero-shot", ["ROC-AUC", "PR-AUC"], 3),
        ("musiccaps:{}/musiccaps", "test", 6, 6, "retrieval", RETRIEVAL, 0),
        ("pairs:{}/musiccaps", None, 24, 24, "retrieval", RETRIEVAL, 0),
        ("classes:{}/classes", None, 3, 4, "zero-shot", ["F1", "accuracy"], 4),
    ],
)
def test_results_have_the_same_form_for_every_data_set_and_are_reproducible(
    no_checks, data, tiny_checkpoint, tmp_path, spec, split, used, of, task, metrics, prompts
):
    checkpoint = Checkpoint.load(tiny_checkpoint)
    for name in ("one.json", "two.json"):
        write_result(evaluate(checkpoint, spec.format(data)), tmp_path / name)
    text = (tmp_path / "one.json").read_text()
    assert (tmp_path / "two.json").read_text() == text
    assert str(data) not in text and tiny_checkpoint not in text and "NaN" not in text
    result = json.loads(text)
    assert (result["split"], result["used"], result["of"]) == (split, used, of)
    assert len(result["skipped"]) == of - used and all(skip["file"] and skip["reason"] for skip in result["skipped"])
    assert (result["model"], result["dim"]) == ("kobza-tiny", 128)
    assert result["windows"] == {"seconds": 10.0, "min_seconds": 1.0, "sampling_rate": 16_000}
    assert (result["seed"], result["intervals"], len(result["prompts"])) == (0, METHOD, prompts)
    loaded = set(result["versions"]) - {"muq", "onnxruntime"}  # which another test may have loaded
    assert loaded == {"kobza", "torch", "transformers", "av", "numpy"}
    keys = {"task", "direction", "prompt", "gallery", "classes", "metric", "value", "low", "high"}
    assert all(set(figure) == keys and figure["task"] == task for figure in result["figures"])
    assert list(dict.fromkeys(figure["metric"] for figure in result["figures"])) == metrics
    assert len({(f["prompt"], f["direction"], f["gallery"]) for f in result["figures"]}) == (prompts or 2)


def test_unreadable_recordings_are_named_relative_to_the_data_set(no_checks, data):
    skipped = {
        s["file"]: s["reason"] for s in evaluate(ToneEmbedder(), f"magnatagatune:{data}/mtat", ["{}"])["skipped"]
    }
    assert skipped == {"3/clip-3.mp3": "3/clip-3.mp3 is empty; replace the file."}


def test_perfect_embedder_gets_everything_right(no_checks, data, tmp_path):
    for hertz in (200, 900, 4000):
        for shift in (1.0, 1.01):
            write(tmp_path / str(hertz) / f"{shift}.wav", tone(hertz * shift, 1.3))
    result = evaluate(ToneEmbedder(), f"classes:{tmp_path}", ["tone {}", "tone {}00"])
    found = {(f["prompt"], f["metric"]): f["value"] for f in result["figures"]}
    assert found["tone {}", "F1"] == 1.0 and found["tone {}00", "F1"] < 1.0
    assert result["details"]["confusion"]["tone {}"] == [[2, 0, 0], [0, 2, 0], [0, 0, 2]]

    result = evaluate(ToneEmbedder(), f"pairs:{data}/musiccaps")
    assert by(result, "text -> music")["R@5"] > 0.9 and by(result, "music -> text")["R@5"] > 0.9
    clips = {f"0/{i}.mp3": (TAGS[20 * (i % 3)],) for i in range(6)}
    magnatagatune(tmp_path / "mtat", clips)
    result = evaluate(ToneEmbedder(), f"magnatagatune:{tmp_path / 'mtat'}", ["tone {}"])
    found = {f["metric"]: f["value"] for f in result["figures"]}
    assert found == {"ROC-AUC": 1.0, "PR-AUC": 1.0} and result["figures"][0]["classes"] == 3
    assert result["details"]["auc"]["tone {}"][:4] == [1.0, 1.0, 1.0, None]
    assert len(result["details"]["left_out"]) == 47


def by(result, direction):
    return {f["metric"]: f["value"] for f in result["figures"] if f["direction"] == direction}


def test_results_name_each_query_and_what_it_came_to(no_checks, data, tmp_path):
    rows = [json.loads(line) for line in (data / "musiccaps" / "metadata.jsonl").read_text().splitlines()[:3]]
    for row in rows:
        (tmp_path / row["file_name"]).symlink_to(data / "musiccaps" / row["file_name"])
    write_rows(tmp_path, [rows[0], rows[1], {**rows[0], "caption": "tone 9"}, rows[2]])
    details = evaluate(ToneEmbedder(), f"pairs:{tmp_path}")["details"]
    one, two, three = (row["file_name"] for row in rows)
    assert details["queries"] == {"text -> music": [one, two, one, three], "music -> text": [one, two, three]}
    assert {direction: len(ranks) for direction, ranks in details["ranks"].items()} == {
        "text -> music": 4,
        "music -> text": 3,
    }
    details = evaluate(ToneEmbedder(), f"classes:{data}/classes", ["{}"])["details"]
    assert details["recordings"] == ["drums/c.wav", "slow_piano/a.wav", "slow_piano/in/b.flac"]
    confusion = np.zeros((2, 2), int)
    np.add.at(confusion, (details["true"], details["predicted"]["{}"]), 1)
    assert details["true"] == [0, 1, 1] and confusion.tolist() == details["confusion"]["{}"]


def test_recordings_are_embedded_once_for_all_prompts(no_checks, data):
    embedder = ToneEmbedder()
    heard = []
    embedder.embed_text = lambda texts: heard.append(texts) or np.eye(len(texts), embedder.dim, dtype=np.float32)
    evaluate(embedder, f"classes:{data}/classes")
    assert embedder.windows_embedded == 3 and len(heard) == 4
    assert heard[0] == ["The drums song", "The slow piano song"]


def test_data_hash_depends_on_the_data_not_on_its_path(no_checks, tmp_path):
    def hash_of(folder):
        return evaluate(ToneEmbedder(), f"pairs:{folder}")["data_hash"]

    first = hash_of(musiccaps(tmp_path / "a", 3))
    assert hash_of(musiccaps(tmp_path / "b", 3)) == first
    write(tmp_path / "b" / "-01SdAVK79lg.wav", tone(251, 0.3))
    assert hash_of(tmp_path / "b") != first
    rows = [json.loads(line) for line in (tmp_path / "a" / "metadata.jsonl").read_text().splitlines()]
    rows[2]["caption"] = "tone 5"
    write_rows(tmp_path / "a", rows)
    assert hash_of(tmp_path / "a") != first


def test_sanity_checks_come_first(data, monkeypatch):
    def found(name, ok):
        monkeypatch.setattr(
            "kobza.evaluation.sanity_checks.run_checks", lambda _: [CheckResult(name, ok, 1.0, "It is so.")]
        )

    embedder, said = ToneEmbedder(), []
    found("weights", False)
    with pytest.raises(ValueError, match=r"tone-embedder fails the self-test.* It is so."):
        evaluate(embedder, f"pairs:{data}/musiccaps")
    assert embedder.windows_embedded == 0
    found("text tower", False)  # a bad model may be measured, and its result says what is bad
    result = evaluate(embedder, f"pairs:{data}/musiccaps", say=said.append)
    assert result["self_test"] == ["It is so."]
    found("text tower", True)
    assert evaluate(embedder, f"pairs:{data}/musiccaps", say=said.append)["self_test"] == []
    assert [line for line in said if line.startswith("self-test")] == ["self-test: It is so."]


@pytest.mark.parametrize(
    ("argv", "sentence"),
    [
        (["--on", "music"], "'music' is not a data set: write one of musiccaps:DIR"),
        (["--on", "mtat:{}"], "is not a data set"),
        (["--on", "pairs:{}/none"], "There is no folder"),
        (["--on", "pairs:{}/musiccaps@dev"], "has no part 'dev': choose one of all, train, validation, test"),
        (["--on", "classes:{}/classes@a"], "has no part 'a'"),
        (["--on", "classes:{}/classes@validation"], "has no recording in its split 'validation': add recordings"),
        (["--on", "classes:{}/musiccaps"], "has recordings of 0 classes"),
        (["--on", "musiccaps:{}/musiccaps@dev"], "no part 'dev'"),
        (["--on", "pairs:{}/musiccaps", "--prompt", "The {{}} song"], "leave them out"),
        (["--on", "classes:{}/classes", "--prompt", "music"], "has no placeholder"),
        (["--on", "classes:{}/classes", "--prompt", "{{}}", "--ensemble"], "takes two prompts"),
        (["--on", "classes:{}/classes", "--receipt", "/nowhere/r.json"], "no folder /nowhere"),
        (["--on", "classes:{}/classes", "--near-duplicates", "pairs:{}/none"], "There is no folder"),
    ],
)
def test_bad_input_is_one_sentence(no_checks, data, monkeypatch, capsys, tmp_path, argv, sentence):
    import kobza.evaluation.near_duplicates  # noqa: F401  # the command imports it: not with the loader of below

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("kobza.embedding.loader.load_embedder", lambda name, **options: ToneEmbedder())
    assert main(["evaluate", "model", *(word.format(data) for word in argv)]) == 1
    out, err = capsys.readouterr()
    assert sentence in err and err.startswith("kobza: ") and err.count("\n") == 1 and not out
    assert not list(tmp_path.iterdir())


def test_no_usable_recording_is_an_error(no_checks, tmp_path):
    for name in ("a/x.mp3", "b/y.mp3"):
        (tmp_path / name).parent.mkdir()
        (tmp_path / name).write_text("no music")
    with pytest.raises(ValueError, match=r"0 of 2 recordings .* can be used .first of the others: a/x.mp3, "):
        evaluate(ToneEmbedder(), f"classes:{tmp_path}")


def test_missing_scikit_learn_is_reported_before_embedding(no_checks, data, monkeypatch):
    monkeypatch.setitem(sys.modules, "sklearn.metrics", None)
    embedder = ToneEmbedder()
    with pytest.raises(ValueError, match="AUC needs scikit-learn"):
        evaluate(embedder, f"magnatagatune:{data}/mtat", ["{}"])
    assert embedder.windows_embedded == 0
    assert evaluate(embedder, f"pairs:{data}/musiccaps")["used"] == 24  # nothing else needs it


def test_folder_name_may_contain_an_at_sign(tmp_path):
    assert load_data_set(f"pairs:{musiccaps(tmp_path / 'me@home', 2)}").split is None


def test_interrupt_writes_nothing(monkeypatch, capsys, data, tmp_path):
    def stop(*_):
        raise KeyboardInterrupt

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("kobza.embedding.loader.load_embedder", lambda name, **options: ToneEmbedder())
    monkeypatch.setattr("kobza.evaluation.sanity_checks.run_checks", stop)
    assert main(["evaluate", "model", "--on", f"pairs:{data}/musiccaps"]) == 130
    assert capsys.readouterr().err.splitlines()[-1] == "Stopped. No results were written."
