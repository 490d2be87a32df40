import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from tiny import TINY_RESNET, make_model
from transformers import AutoFeatureExtractor, AutoModel, AutoProcessor

import kobza
from kobza import Checkpoint, CheckpointError, KobzaFeatureExtractor, KobzaModel, KobzaProcessor
from kobza.embedding.checkpoint_folder import HUB_ID, default_checkpoint, fingerprint


@pytest.fixture(scope="module")
def checkpoint(tiny_checkpoint) -> Checkpoint:
    return Checkpoint.load(tiny_checkpoint, device="cpu")


@pytest.fixture
def copied(tiny_checkpoint, tmp_path) -> Path:
    return Path(shutil.copytree(tiny_checkpoint, tmp_path / "copy"))


def test_what_a_checkpoint_says_of_itself(checkpoint, tiny_checkpoint):
    assert (checkpoint.name, checkpoint.dim, checkpoint.sampling_rate) == (tiny_checkpoint, 128, 16000)
    assert (checkpoint.window_seconds, checkpoint.min_window_seconds) == (10.0, 1.0)
    assert re.fullmatch("[0-9a-f]{16}", checkpoint.fingerprint)
    assert type(checkpoint.model) is KobzaModel and not checkpoint.model.training
    assert {weight.dtype for weight in checkpoint.model.parameters()} == {torch.float32}


def test_the_default_is_the_wheels_or_the_checkouts_or_the_hubs(tmp_path, monkeypatch):
    package = tmp_path / "src" / "kobza" / "embedding"
    monkeypatch.setattr(kobza.embedding.checkpoint_folder, "__file__", str(package / "checkpoint_folder.py"))
    assert default_checkpoint() == HUB_ID == "kobza/kobza-mini"
    mini = tmp_path / "hub" / "kobza-mini"
    mini.mkdir(parents=True)
    assert default_checkpoint() == HUB_ID  # an empty folder is no checkpoint
    (mini / "config.json").write_text("{}")
    assert default_checkpoint() == str(mini)
    carried = package.parent / "checkpoints" / "kobza-mini"
    carried.mkdir(parents=True)
    (carried / "config.json").write_text("{}")
    assert default_checkpoint() == str(carried)


def test_weights_are_stored_in_half_and_loaded_unchanged_in_full(checkpoint, tiny_checkpoint, tmp_path):
    stored = load_file(Path(tiny_checkpoint) / "model.safetensors")
    loaded = checkpoint.model.state_dict()
    assert stored.keys() == loaded.keys()
    for name, weight in stored.items():
        assert name.startswith("logit_") or weight.dtype == torch.float16
        assert torch.equal(weight.float(), loaded[name]), name
    Checkpoint(make_model().half(), checkpoint.processor).save(tmp_path / "half")
    for folder in (tiny_checkpoint, tmp_path / "half"):
        assert AutoModel.from_pretrained(folder).dtype == torch.float32
    checkpoint.save(tmp_path)
    assert fingerprint(tmp_path) == checkpoint.fingerprint


def test_nothing_says_where_the_towers_lay(checkpoint, tmp_path):
    checkpoint.model.text_model.save_pretrained(tmp_path / "tower")
    model = KobzaModel.from_towers(str(tmp_path / "tower"), checkpoint.model.audio_model)
    Checkpoint(model, checkpoint.processor).save(tmp_path / "saved")
    for path in (tmp_path / "saved").glob("*.json"):
        assert str(tmp_path) not in path.read_text(encoding="utf-8"), path.name


def test_sentences_embed_alone_as_in_a_batch(checkpoint):
    sentences = ["slow sad piano", "bells", "", "a happy song with guitar and drums and bass and flute"] * 20
    together = checkpoint.embed_text(sentences)
    assert together.shape == (80, 128) and together.dtype == np.float32
    assert np.abs(np.linalg.norm(together, axis=1) - 1).max() < 1e-5
    assert np.abs(together[:4] - np.concatenate([checkpoint.embed_text([s]) for s in sentences[:4]])).max() < 1e-5
    assert np.abs(together[0] - together[1]).max() > 1e-3
    assert checkpoint.embed_text([]).shape == (0, 128)


def test_windows_embed_alone_as_in_a_batch(checkpoint, sounds):
    windows = [window for sound in sounds for window in checkpoint.processor.feature_extractor.split(sound)] * 3
    assert len(windows) == 18  # more than are embedded at once
    together = checkpoint.embed_windows(windows)
    assert together.shape == (18, 128) and together.dtype == np.float32
    assert np.abs(np.linalg.norm(together, axis=1) - 1).max() < 1e-5
    assert np.abs(together[:6] - np.concatenate([checkpoint.embed_windows([w]) for w in windows[:6]])).max() < 1e-5
    assert np.abs(together[0] - together[1]).max() > 1e-3
    assert checkpoint.embed_windows([]).shape == (0, 128)


def test_the_mean_of_the_windows_is_the_models_whole_recording(checkpoint, sounds):
    windows = checkpoint.embed_windows(checkpoint.processor.feature_extractor.split(sounds[2])).mean(axis=0)
    inputs = checkpoint.processor(audio=sounds[2], sampling_rate=16000)
    with torch.no_grad():
        whole = checkpoint.model.get_audio_features(**inputs).pooler_output[0].numpy()
    assert np.abs(whole - windows / np.linalg.norm(windows)).max() < 1e-5


def edit(path: Path, change) -> None:
    settings = json.loads(path.read_text())
    change(settings)
    path.write_text(json.dumps(settings))


def edit_extraction(folder: Path, **settings) -> None:
    edit(folder / "processor_config.json", lambda processor: processor["feature_extractor"].update(settings))


def nudge(folder: Path, name: str) -> None:
    weights = load_file(folder / "model.safetensors")
    weights[name].view(-1)[0] += 1
    save_file(weights, folder / "model.safetensors", {"format": "pt"})


@pytest.mark.parametrize(
    "change",
    [
        lambda folder: nudge(folder, "audio_projection.bias"),
        lambda folder: nudge(folder, "text_model.embeddings.word_embeddings.weight"),
        lambda folder: edit(folder / "config.json", lambda c: c.update(text_pooling="max")),
        lambda folder: edit(folder / "config.json", lambda c: c["audio_config"].update(layer_norm_eps=1e-5)),
        lambda folder: edit_extraction(folder, window_seconds=5.0),
        lambda folder: edit_extraction(folder, min_window_seconds=0.5),
        lambda folder: edit_extraction(folder, mean=0.0),
        lambda folder: edit(folder / "tokenizer.json", lambda c: c["model"]["vocab"].update(piano=30, guitar=29)),
    ],
    ids=["weight-a", "weight-b", "pooling", "epsilon", "window", "shortest-window", "mean", "tokenizer"],
)
def test_the_fingerprint_changes_with_whatever_changes_vectors(checkpoint, copied, change):
    assert fingerprint(copied) == checkpoint.fingerprint
    change(copied)
    assert fingerprint(copied) != checkpoint.fingerprint


def test_the_fingerprint_does_not_change_with_anything_else(checkpoint, copied):
    def bookkeeping(config):
        config.update(transformers_version="9.9", temperature=3.0, loss_type="clip", dtype="float16")
        config["text_config"].update(transformers_version="9.9", _name_or_path="/home/somebody")

    edit(copied / "config.json", bookkeeping)
    (copied / "README.md").write_text("# A model card")
    (copied / "modeling_kobza.py").write_text("# a later version")
    assert Checkpoint.load(copied, "cpu").fingerprint == checkpoint.fingerprint


def test_what_is_no_checkpoint_gives_a_sentence(copied, tmp_path):
    def refuses(name, sentence):
        with pytest.raises(CheckpointError, match=sentence) as caught:
            Checkpoint.load(str(name), "cpu")
        assert "\n" not in str(caught.value)

    refuses(tmp_path / "absent", "There is no checkpoint folder .*absent: check the path")
    refuses("absent", "There is no checkpoint folder absent: check the path")
    refuses("no/such/place", "There is no checkpoint folder no/such/place: check the path")
    refuses("somebody/some-model", r"could be fetched from the Hub \(.*\): check the name and the connection")
    (tmp_path / "empty").mkdir()
    refuses(tmp_path / "empty", "is not a Kobza checkpoint: it has no config.json")
    refuses(copied / "config.json", "is a file: give the checkpoint's folder")

    (copied / "tokenizer.json").rename(copied / "kept")
    refuses(copied, r"has no tokenizer\.json")
    (copied / "kept").rename(copied / "tokenizer.json")
    (copied / "model.safetensors").write_bytes((copied / "model.safetensors").read_bytes()[:1000])
    refuses(copied, "cannot be loaded .*: fetch or save the checkpoint again")
    (copied / "model.safetensors").unlink()
    refuses(copied, r"has no model\.safetensors")
    edit(copied / "config.json", lambda config: config.update(model_type="clap"))
    refuses(copied, r"its config.json says model_type 'clap'")
    (copied / "config.json").write_text("{")
    refuses(copied, "config.json cannot be read")
    (copied / "config.json").write_text("[]")
    refuses(copied, "config.json does not hold a JSON object")


def test_missing_weights_are_not_made_up(copied):
    weights = load_file(copied / "model.safetensors")
    del weights["audio_projection.weight"]
    save_file(weights, copied / "model.safetensors", {"format": "pt"})
    with pytest.raises(CheckpointError, match=r"lacks 1 of the model's weights, such as audio_projection.weight"):
        Checkpoint.load(copied, "cpu")
    edit(copied / "config.json", lambda config: config.update(projection_dim=64))
    with pytest.raises(CheckpointError):
        Checkpoint.load(copied, "cpu")


def test_a_device_that_is_not_there_gives_a_sentence(tiny_checkpoint):
    with pytest.raises(CheckpointError, match=r"device 'cuda:99' cannot be used .* try 'cpu'"):
        Checkpoint.load(tiny_checkpoint, "cuda:99")


def test_with_kobza_imported_no_code_has_to_be_trusted(tiny_checkpoint):
    assert type(AutoModel.from_pretrained(tiny_checkpoint)) is KobzaModel
    assert type(AutoProcessor.from_pretrained(tiny_checkpoint)) is KobzaProcessor
    assert type(AutoFeatureExtractor.from_pretrained(tiny_checkpoint)) is KobzaFeatureExtractor
    assert type(AutoModel.from_pretrained(tiny_checkpoint, trust_remote_code=True)) is KobzaModel


def test_the_published_code_is_the_packages(tiny_checkpoint):
    published = {path.name: path.read_text() for path in (Path(kobza.__file__).parent / "model").glob("*_kobza.py")}
    assert {path.name: path.read_text() for path in Path(tiny_checkpoint).glob("*.py")} == published
    for source in published.values():
        roots = re.findall(r"^\s*(?:from|import)\s+([\w.]+)", source, flags=re.MULTILINE)
        allowed = {"torch", "transformers", "huggingface_hub", "numpy", "torchaudio", *sys.stdlib_module_names}
        assert {root.split(".")[0] for root in roots if not root.startswith(".")} <= allowed
        assert all(f"{root[1:]}.py" in published for root in roots if root.startswith("."))


ELSEWHERE = """
import sys
sys.modules["kobza"] = sys.modules["torchaudio"] = sys.modules["soundfile"] = None  # as if not installed
import json
import numpy as np
import torch
from transformers import AutoFeatureExtractor, AutoModel, AutoProcessor, pipeline

folder, sounds, answer = sys.argv[1], list(np.load(sys.argv[2]).values()), {}
trusted = {"trust_remote_code": True}
model = AutoModel.from_pretrained(folder, **trusted)
processor = AutoProcessor.from_pretrained(folder, **trusted)
inputs = processor(text=["slow sad piano"], audio=sounds, sampling_rate=16000)
with torch.no_grad():
    output = model(**inputs)
answer["text"], answer["audio"] = output.text_embeds.tolist(), output.audio_embeds.tolist()
extractor = AutoFeatureExtractor.from_pretrained(folder, **trusted)
answer["same"] = bool(torch.equal(extractor(sounds, sampling_rate=16000)["input_values"], inputs["input_values"]))
classify = pipeline("zero-shot-audio-classification", model=folder, device="cpu", **trusted)
answer["labels"] = classify(sounds[2], candidate_labels=["choir", "bells"])
retrieve = pipeline("text-to-music-retrieval", model=folder, device="cpu", **trusted)
answer["ranked"] = retrieve("slow sad piano", candidates=sounds)
try:
    retrieve("slow sad piano", candidates=["song.mp3"])
except ValueError as error:
    answer["sentence"] = str(error)
modules = {type(thing).__module__ for thing in (model, processor, extractor, retrieve)}
answer["remote"] = all(name.startswith("transformers_modules.") for name in modules)
print("ANSWER", json.dumps(answer))
"""


def test_transformers_alone_loads_and_runs_it(checkpoint, tiny_checkpoint, sounds, tmp_path):
    np.savez(tmp_path / "sounds.npz", *sounds)
    environment = {**os.environ, "HF_HOME": str(tmp_path / "hf"), "HF_HUB_OFFLINE": "1", "CUDA_VISIBLE_DEVICES": ""}
    environment.pop("HF_MODULES_CACHE", None)
    command = [sys.executable, "-c", ELSEWHERE, tiny_checkpoint, str(tmp_path / "sounds.npz")]
    done = subprocess.run(command, env=environment, cwd=tmp_path, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr[-3000:]
    answer = json.loads(done.stdout.split("ANSWER ")[1])
    assert answer["remote"] and answer["same"]
    assert np.abs(np.array(answer["text"]) - checkpoint.embed_text(["slow sad piano"])).max() < 1e-5
    inputs = checkpoint.processor(audio=sounds, sampling_rate=16000)
    with torch.no_grad():
        expected = checkpoint.model.get_audio_features(**inputs).pooler_output.numpy()
    assert np.abs(np.array(answer["audio"]) - expected).max() < 1e-5
    scores = expected @ checkpoint.embed_text(["slow sad piano"])[0]
    assert [found["index"] for found in answer["ranked"]] == scores.argsort()[::-1].tolist()
    assert sum(label["score"] for label in answer["labels"]) == pytest.approx(1.0)
    assert "no decoder is installed: run `pip install kobza`" in answer["sentence"]


def test_a_resnet_and_siglip_make_a_checkpoint_too(tiny_processor, sounds, tmp_path):
    fields = {"audio_config": TINY_RESNET, "loss_type": "siglip", "projection": "residual", "projection_dim": 24}
    before = Checkpoint(make_model(**fields), tiny_processor)
    before.save(tmp_path)
    after = Checkpoint.load(tmp_path, "cpu")
    assert after.dim == 24 and after.fingerprint
    windows = [sounds[0], sounds[1], sounds[3]]
    assert (before.embed_windows(windows) * after.embed_windows(windows)).sum(axis=1).min() > 0.999
    assert (before.embed_text(["bells"]) * after.embed_text(["bells"])).sum() > 0.999


def test_a_model_not_yet_saved_can_embed(tiny_processor):
    unsaved = Checkpoint(make_model(projection_dim=16), tiny_processor)
    assert unsaved.fingerprint == "" and unsaved.embed_text(["song"]).shape == (1, 16)
