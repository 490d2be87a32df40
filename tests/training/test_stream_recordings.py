"""Of a stream's recordings those are known that were trained on (of two processes: test_distributed.py)."""

import io
import json
import shutil
import tarfile

import numpy as np
import pytest
from made_sets import write_rows
from recordings import tone, write

from kobza.cli import main as kobza
from kobza.data.recording_identity import key_rows, sound_key, source_key
from kobza.embedding.trained_on import TrainedOn, read_trained_on
from kobza.training import stream_recordings
from kobza.training.run import main
from kobza.training.stream_recordings import TrainedRecordings
from kobza.training.stream_trainer import StreamTrainer

CLIPS, BATCH = 16, 4
QUICK = ["--init=tiny", f"--per_device_train_batch_size={BATCH}", "--use_cpu", "--disable_tqdm=true"]
EACH_STEP = [f"--{what}" for what in ("eval_strategy=steps", "save_strategy=steps", "eval_steps=1", "save_steps=1")]


def video(number):
    return f"video-{number}"


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """0.tar and 1.tar with 16 clips, a quarter of them with a video's id; others in x.parquet, folder/, validation/."""
    import pyarrow
    import pyarrow.parquet

    place = tmp_path_factory.mktemp("streams")
    clips = [write(place / "clips" / f"{k}.flac", tone(150 + 60 * k, 0.4)) for k in range(CLIPS)]
    for shard in range(2):
        with tarfile.open(place / f"{shard}.tar", "w") as tar:
            for k in range(shard, CLIPS, 2):
                row = {"caption": f"A tone, {k}.", **({"ytid": video(k)} if k % 4 == 0 else {})}
                for name, data in ((f"{k}.flac", clips[k].read_bytes()), (f"{k}.json", json.dumps(row).encode())):
                    info = tarfile.TarInfo(name)
                    info.size = len(data)
                    tar.addfile(info, io.BytesIO(data))
    rows = [write(place / "rows" / f"{k}.wav", tone(2000 + 90 * k, 0.4)).read_bytes() for k in range(6)]
    columns = {"audio": [{"bytes": row, "path": None} for row in rows], "caption": [f"Row {k}." for k in range(6)]}
    pyarrow.parquet.write_table(pyarrow.table(columns), place / "x.parquet")
    for name, low in (("folder", 3000), ("validation", 5000)):
        for k in range(12):
            write(place / name / f"{k}.wav", tone(low + 90 * k, 0.4))
        write_rows(place / name, [{"file_name": f"{k}.wav", "caption": f"{name}, {k}."} for k in range(12)])
    return place


@pytest.fixture
def batches(place, monkeypatch):
    """The files of the recordings of each batch that is trained on."""
    files = {f"{sound_key(path):016x}": path for path in place.glob("*/*.*") if path.suffix in (".flac", ".wav")}
    found, step = [], StreamTrainer.training_step

    def noted(self, model, inputs, *more):
        found.append([files[key] for key in inputs["keys"]])
        return step(self, model, inputs, *more)

    monkeypatch.setattr(StreamTrainer, "training_step", noted)
    return found


def known_of(folder):
    return read_trained_on(folder, json.loads((folder / "training.json").read_text())["fingerprint"])


def keys_of_files(files):
    """The keys that trained_on.bin has to have of the recordings in files."""
    keys = {sound_key(path) for path in files}
    videos = {source_key(f"youtube:{video(int(path.stem))}") for path in files if is_named(path)}
    return sorted(keys | videos)


def is_named(path):
    return path.parent.name == "clips" and int(path.stem) % 4 == 0


@pytest.fixture
def run(place, tmp_path, batches):
    """Trained for three steps by two workers, which read ahead, so that all clips are read."""
    shards = ["--data", str(place / "{0..1}.tar"), "--validation_data", str(place / "validation")]
    options = ["--max_steps=3", "--dataloader_num_workers=2", f"--output_dir={tmp_path / 'run'}"]
    assert main(["model_1", *shards, *QUICK, *EACH_STEP, *options]) == 0
    return tmp_path / "run"


def test_what_the_weights_were_trained_on_is_recorded_and_no_more(place, run, batches):
    assert len(batches) == 3
    record = json.loads((run / "training.json").read_text())
    files = {path for batch in batches[: record["weights_of_step"]] for path in batch}
    known = known_of(run)
    assert known.parts["train"].keys.tolist() == keys_of_files(files)
    assert known.parts["train"].recordings == len(files) == record["data"]["recordings"]["train"] < CLIPS
    assert known.is_complete and known.parts["validation"].recordings == 12
    card = (run / "README.md").read_text()
    assert f"Recordings that it was trained on: {len(files)} in train, 12 in validation." in card


def test_an_evaluation_refuses_the_streams_clips(place, run, batches, tmp_path, capsys, monkeypatch):
    """As WAV under other names; and by the video's id, though the sound is another."""
    monkeypatch.setattr("kobza.evaluation.sanity_checks.run_checks", lambda embedder: [])
    step = json.loads((run / "training.json").read_text())["weights_of_step"]
    trained = {int(path.stem) for batch in batches[:step] for path in batch}
    unseen = [k for k in range(CLIPS) if k not in trained]
    named = next(k for k in trained if k % 4 == 0)
    copied = next(k for k in trained if k != named)
    ids = [video(named), "", ""]
    for number, hertz in enumerate((7000, 150 + 60 * copied, 150 + 60 * unseen[0])):
        write(tmp_path / "set" / f"{number}.wav", tone(hertz, 0.4))
    rows = [{"file_name": f"{k}.wav", "caption": f"A clip, {k}.", "ytid": ids[k]} for k in range(3)]
    write_rows(tmp_path / "set", rows)
    argv = ["evaluate", str(run), "--on", f"pairs:{tmp_path / 'set'}", "--receipt", str(tmp_path / "r.json")]
    assert kobza(argv) == 1
    assert "2 of the 3 recordings of pairs:" in capsys.readouterr().err
    assert kobza([*argv, "--allow-overlap"]) == 0
    assert json.loads((tmp_path / "r.json").read_text())["overlap"]["train"] == 2


def test_of_a_mixture_each_source_is_recorded_also_by_a_resumed_run(place, tmp_path, batches, capsys):
    mixed = ["--data", f"{place / 'folder'}:1", f"{place / '{0..1}.tar'}:1", f"{place / 'x.parquet'}:1"]
    saved = ["--eval_strategy=no", "--save_strategy=steps", "--save_steps=1", "--save_total_limit=9"]
    options = [*QUICK, *saved, "--max_steps=4", "--no_load_best_model_at_end", f"--output_dir={tmp_path / 'run'}"]
    command = ["model_1", *mixed, *options]
    assert main(command) == 0
    files = {path for batch in batches for path in batch}
    assert {path.parent.name for path in files} == {"clips", "rows", "folder"}
    expected = keys_of_files(files)
    known = known_of(tmp_path / "run").parts["train"]
    assert known.keys.tolist() == expected and known.recordings == len(files)

    def forget(*steps):
        for step in steps:
            shutil.rmtree(tmp_path / "run" / f"checkpoint-{step}")

    for lost in ((), (3, 4)):  # a finished run, and one that was killed after its second step
        forget(*lost)
        (tmp_path / "run" / "trained_on.bin").unlink()
        assert main(command) == 0
        known = known_of(tmp_path / "run")
        assert known.parts["train"].keys.tolist() == expected and known.is_complete
    forget(3, 4)
    (tmp_path / "run" / "checkpoint-2" / "stream_0_recordings.npz").unlink()
    assert main(command) == 0
    known = known_of(tmp_path / "run")
    assert not known.is_complete and "begun by a version that did not record" in known.note
    assert set(known.parts["train"].keys.tolist()) <= set(expected)


def test_recordings_to_validate_that_are_in_the_stream_are_told(place, tmp_path, capsys):
    shutil.copytree(place / "validation", tmp_path / "validation")
    for k in range(CLIPS):
        shutil.copy(place / "clips" / f"{k}.flac", tmp_path / "validation" / f"copy-{k}.flac")
    write_rows(tmp_path / "validation", [{"file_name": f"copy-{k}.flac", "caption": f"{k}."} for k in range(CLIPS)])
    shards = ["--data", str(place / "{0..1}.tar"), "--validation_data", str(tmp_path / "validation")]
    options = [*QUICK, "--max_steps=1", "--eval_strategy=no", "--save_strategy=no", "--no_load_best_model_at_end"]
    assert main(["model_1", *shards, *options, f"--output_dir={tmp_path / 'run'}"]) == 0
    assert f"train.py: {BATCH} recordings of the validation split are also in the stream" in capsys.readouterr().err


def test_processes_of_another_number_take_each_file_once(tmp_path):
    rows = [key_rows([[k, k + 100]]) for k in range(3)]
    for rank in range(3):
        TrainedRecordings(rows[rank], is_complete=rank != 1).save(tmp_path, rank)
    two = [TrainedRecordings.load(tmp_path, rank, 2) for rank in range(2)]
    assert [part.rows.tolist() for part in two] == [[[0, 100], [2, 102]], [[1, 101]]]
    assert [part.is_complete for part in two] == [True, False]
    more = [TrainedRecordings.load(tmp_path, rank, 4) for rank in range(4)]
    assert [len(part.rows) for part in more] == [1, 1, 1, 0] and more[3].is_complete


def test_each_recording_counts_once_however_often_it_comes(monkeypatch):
    monkeypatch.setattr(stream_recordings, "MIN_MERGED", 8)
    rng, found = np.random.default_rng(0), TrainedRecordings()
    batches = [key_rows([[int(k), 2**63 + int(k)] for k in rng.integers(0, 50, 7)]) for _ in range(40)]
    for batch in batches:
        found.add(batch)
    expected = sorted({tuple(row) for batch in batches for row in batch.tolist()})
    assert found.rows.tolist() == [list(row) for row in expected]
    known = TrainedOn().added({"train": found.rows[:30]}).added({"train": found.rows})
    assert known.parts["train"].recordings == len(expected) and len(known.parts["train"].keys) == 2 * len(expected)
