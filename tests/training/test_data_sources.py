"""The sources of pairs: the user's own folder, MusicCaps, a stream; `test_run.py` covers synthetic pieces."""

import io
import json
import shutil
import tarfile
from itertools import count, islice

import pytest
import torch
from made_sets import musiccaps
from recordings import tone, write
from safetensors.torch import load_file

from kobza.data.musiccaps import split_of
from kobza.data.splits import hash_fraction
from kobza.training.arguments import DataArguments
from kobza.training.checked_splits import checked_splits
from kobza.training.data_sources import load_splits
from kobza.training.run import main


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
    splits = checked_splits(splits)
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


def test_own_pairs_train(own, tmp_path):
    assert load_splits(DataArguments(data=str(own)))[1] == "own pairs"
    quick = ["--init", "tiny", "--per_device_train_batch_size", "4", "--max_steps", "2", "--use_cpu"]
    assert main(["model_1", "--data", str(own), *quick, "--output_dir", str(tmp_path)]) == 0
    assert "| validation |" in (tmp_path / "README.md").read_text()
    assert not (tmp_path / "test_results.json").exists()  # a tenth validates, and nothing is kept for a test


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
