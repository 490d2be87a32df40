"""Whatever transformers saves is a whole checkpoint: all that the README shows works on it where kobza is missing."""

import inspect
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
from transformers import AutoModel, AutoProcessor, Trainer, TrainingArguments, pipeline

import kobza
from kobza import Checkpoint
from kobza.embedding.checkpoint_folder import fingerprint

TASKS = ("text-to-music-retrieval", "music-feature-extraction", "zero-shot-audio-classification")


def save_in_all_ways(source: str, out: str, **trusted) -> None:
    """Load `source`, and save it as transformers' users do, to a folder each. It runs in another process, too."""
    model = AutoModel.from_pretrained(source, **trusted)
    processor = AutoProcessor.from_pretrained(source, **trusted)
    model.save_pretrained(f"{out}/model")
    processor.save_pretrained(f"{out}/model")
    arguments = TrainingArguments(output_dir=f"{out}/unused", use_cpu=True, report_to=[])
    Trainer(model, arguments, processing_class=processor).save_model(f"{out}/trainer")
    for task in TASKS:
        pipeline(task, model=source, device="cpu", **trusted).save_pretrained(f"{out}/{task}")


# What both processes begin with: kobza is not installed, neither is torchaudio.
WITHOUT_KOBZA = """
import sys
sys.modules["kobza"] = sys.modules["torchaudio"] = None
import json
import torch
from transformers import AutoModel, AutoProcessor, Trainer, TrainingArguments, pipeline
trusted = {"trust_remote_code": True}
"""
OPEN = """
from sentence_transformers import SentenceTransformer

song, answers = sys.argv[1], {}
for folder in sys.argv[2:]:
    model = AutoModel.from_pretrained(folder, **trusted)
    processor = AutoProcessor.from_pretrained(folder, **trusted)
    with torch.no_grad():
        text = model.get_text_features(**processor(text=["slow sad piano"])).pooler_output
        audio = model.get_audio_features(**processor(audio=[song])).pooler_output
    search = pipeline("text-to-music-retrieval", model=folder, device="cpu", **trusted)
    embed = pipeline("music-feature-extraction", model=folder, device="cpu", **trusted)
    tag = pipeline("zero-shot-audio-classification", model=folder, device="cpu", **trusted)
    sentence = SentenceTransformer(folder, device="cpu", **trusted)
    answers[folder] = {
        "text": text[0].tolist(),
        "audio": audio[0].tolist(),
        "score": search("slow sad piano", candidates=[song])[0]["score"],
        "embed": embed(song).tolist(),
        "labels": [found["label"] for found in tag(audio[0].numpy().repeat(200), candidate_labels=["choir", "bells"])],
        "sentence text": sentence.encode(["slow sad piano"])[0].tolist(),
        "sentence audio": sentence.encode([song])[0].tolist(),
        "remote": all(type(one).__module__.startswith("transformers_modules.") for one in (model, processor, embed)),
    }
print("ANSWERS", json.dumps(answers))
"""


def run_without_kobza(home: Path, code: str, *arguments: str) -> str:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("HF_", "PYTHON"))}
    environment = {**kept, "HF_HOME": str(home / "hf"), "HF_HUB_OFFLINE": "1", "CUDA_VISIBLE_DEVICES": ""}
    command = [sys.executable, "-c", WITHOUT_KOBZA + code, *arguments]
    done = subprocess.run(command, env=environment, cwd=home, capture_output=True, text=True, timeout=280)
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout


@pytest.fixture(scope="module")
def saved(tiny_checkpoint, tmp_path_factory) -> list[Path]:
    """The folders written where kobza is installed."""
    folder = tmp_path_factory.mktemp("installed")
    save_in_all_ways(tiny_checkpoint, str(folder))
    return [folder / name for name in ("model", "trainer", *TASKS)]


def whole(folder: Path) -> None:
    published = {path.name: path.read_bytes() for path in (Path(kobza.__file__).parent / "model").glob("*_kobza.py")}
    assert {path.name: path.read_bytes() for path in folder.glob("*.py")} == published
    assert json.loads((folder / "modules.json").read_text())[0]["type"] == "sentence_kobza.SentenceKobza"
    config = json.loads((folder / "config.json").read_text())
    assert set(config["custom_pipelines"]) == {"text-to-music-retrieval", "music-feature-extraction"}


def test_every_way_of_saving_writes_a_whole_checkpoint(saved, tiny_checkpoint):
    expected = Checkpoint.load(tiny_checkpoint, "cpu").embed_text(["slow sad piano"])
    for folder in saved:
        whole(folder)
        assert type(AutoProcessor.from_pretrained(folder)) is kobza.KobzaProcessor
        if folder.name != "zero-shot-audio-classification":  # transformers' own code saves no processor_config.json
            loaded = Checkpoint.load(folder, "cpu")
            assert np.abs(loaded.embed_text(["slow sad piano"]) - expected).max() < 1e-5
            assert loaded.fingerprint == fingerprint(folder)
            assert loaded.processor.feature_extractor.window_seconds == 10.0


@pytest.fixture(scope="module")
def saved_by_remote_code(tiny_checkpoint, tmp_path_factory) -> list[Path]:
    """The folders written by the checkpoint's own code where kobza is not installed; what they came from is gone."""
    home = tmp_path_factory.mktemp("elsewhere")
    out = tmp_path_factory.mktemp("remote")
    source = shutil.copytree(tiny_checkpoint, home / "source")
    code = f"TASKS = {TASKS!r}\n{inspect.getsource(save_in_all_ways)}\nsave_in_all_ways(*sys.argv[1:], **trusted)"
    run_without_kobza(home, code, str(source), str(out))
    shutil.rmtree(home)
    return [out / name for name in ("model", "trainer", *TASKS)]


def test_so_does_every_way_of_saving_where_kobza_is_not_installed(saved_by_remote_code, tiny_checkpoint):
    expected = Checkpoint.load(tiny_checkpoint, "cpu").embed_text(["slow sad piano"])
    for folder in saved_by_remote_code:
        whole(folder)
    loaded = Checkpoint.load(saved_by_remote_code[0], "cpu")
    assert np.abs(loaded.embed_text(["slow sad piano"]) - expected).max() < 1e-5


@pytest.mark.slow
def test_without_kobza_all_of_the_readme_works_on_what_was_saved(
    saved, saved_by_remote_code, tiny_checkpoint, sounds, tmp_path
):
    song, folders = tmp_path / "song.wav", [str(folder) for folder in (*saved, *saved_by_remote_code)]
    soundfile.write(song, sounds[2], 16000)
    answers = json.loads(run_without_kobza(tmp_path, OPEN, str(song), *folders).split("ANSWERS ")[1])
    here = Checkpoint.load(tiny_checkpoint, "cpu")
    text = here.embed_text(["slow sad piano"])[0]
    with torch.no_grad():
        audio = here.model.get_audio_features(**here.processor(audio=[song])).pooler_output[0].numpy()
    assert list(answers) == folders
    for answer in answers.values():
        assert answer["remote"] and sorted(answer["labels"]) == ["bells", "choir"]
        assert answer["score"] == pytest.approx(float(text @ audio), abs=1e-4)
        for key in ("text", "sentence text"):
            assert np.abs(np.array(answer[key]) - text).max() < 1e-5
        for key in ("audio", "embed", "sentence audio"):
            assert np.abs(np.array(answer[key]) - audio).max() < 1e-4
