"""The sources of pairs: the user's own folder, MusicCaps, a stream; `test_run.py` covers synthetic pieces."""

import io
import json
import shutil
import tarfile
from itertools import count, islice

import pytest
import torch
from made_sets import clotho, musiccaps
from recordings import tone, write
from safetensors.torch import load_file

from kobza.data.musiccaps import split_of
from kobza.data.recordings import DataSetError
from kobza.data.splits import hash_fraction
from kobza.training.arguments import DataArguments, ModelArguments
from kobza.training.arguments import KobzaTrainingArguments as TrainingArguments
from kobza.training.checked_splits import checked_splits
from kobza.training.data_sources import load_splits, stream_sources
from kobza.training.run import main
from kobza.training.settings import all_settings


def ids_of(part):
    return (name for name in (f"video-{k}" for k in count()) if split_of(name) == part)


# the hash of a name decides its split; these cover all of them
NAMES = sorted((f"{k}.flac" for k in range(60)), key=hash_fraction)[2::5]
YTIDS = [ytid for part, n in (("train", 8), ("validation", 2), ("test", 2)) for ytid in islice(ids_of(part), n)]
BROKEN = NAMES[5]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Twelve recordings, one of which cannot be decoded."""
    place = tmp_path_factory.mktemp("pairs")
    rows = []
    for k, (name, ytid) in enumerate(zip(NAMES, YTIDS, strict=True)):
        write(place / name, tone(150 + 60 * k, 1.5))
        rows.append({"file_name": name, "ytid": ytid, "caption": f"A tone, number {k}."})
    (place / BROKEN).write_bytes(b"no sound")
    (place / "metadata.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return place


@pytest.fixture(scope="module")
def own(folder, tmp_path_factory):
    """The same without the videos' ids."""
    place = shutil.copytree(folder, tmp_path_factory.mktemp("own") / "pairs")
    rows = [json.loads(line) for line in (place / "metadata.jsonl").read_text().splitlines()]
    for row in rows:
        del row["ytid"]
    (place / "metadata.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return place


def test_a_folder_with_video_ids_is_musiccaps(folder):
    splits, rule = load_splits(DataArguments(data=str(folder)))
    splits, _ = checked_splits(splits)
    assert rule == "thesis" and sum(len(data.recordings) for data in splits.values()) == 11
    assert [skipped for data in splits.values() for skipped in data.skipped if skipped[0] == BROKEN]
    _, rule = load_splits(DataArguments(data=str(folder), split="zero-shot"))
    assert rule == "zero-shot"


def test_old_name_of_a_split_rule_works_and_is_announced(tmp_path, capsys):
    folder = str(musiccaps(tmp_path, 24))
    splits, rule = load_splits(DataArguments(data=folder, split="leak-free"))
    assert rule == "audioset-eval" and len(splits["test"].recordings) == 12
    assert capsys.readouterr().err.startswith("--split leak-free is now called --split audioset-eval;")
    assert load_splits(DataArguments(data=folder, split=rule)) == (splits, rule)
    assert not capsys.readouterr().err


def test_own_pairs_train(own, tmp_path, capsys):
    assert load_splits(DataArguments(data=str(own)))[1] == "own pairs"
    own = shutil.copytree(own, tmp_path / "own")
    table = own / "metadata.jsonl"
    table.write_text(table.read_text() + table.read_text().replace('"caption": "', '"caption": "Again: '))
    quick = ["--init", "tiny", "--per_device_train_batch_size", "4", "--max_steps", "2", "--use_cpu"]
    quick += ["--loss_type", "mulan"]  # which one recording alone has none of
    assert main(["model_1", "--data", str(own), *quick, "--output_dir", str(tmp_path)]) == 0
    assert "train.py: the test split has one recording, which any weights find" in capsys.readouterr().err
    split = json.loads((tmp_path / "split.json").read_text())["splits"]["test"]
    n = len(set(split))  # recordings, each with two captions; among these, guessing finds one of both first
    card = (tmp_path / "README.md").read_text()
    assert card.count(f"| test | {2 * n} | guessing | {1 / n:.3f} |") == 2  # in both directions
    assert (tmp_path / "test_results.json").exists()  # a tenth validates, and a tenth is kept for the test


def test_a_stream_trains_and_resumes(own, tmp_path):
    for shard in range(2):
        with tarfile.open(tmp_path / f"{shard:03d}.tar", "w") as tar:
            for name in NAMES[shard::2]:
                text = name.replace("flac", "txt")
                for inner, data in ((name, (own / name).read_bytes()), (text, f"Tone {name}.".encode())):
                    info = tarfile.TarInfo(inner)
                    info.size = len(data)
                    tar.addfile(info, io.BytesIO(data))
    steps = [f"--{what}_strategy=steps" for what in ("eval", "save")] + ["--eval_steps=3", "--save_steps=3"]
    out = tmp_path / "run"
    command = ["model_1", "--data", str(tmp_path / "{000..001}.tar"), "--validation_data", str(own), "--init=tiny"]
    command += [*steps, "--max_steps=6", "--per_device_train_batch_size=3", "--use_cpu", f"--output_dir={out}"]
    assert main(command) == 0
    last = out / "checkpoint-6"
    unbroken = load_file(last / "model.safetensors")
    shutil.rmtree(last)  # as if it had been killed earlier; 6 steps are more than an epoch of 11 pairs
    assert main(command) == 0
    resumed = load_file(last / "model.safetensors")
    assert all(torch.equal(value, resumed[name]) for name, value in unbroken.items())


def test_published_sets_come_with_their_splits(tmp_path, folder, own):
    clotho(tmp_path / "clotho")
    splits, rule = load_splits(DataArguments(data=f"clotho:{tmp_path / 'clotho'}"))
    assert rule == "clotho" and list(splits) == ["train", "validation", "test"]
    assert {name: data.recordings[0].id.split("/")[0] for name, data in splits.items()} == {
        "train": "development",
        "validation": "validation",
        "test": "evaluation",
    }
    assert load_splits(DataArguments(data=f"musiccaps:{folder}"))[1] == "thesis"
    assert load_splits(DataArguments(data=f"pairs:{own}"))[1] == "own pairs"
    args = DataArguments(data=[f"clotho:{tmp_path / 'clotho'}:2", str(own)])
    splits, rule = load_splits(args)
    sources, weights = stream_sources(args, splits, seed=0)
    assert rule == "stream" and weights == [2.0, 1.0]
    one, other = ([row.caption for row in source.draw.rows] for source in sources)
    assert one == [f"development, words {n}" for n in range(1, 6)] and 5 < len(other) < 12
    with pytest.raises(DataSetError, match="GTZAN has no captions to train on: give one of musiccaps, song_describer"):
        load_splits(DataArguments(data=f"gtzan:{tmp_path}"))
    with pytest.raises(DataSetError, match="All splits of Clotho are loaded for training: leave '@test' out"):
        load_splits(DataArguments(data=f"clotho:{tmp_path / 'clotho'}@test"))
    with pytest.raises(DataSetError, match="All splits of MusicCaps are loaded for training: leave '@eval' out"):
        load_splits(DataArguments(data=f"musiccaps:{folder}@eval"))


def test_settings_that_are_published_name_no_folder_of_this_machine(tmp_path):
    settings = all_settings(
        "mini", ModelArguments(), DataArguments(data=f"clotho:{tmp_path}/sets"), TrainingArguments()
    )
    assert settings["data"]["data"] == "clotho:sets"
