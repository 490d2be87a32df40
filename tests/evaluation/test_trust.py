"""From training to the thesis's tables on made sets in MusicCaps' format: what a run is, and what it has seen."""

import json
import shutil
from itertools import count, islice

import pytest
import soundfile
from made_sets import write_rows
from recordings import tone, write

from kobza.cli import main
from kobza.data.musiccaps import split_of
from kobza.embedding.checkpoint import Checkpoint
from kobza.embedding.checkpoint_folder import fingerprint
from kobza.embedding.trained_on import TrainedOn, read_trained_on, write_trained_on
from kobza.embedding.training_record import read_training_record
from kobza.export.push import assemble
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


def chord(hertz):
    return sum(tone(hertz * ratio, 4, level=0.2) for ratio in (1, 1.25, 1.5))


def overlap_of(place, tmp_path, run, part, *options):
    argv = ["evaluate", str(place / "runs" / run), "--on", f"musiccaps:{place / 'data' / 'musiccaps'}@{part}"]
    code = main([*argv, "--receipt", str(tmp_path / "r.json"), *options])
    return json.loads((tmp_path / "r.json").read_text())["overlap"] if code == 0 else code


def test_what_was_trained_on_is_refused_or_marked(place, tmp_path, capsys):
    assert overlap_of(place, tmp_path, "run-b", "train") == 1
    error = capsys.readouterr().err
    assert "8 of the 8 recordings of musiccaps:" in error and "are among those that run-b was trained on: eva" in error
    assert "add --allow-overlap; the result then says how many they are." in error and not list(tmp_path.iterdir())
    seen = overlap_of(place, tmp_path, "run-b", "train", "--allow-overlap")
    expected = {"train": 8, "captions": 0, "validation": 0, "of": 8, "share": 1.0, "is_complete": True, "note": ""}
    assert seen == expected and "8 of 8 pairs used (8 trained on)" in capsys.readouterr().out
    assert overlap_of(place, tmp_path, "run-b", "validation") == {
        **expected,
        "train": 0,
        "validation": 3,
        "of": 3,
        "share": 0,
    }
    assert "3 of the 3 recordings are in the validation split by which run-b was chosen" in capsys.readouterr().err
    assert overlap_of(place, tmp_path, "run-b", "test") == {**expected, "train": 0, "of": 4, "share": 0.0}
    # AudioSet's evaluation clips are of every part of the thesis's split
    assert overlap_of(place, tmp_path, "run-b", "eval") == 1
    assert "3 of the 5 recordings" in capsys.readouterr().err


def test_a_recording_is_known_in_another_file_and_set(place, tmp_path, capsys):
    """Without MusicCaps' ids, under other names, as FLAC instead of WAV."""
    source = place / "data" / "musiccaps"
    rows = [json.loads(line) for line in (source / "metadata.jsonl").read_text().splitlines()]
    (tmp_path / "own").mkdir()
    own = []
    for number, row in enumerate((rows[0], rows[1], *rows[-4:])):
        samples, rate = soundfile.read(source / row["file_name"], dtype="int16")
        soundfile.write(tmp_path / "own" / f"{number}.flac", samples, rate)
        own.append({"file_name": f"{number}.flac", "caption": row["caption"]})
    write_rows(tmp_path / "own", own)
    argv = ["evaluate", str(place / "runs" / "model_6"), "--on", f"pairs:{tmp_path / 'own'}"]
    assert main([*argv, "--receipt", str(tmp_path / "r.json")]) == 1
    assert "2 of the 6 recordings of pairs:" in capsys.readouterr().err
    assert main([*argv, "--receipt", str(tmp_path / "r.json"), "--allow-overlap"]) == 0
    assert json.loads((tmp_path / "r.json").read_text())["overlap"]["share"] == 0.333333


def test_near_duplicates_are_found_by_their_sound(place, tmp_path, capsys):
    """Encoded again and with another name: the keys differ, the vectors do not."""
    for number, (name, hertz) in enumerate((("copy", 440), ("other", 2000))):
        write(tmp_path / "test" / f"{name}.mp3", chord(hertz))
        write(tmp_path / "train" / f"{number}.wav", chord(440 if number else 130))
    for part in ("test", "train"):
        names = sorted(path.name for path in (tmp_path / part).iterdir())
        write_rows(tmp_path / part, [{"file_name": name, "caption": f"A chord, {name}."} for name in names])
    argv = ["evaluate", str(place / "runs" / "run-b"), "--on", f"pairs:{tmp_path / 'test'}"]
    argv += ["--near-duplicates", f"pairs:{tmp_path / 'train'}", "--receipt", str(tmp_path / "r.json")]
    assert main(argv) == 0
    found = json.loads((tmp_path / "r.json").read_text())["near_duplicates"]
    assert (found["count"], found["share"], found["of"]) == (1, 0.5, "pairs")
    assert found["pairs"][0][:2] == ["copy.mp3", "1.wav"] and found["pairs"][0][2] >= 0.97
    assert "1 recordings (50.0%) sound like one of pairs (cosine 0.97 or more)" in capsys.readouterr().out


def test_two_runs_are_compared_query_by_query(place, tmp_path, capsys):
    for run in ("model_6", "run-b"):
        overlap = overlap_of(place, tmp_path, run, "test")
        (tmp_path / "r.json").rename(tmp_path / f"{run}.json")
        assert overlap["train"] == 0
    capsys.readouterr()
    assert main(["compare", str(tmp_path / "model_6.json"), str(tmp_path / "run-b.json")]) == 0
    out = capsys.readouterr().out
    assert "On MusicCaps, test, 4 pairs." in out and "music -> text" in out and out.count("R@1 ") == 2


def test_pushing_takes_what_is_known_along(place, tmp_path):
    assemble(Checkpoint.load(place / "runs" / "run-b", "cpu"), tmp_path / "pushed", "me/x")
    identity = fingerprint(tmp_path / "pushed")
    assert read_training_record(tmp_path / "pushed", identity)["seed"] == 3
    assert read_trained_on(tmp_path / "pushed", identity).parts["train"].recordings == 8


def test_a_run_that_starts_from_a_checkpoint_adds_to_what_it_knows(place, tmp_path):
    other = captioned(tmp_path / "musiccaps", "other", first_tone=40)
    settings = ["--checkpoint", str(place / "runs" / "run-b"), "--init=pretrained", "--data", str(other), "--use_cpu"]
    settings += ["--num_train_epochs=1", "--per_device_train_batch_size=4", "--disable_tqdm=true"]
    assert train(["model_6", *settings, "--output_dir", str(tmp_path / "next")]) == 0
    record = json.loads((tmp_path / "next" / "training.json").read_text())
    before = json.loads((place / "runs" / "run-b" / "training.json").read_text())
    assert record["started_from"]["fingerprint"] == before["fingerprint"]
    assert record["started_from"]["training"]["seed"] == 3 and record["changed"]["checkpoint"] == "run-b"
    known = read_trained_on(tmp_path / "next", record["fingerprint"])
    assert known.is_complete and known.parts["train"].recordings == 16 and len(known.parts["train"].keys) == 32
    assert (
        "Recordings that it was trained on: 16 in train, 6 in validation." in (tmp_path / "next/README.md").read_text()
    )


def test_unknown_and_partly_known_checkpoints_say_so_in_one_line(place, tmp_path, capsys):
    copy = shutil.copytree(place / "runs" / "run-b", tmp_path / "copy", ignore=shutil.ignore_patterns("checkpoint-*"))
    (copy / "trained_on.bin").write_bytes(b"damaged")
    data = f"musiccaps:{place / 'data' / 'musiccaps'}"
    argv = ["evaluate", str(copy), "--receipt", str(tmp_path / "r.json"), "--on"]
    assert main([*argv, f"{data}@train"]) == 1  # by split.json, which Kobza 0.2 wrote alone
    argv.append(data)
    (copy / "split.json").unlink()
    capsys.readouterr()
    assert main(argv) == 0
    assert "what copy was trained on is not recorded, so whether it knows these rec" in capsys.readouterr().err
    assert json.loads((tmp_path / "r.json").read_text())["overlap"] is None
    write_trained_on(copy, TrainedOn(is_complete=False, note="Its songs are unknown.").added({"captions": [[1], [2]]}))
    assert main(argv) == 0
    assert "not all that copy was trained on is recorded: Its songs are unknown." in capsys.readouterr().err


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
    assert "on musiccaps (thesis), 8 recordings; steps: 2 (all epochs), seed: 3." in capsys.readouterr().out
